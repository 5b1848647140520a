package main

import (
	"os"
	"strings"
	"testing"
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

func TestBuildsNeedABuildKit(t *testing.T) {
	s := newShop(t, "")
	t.Setenv("SOURCE_DATE_EPOCH", "0")
	t.Setenv("FEATURES", "all")
	const none = "BuildKit does not answer at unix:///nowhere.sock: start buildkitd"
	s.fails(1, []string{"plan", "--first"}, none)
	s.fails(1, []string{"build", "--push", "--sbom", "true", "--build-arg", "FEATURES", "--label", "a=b"}, none)
	s.fails(1, []string{"build", "--addr", "unix:///elsewhere.sock"}, "BuildKit does not answer at unix:///elsewhere.sock")
}

// TestAManifestsFrontendHasToBeAllowed: by flag or by environment, where a variable that is
// set to nothing allows none.
func TestAManifestsFrontendHasToBeAllowed(t *testing.T) {
	s := newShop(t, "")
	s.write("quoit.yaml", "# syntax=ghcr.io/evil/quoit:1\nproject: acme/shop\nregistry: "+s.host+"\nroot: deploy\nimages: {api: api, deploy: deploy}\n")
	const refused, none = `the frontend "ghcr.io/evil/quoit:1" is not among those that may be run`, "BuildKit does not answer"
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
