package builder

import (
	"errors"
	"slices"
	"testing"

	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/apicaps"
	apicapspb "github.com/moby/buildkit/util/apicaps/pb"
)

func TestABuilderThatCannotPushIsRefused(t *testing.T) {
	overlay := map[string]string{"org.mobyproject.buildkit.worker.snapshotter": "overlayfs"}
	for name, c := range map[string]struct {
		labels map[string]string
		lacks  apicaps.CapID
		want   error
	}{
		"a BuildKit":                          {labels: overlay},
		"one before session exporters":        {labels: overlay, lacks: pb.CapSessionExporter, want: errOldBuildKit},
		"one that pushes while others export": {labels: overlay, lacks: pb.CapSourceImageBlob, want: errOldBuildKit},
		"an engine's classic store":           {labels: map[string]string{"org.mobyproject.buildkit.worker.moby.host-gateway-ip": ""}, want: errClassicStore},
		"and of an old engine":                {lacks: pb.CapSessionExporter, want: errClassicStore},
	} {
		t.Run(name, func(t *testing.T) {
			caps := slices.DeleteFunc(pb.Caps.All(), func(can *apicapspb.APICap) bool { return can.ID == string(c.lacks) })
			err := checkPush(gateway.BuildOpts{LLBCaps: pb.Caps.CapSet(caps), Workers: []gateway.WorkerInfo{{Labels: c.labels}}})
			if !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
				t.Errorf("error %v, want %v", err, c.want)
			}
		})
	}
}
