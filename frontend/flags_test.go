package frontend

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	"github.com/moby/buildkit/solver/pb"
	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
	"github.com/opencontainers/go-digest"

	"github.com/quoitbuild/quoit/labels"
)

// TestAPlatformIsNeverDropped: what is returned has all that were asked for, or the build fails.
func TestAPlatformIsNeverDropped(t *testing.T) {
	w := newWorld(t, with("quoit.yaml", strings.Replace(shop["quoit.yaml"], "api: api", "api: {context: api, platforms: [linux/amd64, linux/arm64]}", 1)))
	for _, o := range []Options{
		{Target: "api", Platforms: []string{"linux/amd64", "linux/s390x"}},
		{Target: "api", Platforms: []string{"linux/arm/v6"}},
	} {
		w.fails(o, "image api is not built for "+o.Platforms[len(o.Platforms)-1]+", but for linux/amd64, linux/arm64: add it to platforms: in the manifest")
	}
	two := []string{"linux/amd64", "linux/arm64"}
	w.fails(Options{Target: "base", Platforms: two}, "image base is not built for linux/arm64, but for linux/amd64")
	w.fails(Options{Target: "web/assets", Platforms: two}, "image web is not built for linux/arm64")
	w.fails(Options{Platforms: two}, "image deploy is not built for linux/arm64")
	w.fails(Options{Export: true, Platforms: []string{"linux/s390x"}}, "no image of acme/shop is built for linux/s390x, but for linux/amd64, linux/arm64")
	w.fails(Options{Request: RequestPlan, Platforms: []string{"linux/s390x"}}, "no image of acme/shop is built for linux/s390x")
	res, _ := w.build(Options{Target: "api", Platforms: two})
	if got := slices.Sorted(maps.Keys(res.Refs)); !slices.Equal(got, two) {
		t.Errorf("api was asked for for two platforms and has the refs %v", got)
	}
	// Of all images, each is built for those that it has.
	res, _ = w.build(Options{Export: true, Platforms: two})
	if got := slices.Sorted(maps.Keys(res.Refs)); len(got) != 5 || res.Refs["api/linux/arm64"] == nil {
		t.Errorf("refs %v", got)
	}
}

func TestNoExporterPutsSeveralImagesUnderOneName(t *testing.T) {
	w := newWorld(t, shop)
	refused := func(o Options) (text string) {
		res, _ := w.build(o)
		for key := range res.Metadata {
			if _, _, err := exptypes.ParseAnnotationKey(key); err != nil {
				text = err.Error()
			}
		}
		return text
	}
	for _, o := range []Options{{}, {Target: "api"}, {Target: "web/assets"}, {Export: true}} {
		if text := refused(o); text != "" {
			t.Errorf("%q, exported %t: an exporter of images says %q", o.Target, o.Export, text)
		}
	}
	check := func() {
		t.Helper()
		if text := refused(Options{Target: AllImages}); !strings.Contains(text, "several-images-under-one-name") || !strings.Contains(text, "target") || !strings.Contains(text, "bake") {
			t.Errorf("an exporter of images says %q", text)
		}
	}
	check()
	w.publish(Options{})
	check() // also if nothing changed
}

func TestLabelsOnAnUnchangedImage(t *testing.T) {
	w := newWorld(t, shop)
	w.publish(Options{})
	config := func(o Options) dockerspec.DockerOCIImage {
		t.Helper()
		res, _ := w.build(o)
		var c dockerspec.DockerOCIImage
		if err := json.Unmarshal(res.Metadata[exptypes.ExporterImageConfigKey], &c); err != nil {
			t.Fatal(err)
		}
		return c
	}
	want := config(Options{Target: "api"})
	got := config(Options{Target: "api", Labels: map[string]string{"team": "checkout", labels.Version: "9.9.9"}})
	if got.Config.Labels["team"] != "checkout" {
		t.Errorf("the label is lost: %v", got.Config.Labels)
	}
	if want.Config.Labels["team"] = "checkout"; cmp.Diff(want, got) != "" {
		t.Errorf("all else is as it was (-want +got):\n%s", cmp.Diff(want, got))
	}
	if warnings := fmt.Sprint(w.Warnings()); !strings.Contains(warnings, "image api: quoit sets the label "+labels.Version+" itself") {
		t.Errorf("warnings %s", warnings)
	}
}

// anew are the steps of what was solved that run in any case, by their names, of the last n.
func (w *world) anew(n int) []string {
	w.t.Helper()
	var names []string
	solved := w.Solved()
	for _, def := range solved[len(solved)-n:] {
		for _, raw := range def.Def {
			var op pb.Op
			w.must(op.UnmarshalVT(raw))
			meta := def.Metadata[digest.FromBytes(raw).String()]
			if meta.GetIgnoreCache() && op.GetSource() == nil {
				names = append(names, meta.Description["llb.customname"])
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func TestNoCacheOfSomeImages(t *testing.T) {
	w := newWorld(t, shop)
	for _, test := range []struct {
		names []string
		want  string
	}{
		{nil, ""},
		{[]string{"api"}, "[api 2/2] COPY f /"},
		{[]string{"web/assets"}, "[web assets 2/2] COPY f /"},
		{[]string{"api", "web"}, "[api 2/2] COPY f /|[web assets 2/2] COPY f /|[web stage-1 1/1] COPY --from=assets /f /"},
	} {
		w.build(Options{Export: true, NoCacheFor: test.names})
		if got := strings.Join(w.anew(4), "|"); got != test.want {
			t.Errorf("%v: %s run in any case, want %s", test.names, got, test.want)
		}
	}
	w.fails(Options{NoCacheFor: []string{"wbe/assets"}}, "--no-cache-filter", `names "wbe", which is not an image of acme/shop; did you mean "web"?`)
}

// TestFlagsReachEveryStep: what a stock client says of steps holds for those of every image.
func TestFlagsReachEveryStep(t *testing.T) {
	w := newWorld(t, with("base/Dockerfile", "FROM busybox\nARG GREETING\nRUN echo $GREETING >/f\n"))
	o := Options{Filename: DefaultManifest, Export: true, Args: map[string]string{"GREETING": "hello"}}
	w.Opts = o.Attrs()
	maps.Copy(w.Opts, map[string]string{
		"add-hosts": "db=10.0.0.7", "force-network-mode": "none", "shm-size": "1048576", "ulimit": "nofile=10:20", "cgroup-parent": "/builds", "memory": "1000000",
	})
	_, err := New(Host{Runner: runner})(t.Context(), w.Gateway)
	w.must(err)
	found := false
	for _, def := range w.Solved() {
		for _, raw := range def.Def {
			var op pb.Op
			w.must(op.UnmarshalVT(raw))
			run := op.GetExec()
			if run == nil {
				continue
			}
			found = true
			if hosts := run.Meta.ExtraHosts; len(hosts) != 1 || hosts[0].Host != "db" || hosts[0].IP != "10.0.0.7" {
				t.Errorf("hosts %v", hosts)
			}
			if limits := run.Meta.Ulimit; len(limits) != 1 || limits[0].Name != "nofile" || limits[0].Soft != 10 || limits[0].Hard != 20 {
				t.Errorf("limits %v", limits)
			}
			if run.Network != pb.NetMode_NONE || run.Meta.CgroupParent != "/builds" || !slices.Contains(run.Meta.Env, "GREETING=hello") {
				t.Errorf("network %s, group %s, environment %v", run.Network, run.Meta.CgroupParent, run.Meta.Env)
			}
			shm := slices.ContainsFunc(run.Mounts, func(m *pb.Mount) bool { return m.Dest == "/dev/shm" && m.TmpfsOpt.GetSize() == 1048576 })
			if !shm {
				t.Errorf("mounts %v", run.Mounts)
			}
		}
	}
	if !found {
		t.Error("there is no step")
	}
}
