package main

import (
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
