package frontend

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/solver/pb"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

var arm64 = ocispecs.Platform{OS: "linux", Architecture: "arm64"}

// crossed is a project whose images are compiled on the builder's platform for others.
var crossed = map[string]string{
	"quoit.yaml": `project: acme/shop
registry: registry.example.com
root: deploy
defaults: {platforms: [linux/amd64, linux/arm64]}
images:
  tools: tools
  api: api
  deploy: deploy
`,
	"tools/Dockerfile": "FROM busybox\nCOPY f /\n",
	"tools/f":          "tools",
	"api/Dockerfile": "FROM --platform=$BUILDPLATFORM tools AS build\nARG BUILDARCH TARGETARCH\nCOPY src-$TARGETARCH /src\n" +
		"RUN make $BUILDARCH $TARGETARCH\nFROM scratch\nCOPY --from=build /out /\n",
	"api/src-amd64":     "amd64",
	"api/src-arm64":     "arm64",
	"deploy/Dockerfile": "FROM scratch\nCOPY f /\n",
	"deploy/f":          "deploy",
}

// ranOn are the architectures on which a step was solved that makes something, as it was told.
func (w *world) ranOn(builder, target string) []string {
	w.t.Helper()
	var all []string
	for _, def := range w.Solved() {
		for _, raw := range def.Def {
			var op pb.Op
			w.must(op.UnmarshalVT(raw))
			if exec := op.GetExec(); exec != nil && slices.Contains(exec.Meta.Env, "BUILDARCH="+builder) && slices.Contains(exec.Meta.Env, "TARGETARCH="+target) {
				all = append(all, op.Platform.GetArchitecture())
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// TestAllBuildersAgree: on a plan, while each runs steps on its own platform.
func TestAllBuildersAgree(t *testing.T) {
	w := newWorld(t, crossed)
	_, want := w.build(Options{Target: AllImages})
	if got := w.ranOn("amd64", "arm64"); !slices.Equal(got, []string{"amd64"}) {
		t.Errorf("a builder of amd64 makes for arm64 on %v", got)
	}
	w.Gateway = w.again()
	w.Builder = arm64
	_, got := w.build(Options{Target: AllImages})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-on amd64 +on arm64):\n%s", diff)
	}
	for _, target := range []string{"amd64", "arm64"} {
		if got := w.ranOn("arm64", target); !slices.Equal(got, []string{"arm64"}) {
			t.Errorf("a builder of arm64 makes for %s on %v", target, got)
		}
	}
	if got := w.ranOn("amd64", "arm64"); len(got) > 0 {
		t.Errorf("a builder of arm64 is taken for one of amd64 on %v", got)
	}
	local, err := w.local(Options{Target: AllImages})
	if diff := cmp.Diff(want, local); err != nil || diff != "" {
		t.Errorf("error %v (-on amd64 +on a machine of arm64):\n%s", err, diff)
	}
}

// TestFilesThatTheBuilderChooses: no revision can cover them on all builders.
func TestFilesThatTheBuilderChooses(t *testing.T) {
	w := newWorld(t, crossed)
	w.write("api/Dockerfile", "FROM --platform=$BUILDPLATFORM busybox\nARG BUILDARCH\nCOPY src-$BUILDARCH /\n")
	w.build(Options{Target: AllImages})
	w.Gateway = w.again()
	w.Builder = arm64
	w.fails(Options{Target: AllImages}, "image api reads other files", "linux/arm64", "linux/amd64", "TARGETARCH")
}

// TestTheTimeOfAFolder: a folder has none, and an image must not get another one without a
// word.
func TestTheTimeOfAFolder(t *testing.T) {
	w := newWorld(t, with("api/Dockerfile", "ARG SOURCE_DATE_EPOCH=context\nFROM scratch\nCOPY f /\n"))
	w.fails(Options{}, "image api", "SOURCE_DATE_EPOCH=context", "come from a folder", "seconds")
	if _, err := w.local(Options{}); err == nil || !strings.Contains(err.Error(), "come from a folder") {
		t.Errorf("a local plan: %v", err)
	}
	w.Gateway = w.again()
	w.build(Options{Args: map[string]string{ArgEpoch: "1700000000"}})
}
