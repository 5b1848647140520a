package frontend

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"

	"github.com/quoitbuild/quoit/labels"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/versioning"
)

// shopBefore are the revisions of shop's images as a quoit of the first scheme said them.
var shopBefore = map[string]string{
	"api":    "sha256:7c0c15007498f43e0fb142406f76ab1b0471f933119a5bea2826faaf82539039",
	"base":   "sha256:2241bcc7e2c652e3a8eb81904f6986c1803ac37dd56ba1b8b7aa47abf0a46b03",
	"deploy": "sha256:8e2fbca5bf07890d205a5e923e302e037d8e2b0ce357d6285f08677fc8165e17",
	"web":    "sha256:c2875cb12e74172e899d160344c20ec1217d0860aec45cdaed0ba00aa725ec3e",
}

// shopNow are the frozen revisions of the second scheme.
var shopNow = map[string]string{
	"api":    "sha256:e3c9a9c77f6352c074cec4198a53dab5bebf44293bcf391cadecd9c00ef17c18",
	"base":   "sha256:a6049163c9b98666d39cc6e59380305f133dd260af7fc901caa1b050750a497f",
	"deploy": "sha256:75755d8f0be1d212fbefaab5d5061c45f89ef3658fb8fadc50a85816e3e07d4b",
	"web":    "sha256:dd96e7c776f27557ba653f5367601e620fe97f4f4693a6bd6e212ee2f57522bb",
}

func TestRevisionsAreFrozen(t *testing.T) {
	_, plan := newWorld(t, shop).build(Options{})
	got := map[string]string{}
	for _, image := range plan.Images {
		got[image.Name] = image.Revision
	}
	if diff := cmp.Diff(shopNow, got); diff != "" {
		t.Errorf("every image of every project would be built anew (-frozen +now):\n%s", diff)
	}
}

// publishBefore publishes all images as a quoit of the first scheme did.
func (w *world) publishBefore(revisions map[string]string) {
	w.t.Helper()
	res, plan := w.build(Options{Export: true})
	for i := range plan.Images {
		plan.Images[i].Revision, plan.Images[i].Scheme = revisions[plan.Images[i].Name], 0
	}
	for i, image := range plan.Images {
		plan.Images[i].Identity = plan.Release().Identity(image.Name)
	}
	digests := map[string]string{}
	for _, name := range plan.PublishOrder() {
		var config dockerspec.DockerOCIImage
		w.must(json.Unmarshal(res.Metadata[exptypes.ExporterImageConfigKey+"/"+name], &config))
		image, _ := plan.Image(name)
		own, err := labels.Image(labels.Info(plan, image)), error(nil)
		if name == plan.Root {
			own, err = labels.Root(labels.Info(plan, image), plan.Release())
		}
		w.must(err)
		maps.Copy(config.Config.Labels, own)
		data, err := json.Marshal(config)
		w.must(err)
		digests[name] = w.push(name, "", data)
	}
	_, err := store.New(w.at, "acme/shop").Publish(w.t.Context(), store.Publication{
		Plan: plan, Rings: versioning.Rings([]string{"developers", "testers", "users"}), Digests: digests, Author: store.Author{Actor: "ann"},
	})
	w.must(err)
}

// TestAReleaseOfTheFirstSchemeGoesOn: nothing is released because of the scheme; what changes
// is what changed, and from the next release on nobody computes the first scheme.
func TestAReleaseOfTheFirstSchemeGoesOn(t *testing.T) {
	w := newWorld(t, shop)
	w.publishBefore(shopBefore)
	if top, found, err := w.at.Repository("deploy").Get(t.Context(), "0.1.0"); err != nil || !found || strings.Contains(string(top.Bytes), "scheme") {
		t.Fatalf("found %t, error %v", found, err)
	}
	changed := func(o Options) []string {
		t.Helper()
		w.Gateway = w.again()
		_, remote := w.build(o)
		local, err := w.local(o)
		if diff := cmp.Diff(remote, local); err != nil || diff != "" {
			t.Errorf("error %v (-BuildKit's plan +the local one):\n%s", err, diff)
		}
		return local.Changed()
	}
	if got := changed(Options{}); len(got) > 0 {
		t.Fatalf("%q change", got)
	}
	if plan, err := w.local(Options{}); err != nil || plan.Images[0].Revision != shopBefore["api"] || plan.Images[0].Noted != "" {
		t.Errorf("the plan says %+v, error %v", plan.Images[0], err)
	}
	if got := changed(Options{Ring: "users"}); len(got) > 0 {
		t.Errorf("of a ring that has none itself %q change", got)
	}
	// By the first scheme a comment is a change, and it is told like any other.
	w.write("base/Dockerfile", shop["base/Dockerfile"]+"# comment\n")
	if got := changed(Options{}); !slices.Contains(got, "base") {
		t.Errorf("with a comment, %q change", got)
	}
	w.write("base/Dockerfile", shop["base/Dockerfile"])

	w.write("web/f", "another web")
	if got := changed(Options{}); !slices.Equal(got, []string{"web", "deploy"}) {
		t.Fatalf("%q change", got)
	}
	w.Gateway = w.again()
	plan := w.publish(Options{})
	if api, _ := plan.Image("api"); api.Version.String() != "0.1.0" || api.Revision != shopBefore["api"] || api.Noted == "" || api.Scheme != 2 {
		t.Errorf("the release says %+v", api)
	}
	if got := changed(Options{}); len(got) > 0 {
		t.Errorf("after the next release, %q change", got)
	}
	w.write("base/Dockerfile", shop["base/Dockerfile"]+"\n# comment\n")
	if got := changed(Options{}); len(got) > 0 {
		t.Errorf("after the next release, a comment changes %q", got)
	}
	w.must(os.Chmod(filepath.Join(w.Folder, "base/f"), 0o600))
	if got := changed(Options{}); !slices.Contains(got, "base") || !slices.Contains(got, "api") {
		t.Errorf("after the next release, %q change by a file's mode", got)
	}
}

// TestGitOfTheProjectIsWarnedOf: with file and line, and only where it is there.
func TestGitOfTheProjectIsWarnedOf(t *testing.T) {
	files := with("quoit.yaml", strings.Replace(shop["quoit.yaml"], "api: api", "api: .", 1))
	files["Dockerfile"] = "FROM busybox\nRUN true\n# all\nCOPY . /src\n"
	w := newWorld(t, files)
	warned := func() []string {
		t.Helper()
		w.Gateway = w.again()
		w.build(Options{Ring: versioning.None})
		return slices.DeleteFunc(w.Warnings(), func(warning string) bool { return !strings.Contains(warning, ".git") })
	}
	if got := warned(); len(got) > 0 {
		t.Errorf("without it, warnings %q", got)
	}
	_, before := w.build(Options{Ring: versioning.None})
	w.write(".git/HEAD", "ref: refs/heads/main\n")
	want := []string{"image api takes .git of the project (line 4): it is in the image, and what changes in it is no change of the image"}
	if got := warned(); !slices.Equal(got, want) {
		t.Errorf("warnings %q", got)
	}
	_, after := w.build(Options{Ring: versioning.None})
	if diff := cmp.Diff(before.Images, after.Images); diff != "" {
		t.Errorf("with .git the plan is another (-without +with):\n%s", diff)
	}
	w.write(".dockerignore", ".git\n")
	if got := warned(); len(got) > 0 {
		t.Errorf("with an ignore file, warnings %q", got)
	}
}
