package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/versioning"
)

func TestMistakesWithBuilds(t *testing.T) {
	s := newShop(t, "")
	for _, test := range [][2]string{
		{"build now", `takes no argument, found "now"`},
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
		{"build --push --provenance mode=max --build-arg API_TOKEN=x", "these look like secrets: API_TOKEN. "},
		{"build --push --provenance true --build-arg HTTP_PROXY=http://a:b@proxy", "these look like secrets: HTTP_PROXY. "},
		{"plan --progress loud", "--progress: "},
		{"plan -f nowhere.yaml", "there is no manifest nowhere.yaml"},
		{"plan -C nowhere", "there is no folder nowhere"},
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

// TestAPlanNeedsNoBuildKit: nor does a build that finds nothing to do. There is none here.
func TestAPlanNeedsNoBuildKit(t *testing.T) {
	s := newShop(t, "")
	s.files()
	s.says([]string{"plan"}, "api", "0.1.0", "deploy")
	s.says([]string{"plan", "--first"}, "api", "0.1.0", "deploy")
	plan, err := versioning.ParsePlan([]byte(s.does("plan", "-o", "json")))
	if err != nil {
		t.Fatal(err)
	}
	p, err := store.Open(s.host, "acme/shop", registry.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.publishPlan(p, plan, "first"); err != nil {
		t.Fatal(err)
	}
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
	for _, command := range []string{"plan", "build"} {
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
			s.fails(1, append([]string{command}, test.flags...), test.want)
		}
	}
	s.fails(1, []string{"plan", "--allow-syntax", ""}, "quoit.yaml:1:1", "without a syntax line")
}
