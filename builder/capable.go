package builder

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/apicaps"
	"github.com/moby/buildkit/worker/label"
)

// What a builder cannot do, with the ways out.
var (
	errClassicStore = errors.New("this Docker Engine keeps images in its classic store, so its builder can neither push them nor write archives of them: " +
		"let another one build, by `docker buildx create --use`, " +
		`or give the engine containerd's store, by {"features": {"containerd-snapshotter": true}} in /etc/docker/daemon.json and ` + "`systemctl restart docker`")
	errOldBuildKit = errors.New("this BuildKit cannot push several images of one build: BuildKit 0.28 or later is needed; " +
		"beside a Docker Engine that has an older one, `docker buildx create --use` starts it")
)

// checkPush fails if a builder cannot push each image of a result by an exporter of its
// own. It would say so after the last step, or only sometimes.
func checkPush(o gateway.BuildOpts) error {
	if slices.ContainsFunc(o.Workers, func(w gateway.WorkerInfo) bool { return isClassic(w.Labels) }) {
		return errClassicStore
	}
	// Since 0.28 BuildKit pushes once all exporters have made their layers. Before, each push
	// asked for the layers of all images of the result, while others were still made. No
	// capability tells; the second one is as old as that.
	for _, needed := range []apicaps.CapID{pb.CapSessionExporter, pb.CapSourceImageBlob} {
		if !o.LLBCaps.Contains(needed) {
			return errOldBuildKit
		}
	}
	return nil
}

// isClassic tells the worker of a Docker Engine whose images are not in containerd's store
// by its labels: every other worker says which snapshotter it has.
func isClassic(labels map[string]string) bool { return labels[label.Snapshotter] == "" }

// kind is what a builder is.
type kind struct {
	engine  bool // a Docker Engine's, which loads by itself
	classic bool // of an engine with the classic image store
}

// kind asks what the builder is.
func (c *Client) kind(ctx context.Context) (is kind, err error) {
	err = c.soon(ctx, func(ctx context.Context) error {
		workers, err := c.buildkit.ListWorkers(ctx)
		for _, w := range workers {
			is.engine = is.engine || strings.HasSuffix(w.BuildkitVersion.Version, "-moby")
			is.classic = is.classic || isClassic(w.Labels)
		}
		return err
	})
	return is, err
}

// exports fails if the builder cannot export that.
func (k kind) exports(e client.ExportEntry) error {
	archive := e.Type == client.ExporterOCI || e.Type == client.ExporterDocker
	_, push := e.Attrs[string(exptypes.OptKeyPush)]
	if k.classic && (archive || push) {
		return errClassicStore
	}
	return nil
}
