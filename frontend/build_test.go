package frontend

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	bk "github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	"github.com/moby/buildkit/frontend/gateway/client"
	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"

	"github.com/quoitbuild/quoit/internal/gatewaytest"
	"github.com/quoitbuild/quoit/labels"
)

func wantChanges(t *testing.T, got []string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the plan's images (-want +got):\n%s", diff)
	}
}

func TestReleases(t *testing.T) {
	w := newWorld(t, shop)

	first := w.publish(Options{})
	wantChanges(t, changes(first), "api 0.1.0 new", "base 0.1.0 new", "deploy 0.1.0 new", "web 0.1.0 new")
	if first.Externals["db"].Reference != "docker.io/library/postgres:17" {
		t.Errorf("externals %v", first.Externals)
	}

	same := w.publish(Options{})
	wantChanges(t, changes(same), "api 0.1.0", "base 0.1.0", "deploy 0.1.0", "web 0.1.0")

	w.write("web/f", "another web")
	changed := w.publish(Options{})
	wantChanges(t, changes(changed), "api 0.1.0", "base 0.1.0", "deploy 0.1.1 release", "web 0.1.1 revision")

	w.write("base/f", "another base")
	dependency := w.publish(Options{})
	wantChanges(t, changes(dependency), "api 0.1.1 dependency", "base 0.1.1 revision", "deploy 0.1.2 release", "web 0.1.1")
	if web, _ := dependency.Image("web"); web.Dependencies["api"].String() != "0.1.1" || !slices.Equal(web.Runtime, []string{"api"}) {
		t.Errorf("web needs %v, when it runs %v", web.Dependencies, web.Runtime)
	}

	w.write("api/unread", "no instruction reads this")
	wantChanges(t, changes(w.publish(Options{})), "api 0.1.1", "base 0.1.1", "deploy 0.1.2", "web 0.1.1")

	asked := w.publish(Options{Major: []string{"api"}, Rebuild: []string{"web"}, Args: map[string]string{"GO": "2", "UNUSED": "1"}})
	wantChanges(t, changes(asked), "api 1.0.0 revision major", "base 0.1.1", "deploy 0.1.3 release", "web 0.1.2 rebuild")
}

// What did not change comes from the registry, by digest.
func TestOnlyWhatChangedIsBuilt(t *testing.T) {
	w := newWorld(t, shop)
	w.publish(Options{})
	before := len(w.Solved())
	w.write("api/f", "another api")
	res, plan := w.build(Options{Export: true})
	base, _ := plan.Image("base")
	solved := w.Solved()[before:]
	if refs := slices.Sorted(maps.Keys(res.Refs)); !slices.Equal(refs, []string{"api", "deploy"}) || len(solved) != len(refs) {
		t.Fatalf("%d graphs were solved, the refs are %v", len(solved), refs)
	}
	var all []string
	for _, def := range solved {
		sources, err := gatewaytest.Sources(def)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, sources...)
	}
	wanted := "docker-image://" + shopRegistry + "/base@" + base.Digest
	if text := strings.Join(all, "\n"); base.Digest == "" || !strings.Contains(text, wanted) || strings.Contains(text, "busybox") {
		t.Errorf("the sources are\n%s\nwant %s, and nothing that base is made of", text, wanted)
	}
}

func TestRingsAndWhatTheyContinue(t *testing.T) {
	w := newWorld(t, shop)
	w.publish(Options{})
	w.write("api/f", "another api")
	if plan := w.publish(Options{Ring: "users"}); plan.Current.Ring != "developers" {
		t.Errorf("an empty ring continues %v", plan.Current)
	}
	w.write("web/f", "another web")
	_, plan := w.build(Options{Merge: []string{"users"}})
	if len(plan.Parents) != 2 {
		t.Errorf("the parents are %v", plan.Parents)
	}
	w.fails(Options{Merge: []string{"testers"}}, "QUOIT_MERGE: testers has no release")
	w.fails(Options{Merge: []string{"user"}}, "QUOIT_MERGE: ", `did you mean "users"?`)
	w.fails(Options{Ring: "user"}, `did you mean "users"?`)
}

func TestTargets(t *testing.T) {
	w := newWorld(t, shop)
	w.publish(Options{})
	w.write("api/f", "another api")
	for _, test := range []struct {
		name   string
		o      Options
		refs   string // by id, "" for a single one
		pushed string // the image.name
		solved int
	}{
		{"the default is the root image, and the others are evaluated", Options{}, "", "deploy:0.1.1", 2},
		{"an image that changed", Options{Target: "api"}, "", "api:0.1.1", 1},
		{"an image that did not", Options{Target: "base"}, "", "", 1},
		{"a stage", Options{Target: "web/assets"}, "", "", 1},
		{"all that changed", Options{Target: AllImages}, "api deploy", "", 2},
		{"all, exported", Options{Export: true}, "api deploy", "", 2},
		{"a part", Options{Export: true, Part: new(0)}, "api deploy", "", 2},
		{"a part that there is not", Options{Export: true, Part: new(1)}, "", "", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			before := len(w.Solved())
			res, _ := w.build(test.o)
			if got := strings.Join(slices.Sorted(maps.Keys(res.Refs)), " "); got != test.refs || (res.Ref != nil) != (test.refs == "" && test.solved > 0) {
				t.Errorf("refs %q, a single one: %t", got, res.Ref != nil)
			}
			wanted := test.pushed
			if wanted != "" {
				wanted = shopRegistry + "/" + wanted
			}
			if got := string(res.Metadata["image.name"]); got != wanted {
				t.Errorf("image.name is %q, want %q", got, wanted)
			}
			if solved := len(w.Solved()) - before; solved != test.solved {
				t.Errorf("%d graphs were solved, want %d", solved, test.solved)
			}
			if message := string(res.Metadata[metaMessage]); (message == "") != test.o.Export || !test.o.Export && !strings.Contains(message, "Versions are a forecast") {
				t.Errorf("the message is %q", message)
			}
		})
	}
	w.fails(Options{Target: "wbe"}, `there is no image "wbe" in acme/shop; did you mean "web"?`)
	w.fails(Options{Target: "web/nowhere"}, "nowhere")
}

func TestNothingChangedReturnsTheReleasesImage(t *testing.T) {
	w := newWorld(t, shop)
	w.publish(Options{})
	for _, o := range []Options{{}, {Target: AllImages}, {Target: "deploy"}} {
		before := len(w.Solved())
		res, plan := w.build(o)
		sources, err := gatewaytest.Sources(w.Solved()[before])
		if want := "docker-image://" + shopRegistry + "/deploy@" + plan.Current.Digest; err != nil || len(sources) != 1 || sources[0] != want {
			t.Errorf("error %v, the result is %v, want %s", err, sources, want)
		}
		if message := string(res.Metadata[metaMessage]); message != "nothing to do: developers has 0.1.0 and every image is unchanged\n" {
			t.Errorf("the message is %q", message)
		}
	}
	if res, _ := w.build(Options{Export: true}); len(res.Refs) > 0 || res.Ref != nil {
		t.Errorf("an export of nothing has refs: %v", res.Refs)
	}
}

func TestConfigsHaveTheReleasesLabels(t *testing.T) {
	files := with("web/Dockerfile", "FROM scratch\nLABEL team=web dependency.x=1\nCOPY f /\n")
	files["quoit.yaml"] += "vendor: Acme\n"
	w := newWorld(t, files)
	res, plan := w.build(Options{
		Export: true, Args: map[string]string{ArgEpoch: "1700000000"}, Labels: map[string]string{"extra": "yes"},
		Source: "https://git.example.com/shop", Commit: "c0ffee",
	})
	config := func(name string) dockerspec.DockerOCIImage {
		t.Helper()
		var c dockerspec.DockerOCIImage
		if err := json.Unmarshal(res.Metadata[exptypes.ExporterImageConfigKey+"/"+name], &c); err != nil {
			t.Fatal(err)
		}
		return c
	}
	web, root := config("web"), config("deploy")
	image, _ := plan.Image("web")
	want := map[string]string{
		labels.Version: "0.1.0", labels.Revision: image.Revision, labels.Identity: image.Identity, labels.RefName: "acme/shop/web",
		labels.Vendor: "Acme", "dependency.api": "0.1.0", "team": "web", "extra": "yes",
		labels.Source: "https://git.example.com/shop", labels.Commit: "c0ffee",
	}
	if diff := cmp.Diff(want, web.Config.Labels); diff != "" {
		t.Errorf("labels of web (-want +got):\n%s", diff)
	}
	release, err := labels.Parse(root.Config.Labels)
	if diff := cmp.Diff(plan.Release(), release, cmpopts.EquateEmpty()); err != nil || diff != "" {
		t.Errorf("error %v, the root image's release (-want +got):\n%s", err, diff)
	}
	if release.Source != "https://git.example.com/shop" || release.Commit != "c0ffee" {
		t.Errorf("it comes from %s, %s", release.Source, release.Commit)
	}
	if web.Created.Unix() != 1700000000 || string(res.Metadata["source.date.epoch/web"]) != "1700000000" {
		t.Errorf("created %v, the exporter's time is %s", web.Created, res.Metadata["source.date.epoch/web"])
	}
	if got := config("api").Config.Labels; got[labels.BaseName] != "" {
		t.Errorf("an image on a sibling has the base %s", got[labels.BaseName])
	}
	if got := config("base").Config.Labels; got[labels.BaseName] != "docker.io/library/busybox:latest" || got[labels.BaseDigest] == "" {
		t.Errorf("the labels of base are %v", got)
	}
	overruled := false
	for _, warning := range w.Warnings() {
		overruled = overruled || warning == "image web: quoit sets the label dependency.x itself, the given value is not used"
	}
	if !overruled {
		t.Errorf("warnings %v", w.Warnings())
	}
}

// TestImagesSayWhereTheyComeFrom: by what git says, or what the project says itself, but
// never what a base says of itself.
func TestImagesSayWhereTheyComeFrom(t *testing.T) {
	files := with("base/Dockerfile", "FROM labelled\nCOPY f /\n")
	files["web/Dockerfile"] = "FROM labelled\nLABEL " + labels.Source + "=https://example.com/own\nCOPY f /\n"
	w := newWorld(t, files)
	w.push("labelled", "latest", []byte(`{"architecture":"amd64","os":"linux","rootfs":{"type":"layers"},"config":{"Labels":{"`+labels.Source+`":"https://example.com/base"}}}`))
	_, plain := w.build(Options{Export: true, Contexts: map[string]string{"labelled": "docker-image://" + shopRegistry + "/labelled"}})
	for _, test := range []struct{ commit, source, base, web string }{
		{"", "", "https://example.com/base", "https://example.com/own"},
		{"c0ffee", "", "https://example.com/base", "https://example.com/own"},
		{"c0ffee", "git@example.com:shop", "git@example.com:shop", "https://example.com/own"},
	} {
		res, plan := w.build(Options{
			Export: true, Source: test.source, Commit: test.commit,
			Contexts: map[string]string{"labelled": "docker-image://" + shopRegistry + "/labelled"},
		})
		for name, want := range map[string]string{"base": test.base, "web": test.web, "api": test.source} {
			var c dockerspec.DockerOCIImage
			if err := json.Unmarshal(res.Metadata[exptypes.ExporterImageConfigKey+"/"+name], &c); err != nil {
				t.Fatal(err)
			}
			got := c.Config.Labels
			if got[labels.Source] != want && name != "api" || got[labels.Commit] != test.commit || labels.Annotations(got)[labels.Source] != got[labels.Source] {
				t.Errorf("%s: source %q, commit %q, want %q, %q", name, got[labels.Source], got[labels.Commit], want, test.commit)
			}
			before, _ := plain.Image(name)
			if image, _ := plan.Image(name); image.Identity != before.Identity {
				t.Errorf("%s has another identity because of its labels", name)
			}
			one, _ := w.build(Options{
				Target: name, Source: test.source, Commit: test.commit,
				Contexts: map[string]string{"labelled": "docker-image://" + shopRegistry + "/labelled"},
			})
			if said := string(one.Metadata[exptypes.AnnotationManifestKey(nil, labels.Source)]); said != got[labels.Source] {
				t.Errorf("%s: the annotation says %q, the label %q", name, said, got[labels.Source])
			}
		}
	}
}

func TestPlatformsOfABuild(t *testing.T) {
	files := with("quoit.yaml", strings.Replace(shop["quoit.yaml"], "root: deploy\n", "root: deploy\ndefaults: {platforms: [linux/amd64, linux/arm64]}\n", 1))
	w := newWorld(t, files)
	res, _ := w.build(Options{Export: true})
	if len(res.Refs) != 8 || res.Refs["api/linux/arm64"] == nil {
		t.Errorf("refs %v", res.Refs)
	}
	res, plan := w.build(Options{Export: true, Platforms: []string{"linux/arm64"}})
	if api, _ := plan.Image("api"); len(res.Refs) != 4 || res.Refs["api"] == nil || len(api.Platforms) != 2 {
		t.Errorf("narrowed: refs %v, the plan has %v", res.Refs, api.Platforms)
	}
	res, _ = w.build(Options{})
	if len(res.Refs) != 2 || res.Refs["linux/amd64"] == nil {
		t.Errorf("the default target has the refs %v", res.Refs)
	}
	w.fails(Options{Target: "api", Platforms: []string{"linux/s390x"}}, "image api is not built for linux/s390x, but for linux/amd64, linux/arm64: add it to platforms: in the manifest, or leave it out of --platform")
	w.fails(Options{Target: AllImages, Platforms: []string{"linux/s390x"}}, "no image of acme/shop is built for linux/s390x, but for linux/amd64, linux/arm64")
}

func TestBuildsWithoutARing(t *testing.T) {
	w := newWorld(t, shop)
	res, plan := w.build(Options{Ring: "none"})
	wantChanges(t, changes(plan), "api 0.0.0 stateless", "base 0.0.0 stateless", "deploy 0.0.0 stateless", "web 0.0.0 stateless")
	if asked := w.askedItsRegistry(); len(asked) > 0 || res.Metadata["image.name"] != nil {
		t.Errorf("asked for %v, image.name is %s", asked, res.Metadata["image.name"])
	}
	if message := string(res.Metadata[metaMessage]); strings.Contains(message, "forecast") {
		t.Errorf("the message is %q", message)
	}
}

func TestAFirstReleaseThatIsStatedAsksForNothing(t *testing.T) {
	w := newWorld(t, shop)
	w.down()
	_, plan := w.build(Options{First: true})
	wantChanges(t, changes(plan), "api 0.1.0 new", "base 0.1.0 new", "deploy 0.1.0 new", "web 0.1.0 new")
}

func TestAnotherRegistry(t *testing.T) {
	w := newWorld(t, with("api/Dockerfile", "FROM registry.example.com/acme/shop/base:7\nCOPY f /\n"))
	w.Registry = "mirror.example.com/team"
	_, plan := w.build(Options{Registry: "mirror.example.com/team"})
	if api, _ := plan.Image("api"); plan.Registry != w.Registry || len(api.Dependencies) != 1 {
		t.Errorf("the registry is %s, api needs %v", plan.Registry, api.Dependencies)
	}
	w.fails(Options{Registry: "https://x"}, "QUOIT_REGISTRY: ", "scheme")
	w.Registry = "mirror.example.com"
	_, plan = w.build(Options{Project: "mirror.example.com/acme/shop"})
	if plan.Registry != "mirror.example.com" {
		t.Errorf("the registry is %s", plan.Registry)
	}
}

// TestAManifestOfAnotherProjectIsRefused: whoever writes it does not choose where its
// images go.
func TestAManifestOfAnotherProjectIsRefused(t *testing.T) {
	w := newWorld(t, shop)
	_, plan := w.build(Options{Project: "acme/shop"})
	if plan.Project != "acme/shop" || plan.Registry != "registry.example.com" {
		t.Errorf("the plan is for %s/%s", plan.Registry, plan.Project)
	}
	w.fails(Options{Project: "acme/other"}, "this is the manifest of acme/shop, and acme/other is meant")
	w.fails(Options{Project: "Acme"}, "QUOIT_PROJECT: ", "not a valid name for a project")
	w.fails(Options{Project: "a.example.com/acme/shop", Registry: "b.example.com"}, "QUOIT_REGISTRY: ", "said twice")
}

func TestFrontendCapabilities(t *testing.T) {
	w := newWorld(t, shop)
	for list, known := range map[string]bool{"": true, "moby.buildkit.frontend.inputs,moby.buildkit.frontend.contexts+forward": true, "moby.buildkit.frontend.future": false} {
		if err := checkCaps(list); (err == nil) != known {
			t.Errorf("%q: error %v", list, err)
		}
	}
	w.Opts = map[string]string{"frontend.caps": "moby.buildkit.frontend.future"}
	if _, err := New(Host{})(t.Context(), w.Gateway); err == nil || !strings.Contains(err.Error(), "future") {
		t.Errorf("error %v", err)
	}
}

func TestARunnerThatCannotBeFound(t *testing.T) {
	w := newWorld(t, shop)
	w.Opts = Options{Filename: DefaultManifest}.Attrs()
	lost := errors.New("the runner is lost")
	_, err := New(Host{Runner: func(client.Client) (bk.State, string, error) { return bk.State{}, "", lost }})(t.Context(), w.Gateway)
	if !errors.Is(err, lost) || !strings.HasPrefix(err.Error(), "hashing the project's files: ") {
		t.Errorf("error %v", err)
	}
}

// In the command's own process the manifest and the small files come from the disk.
func TestFilesOfThisMachine(t *testing.T) {
	w := newWorld(t, shop)
	w.Opts = Options{Filename: DefaultManifest, Request: RequestGraph}.Attrs()
	manifest := []byte(strings.Replace(shop["quoit.yaml"], "root: deploy", "root: web", 1))
	manifest = []byte(strings.Replace(string(manifest), ", depends: [api]", "", 1))
	res, err := New(Host{Folder: w.Folder, Manifest: manifest})(t.Context(), w.Gateway)
	if err != nil {
		t.Fatal(err)
	}
	if files, _ := w.Done(); files || !strings.Contains(string(res.Metadata["result.json"]), `"root": "web"`) {
		t.Errorf("BuildKit was asked for files: %t; the graph is %s", files, res.Metadata["result.json"])
	}
}
