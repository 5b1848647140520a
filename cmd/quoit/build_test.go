package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/quoitbuild/quoit/graph"
	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/versioning"
)

func TestMistakesWithBuilds(t *testing.T) {
	s := newShop(t, "")
	for _, test := range [][2]string{
		{"build now", `there is no image "now": choose one of api, deploy`},
		{"build --target apo/test", `there is no image "apo": did you mean "api"?`},
		{"build -o type=registry", "name what is pushed"},
		{"build -o type=carrier-pigeon", "there is no type"},
		{"build -o type=oci", "dest="},
		{"build --load --target api/test", "no name of its own"},
		{"build --load -t x", "name one"},
		{"build --target * --load -t x", "name one"},
		{"build -t x", "say where"},
		{"build --push --load", "--push publishes all"},
		{"build --push api", "--push publishes all"},
		{"build --check --load", "--check builds nothing"},
		{"build --nonsense", "see: quoit build --help"},
		{"build -o yaml", "choose text or json"},
		{"plan -o yaml", "choose text or json"},
		{"build --push --platform linux/amd64", "a narrowed build is not published"},
		{"build --push --ring none", "leave out --push or choose a ring"},
		{"build --ring usrs", `there is no ring "usrs"`},
		{"plan --ring usrs", `did you mean "users"`},
		{"build --message \x1b", "leave out control characters"},
		{"build --build-arg QUOIT_RING=users", "the QUOIT_ arguments have flags"},
		{"build --build-arg =x", "write NAME=VALUE"},
		{"build --label x", "write KEY=VALUE"},
		{"plan --label =x", "write KEY=VALUE"},
		{"build --secret id=x,src=/nonexistent", "--secret: failed to stat /nonexistent"},
		{"build --ssh x=/nonexistent", "--ssh: "},
		{"build --cache-from type=x,y", "--cache-from: "},
		{"build --cache-to type=x,y", "--cache-to: "},
		{"build --allow-syntax a//b", "--allow-syntax: "},
		{"build --build-context a", "write NAME=FOLDER"},
		{"build --build-context A=.", "write NAME=FOLDER"},
		{"plan --build-context a=https://example.com/x.git", "ADD it in the container file"},
		{"plan --build-context a=oci-layout://x", "ADD it in the container file"},
		{"graph --build-context a=/", "the folder is outside of the project"},
		{"graph --build-context a=..", "the folder is outside of the project"},
		{"build --build-context a=nowhere", "nowhere"},
		{"build --push --provenance mode=max --build-arg API_TOKEN=x", "these look like secrets: API_TOKEN. "},
		{"build --push --provenance true --build-arg HTTP_PROXY=http://a:b@proxy", "these look like secrets: HTTP_PROXY. "},
		{"plan --progress loud", "--progress: "},
		{"plan -f nowhere.yaml", "there is no manifest nowhere.yaml"},
		{"plan -C nowhere", "there is no folder nowhere"},
		{"graph api", `takes no argument, found "api"`},
		{"graph -o yaml", "choose text or json"},
		{"graph --ring users", "unknown flag: --ring"},
		{"graph --build-arg QUOIT_RING=users", "the QUOIT_ arguments have flags"},
		{"graph --allow-syntax a//b", "--allow-syntax: "},
		{"graph --secret id=x,src=/nonexistent", "--secret: failed to stat /nonexistent"},
		{"graph -C nowhere", "there is no folder nowhere"},
		{"explain", "wants the name of an image, found 0 arguments"},
		{"explain api deploy", "found 2 arguments"},
		{"explain api -o yaml", "choose text or json"},
		{"explain apo", `there is no image "apo": did you mean "api"?`},
		{"why other", `there is no image "other": choose one of api, deploy`},
		{"explain api --ring usrs", `did you mean "users"`},
		{"explain api --label x", "write KEY=VALUE"},
		{"explain api --progress loud", "--progress: "},
		{"explain api -f nowhere.yaml", "there is no manifest nowhere.yaml"},
	} {
		s.fails(64, strings.Fields(test[0]), test[1])
	}
	s.fails(1, []string{"plan", "--registry", "https://x"}, "a registry is written without a scheme")
}

// files gives the shop something to build.
func (s *shop) files() {
	s.t.Helper()
	for _, image := range []string{"api", "deploy"} {
		if err := os.MkdirAll(filepath.Join(s.dir, image), 0o700); err != nil {
			s.t.Fatal(err)
		}
		s.write(image+"/Dockerfile", "FROM scratch\nCOPY f /\n")
		s.write(image+"/f", image)
	}
}

// publishFiles publishes what a plan of the files says.
func (s *shop) publishFiles() {
	s.t.Helper()
	plan, err := versioning.ParsePlan([]byte(s.does("plan", "-o", "json")))
	if err != nil {
		s.t.Fatal(err)
	}
	p, err := store.Open(s.host, "acme/shop", registry.Options{})
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.publishPlan(p, plan, "first"); err != nil {
		s.t.Fatal(err)
	}
}

// TestAPlanNeedsNoBuildKit: nor does a build that finds nothing to do. There is none here.
func TestAPlanNeedsNoBuildKit(t *testing.T) {
	s := newShop(t, "")
	s.files()
	s.says([]string{"plan"}, "api", "0.1.0", "deploy")
	s.says([]string{"plan", "--first"}, "api", "0.1.0", "deploy")
	s.publishFiles()
	unchanged := func() {
		t.Helper()
		for _, args := range [][]string{{"plan"}, {"plan", "--detailed-exitcode"}, {"build"}, {"build", "--push"}, {"build", "--push", "--no-cache"}} {
			s.says(args, "nothing to do")
		}
		var built struct{ Plan versioning.Plan }
		if err := json.Unmarshal([]byte(s.does("build", "--push", "-o", "json")), &built); err != nil || len(built.Plan.Changed()) > 0 || len(built.Plan.Images) != 2 {
			t.Errorf("error %v, the plan is %+v", err, built.Plan)
		}
		for _, image := range built.Plan.Images {
			if !registry.IsDigest(image.Digest) {
				t.Errorf("image %s has the digest %q", image.Name, image.Digest)
			}
		}
	}
	unchanged()

	const none = "BuildKit does not answer at unix:///nowhere.sock: start buildkitd"
	s.write("api/f", "other")
	s.says([]string{"plan"}, "0.1.1", "api")
	got := s.quoit("build", "--push")
	if got.code != 1 || !strings.Contains(got.err, none) || !strings.Contains(got.out, "0.1.1") {
		t.Errorf("a change: exit code %d, and the plan is to come first:\n%s%s", got.code, got.out, got.err)
	}
	s.write("api/f", "api")
	unchanged()

	s.write("api/Dockerfile", "# syntax=example.com/other/frontend\nFROM scratch\nCOPY f /\n")
	s.fails(1, []string{"plan"}, none, "only a BuildKit runs the frontend example.com/other/frontend")
}

// TestAPlanSaysWhereASourceIsNotThere: also when it knows the container file of before.
func TestAPlanSaysWhereASourceIsNotThere(t *testing.T) {
	s := newShop(t, "")
	s.files()
	s.write("api/Dockerfile", "FROM scratch\nCOPY f /\nCOPY gone /\n")
	for range 2 {
		s.fails(1, []string{"plan"}, "api/Dockerfile:3:1: image api: there is no gone in the context api", "COPY gone /")
	}
	s.write("api/gone", "here")
	s.does("plan")
}

// TestAGraphNeedsNoBuildKit: nor the project's registry. There is neither here.
func TestAGraphNeedsNoBuildKit(t *testing.T) {
	s := newShop(t, "")
	s.files()
	s.host = "127.0.0.1:1"
	s.write("quoit.yaml", "project: acme/shop\nregistry: "+s.host+"\nroot: deploy\nimages: {api: {context: api, depends: [worker]}, worker: api, deploy: deploy}\n")
	if got, want := s.does("graph"), "worker: \napi: worker\ndeploy: api worker\n"; got != want {
		t.Errorf("it prints %q, want %q", got, want)
	}
	want := graph.Listing{Schema: 1, Root: "deploy", Images: []graph.Needs{
		{Name: "worker", Needs: []string{}}, {Name: "api", Needs: []string{"worker"}}, {Name: "deploy", Needs: []string{"api", "worker"}},
	}}
	got, err := graph.ParseListing([]byte(s.does("graph", "-o", "json")))
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("error %v (-want +got):\n%s", err, diff)
	}
	s.write("api/Dockerfile", "ARG BASE=worker\nFROM $BASE\nCOPY f /\n")
	s.fails(1, []string{"graph"}, "image worker builds on itself")
	s.says([]string{"graph", "--build-arg", "BASE=scratch"}, "api: worker\n")
	s.write("api/Dockerfile", "# syntax=example.com/other/frontend\nFROM scratch\n")
	s.fails(1, []string{"graph"}, "BuildKit does not answer at unix:///nowhere.sock", "only a BuildKit runs the frontend example.com/other/frontend")
}

// TestAGraphKnowsWhatBaseImagesBring: they are asked for at their own registry.
func TestAGraphKnowsWhatBaseImagesBring(t *testing.T) {
	s := newShop(t, "")
	s.files()
	base := newRegistry(t) + "/other/base:1"
	s.write("quoit.yaml", "project: acme/shop\nregistry: 127.0.0.1:1\nroot: deploy\nimages: {api: api, tool: tool, deploy: deploy}\n")
	if err := os.Rename(filepath.Join(s.dir, "api"), filepath.Join(s.dir, "tool")); err != nil {
		t.Fatal(err)
	}
	s.files()
	s.write("api/Dockerfile", "FROM "+base+"\n")
	s.fails(1, []string{"graph"}, "only a BuildKit may have what a registry has not: "+base+": not found")
	config := &v1.ConfigFile{OS: "linux", Architecture: "amd64", Config: v1.Config{OnBuild: []string{"COPY --from=tool /f /tool"}}}
	image, err := mutate.ConfigFile(empty.Image, config)
	if err != nil {
		t.Fatal(err)
	}
	tag, err := name.NewTag(base)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(tag, image); err != nil {
		t.Fatal(err)
	}
	if got, want := s.does("graph"), "tool: \napi: tool\ndeploy: api tool\n"; got != want {
		t.Errorf("it prints %q, want %q", got, want)
	}
}

// TestAnImageIsExplained: by the plan, for which there is no BuildKit here.
func TestAnImageIsExplained(t *testing.T) {
	s := newShop(t, "")
	s.files()
	s.write("deploy/Dockerfile", "FROM scratch\nCOPY --from=api /f /api\nCOPY f /\n")
	prints := func(want string, args ...string) {
		t.Helper()
		if got := s.does(args...); got != want {
			t.Errorf("%q prints\n%s\nwant\n%s", args, got, want)
		}
	}
	prints("developers: api 0.1.0\n  first version, welcome aboard\nneeds no other image\n", "explain", "api")
	prints("api: from source as 0.0.0, to try out, not to publish\n  built from source, without looking at any ring\nneeds no other image\n", "why", "api", "--ring", "none")
	s.publishFiles()
	prints("developers: api 0.1.0 is unchanged\nneeds no other image\n", "explain", "api")
	prints("developers: deploy 0.1.0 is unchanged\nneeds api 0.1.0\n", "explain", "deploy")
	prints("developers: api 0.1.0 → 1.0.0\n  a major was asked for\nneeds no other image\n", "explain", "api", "--major", "api")

	s.write("api/f", "other")
	s.says([]string{"explain", "api"}, "developers: api 0.1.0 → 0.1.1\n  sources changed: sha256:")
	s.says([]string{"explain", "deploy"}, "developers: deploy 0.1.0 → 0.1.1\n", "\n  api 0.1.0 → 0.1.1\n", "\nneeds api 0.1.1\n")
	plan, err := versioning.ParsePlan([]byte(s.does("plan", "-o", "json")))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range plan.Images {
		var got versioning.ImagePlan
		s.reads(&got, "explain", want.Name)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-plan +explain):\n%s", want.Name, diff)
		}
	}
	s.retag("deploy:developers", "api:0.1.0")
	got := s.quoit("explain", "api")
	if got.code != 0 || !strings.Contains(got.err, "warning: ") || !strings.Contains(got.err, "/deploy:developers") || strings.Contains(got.out, "warning") {
		t.Errorf("a tag that somebody moved: exit code %d\n%s%s", got.code, got.out, got.err)
	}
}

// TestWhatNeedsNoBuilderStartsNone: nor the programs that know of builders.
func TestWhatNeedsNoBuilderStartsNone(t *testing.T) {
	s := newShop(t, "")
	s.files()
	s.publishFiles()
	bin := t.TempDir()
	for _, program := range []string{"docker", "buildx", "docker-buildx"} {
		script := "#!/bin/sh\necho \"$*\" >>'" + filepath.Join(bin, "calls") + "'\nexit 1\n"
		if err := os.WriteFile(filepath.Join(bin, program), []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin+string(filepath.ListSeparator)+os.Getenv("PATH"))
	t.Setenv("BUILDKIT_HOST", "")
	t.Setenv("BUILDX_BUILDER", "mine")
	for _, args := range [][]string{{"plan"}, {"plan", "--rebuild", "*"}, {"graph"}, {"build"}, {"build", "--push"}, {"shift"}} {
		s.does(args...)
	}
	if calls, err := os.ReadFile(filepath.Join(bin, "calls")); err == nil {
		t.Errorf("they have called\n%s", calls)
	}
	s.fails(1, []string{"build", "--rebuild", "*"}, "BUILDX_BUILDER names the builder mine of docker buildx, which is not installed")
	if calls, err := os.ReadFile(filepath.Join(bin, "calls")); err != nil || !strings.Contains(string(calls), "buildx version\n") {
		t.Errorf("a build has called %q, error %v", calls, err)
	}
}

func TestBuildsNeedABuildKit(t *testing.T) {
	s := newShop(t, "")
	s.files()
	t.Setenv("SOURCE_DATE_EPOCH", "0")
	t.Setenv("FEATURES", "all")
	const none = "BuildKit does not answer at unix:///nowhere.sock: start buildkitd"
	s.fails(1, []string{"build", "--push", "--sbom", "true", "--build-arg", "FEATURES", "--label", "a=b"}, none)
	s.fails(1, []string{"build", "--addr", "unix:///elsewhere.sock"}, "BuildKit does not answer at unix:///elsewhere.sock")
}

// TestAManifestsFrontendHasToBeAllowed: by flag or by environment, where a variable that is
// set to nothing allows none.
func TestAManifestsFrontendHasToBeAllowed(t *testing.T) {
	s := newShop(t, "")
	s.write("quoit.yaml", "# syntax=ghcr.io/evil/quoit:1\nproject: acme/shop\nregistry: "+s.host+"\nroot: deploy\nimages: {api: api, deploy: deploy}\n")
	const refused, none = `the frontend "ghcr.io/evil/quoit:1" is not among those that may be run`, "image api has no container file"
	for _, command := range [][]string{{"plan"}, {"build"}, {"graph"}, {"explain", "api"}} {
		for _, test := range []struct {
			variable string // - if it is not set
			flags    []string
			want     string
		}{
			{"-", nil, none},
			{"", nil, refused},
			{"", []string{"--allow-syntax", "ghcr.io/evil/*"}, none},
			{"-", []string{"--allow-syntax", ""}, refused},
			{"ghcr.io/evil/quoit", nil, none},
			{"ghcr.io/evil/quoit", []string{"--allow-syntax", "ghcr.io/other/quoit"}, refused},
			{"ghcr.io/other/quoit, ghcr.io/evil/quoit", nil, none},
		} {
			t.Setenv("QUOIT_ALLOW_SYNTAX", test.variable)
			if test.variable == "-" {
				if err := os.Unsetenv("QUOIT_ALLOW_SYNTAX"); err != nil {
					t.Fatal(err)
				}
			}
			s.fails(1, append(slices.Clone(command), test.flags...), test.want)
		}
	}
	s.fails(1, []string{"plan", "--allow-syntax", ""}, "quoit.yaml:1:1", "without a syntax line")
}
