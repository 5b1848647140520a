package dial

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/containerd/platforms"
	"github.com/google/go-cmp/cmp"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

func parsed(t *testing.T, names ...string) []ocispecs.Platform {
	t.Helper()
	if len(names) == 0 {
		return nil
	}
	list, err := platforms.ParseAll(names)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// TestWhatBuildxSaysOfABuilderIsRead: testdata/inspect.txt is of buildx 0.36.
func TestWhatBuildxSaysOfABuilderIsRead(t *testing.T) {
	said, err := os.ReadFile("testdata/inspect.txt")
	if err != nil {
		t.Fatal(err)
	}
	got, err := parse(string(said))
	want := described{name: "farm", driver: "remote", nodes: []node{
		{name: "farm0", endpoint: "tcp://10.0.0.1:1234", status: "running",
			given: parsed(t, "linux/arm64"), all: parsed(t, "linux/arm64", "linux/amd64", "linux/amd64/v2")},
		{name: "farm1", endpoint: "ssh://builder@10.0.0.2", status: "inactive"},
		{name: "farm2", endpoint: "docker-container://x", problem: "invalid endpoint: no such thing"},
	}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(described{}, node{})); err != nil || diff != "" {
		t.Errorf("error %v (-want +got):\n%s", err, diff)
	}
	for _, other := range []string{"", "Name: x\n", "NAME/NODE DRIVER/ENDPOINT\nmine remote\n"} {
		if _, err := parse(other); err == nil || !strings.Contains(err.Error(), "update docker buildx") {
			t.Errorf("%q: error %v", other, err)
		}
	}
	if b, err := parse("Name: x\nDriver: docker-container\nError: no context y\n"); err != nil || b.dead() != "no context y" {
		t.Errorf("a builder with an error: %+v, error %v", b, err)
	}
}

func FuzzInspect(f *testing.F) {
	said, err := os.ReadFile("testdata/inspect.txt")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(said))
	f.Add("Name: x\nDriver: y\nNodes:\nName: z\nPlatforms: linux/amd64*,,/ *\n")
	f.Fuzz(func(t *testing.T, said string) {
		b, err := parse(said)
		if err != nil {
			return
		}
		if len(b.nodes) == 0 && b.dead() == "" {
			t.Error("a builder without nodes can be used")
		}
		if b.dead() != "" {
			return
		}
		all := parsed(t, "linux/amd64", "linux/arm64")
		to, err := b.choose(all)
		if err == nil && len(b.nodes) > 1 && len(to.node.lacks(all)) > 0 {
			t.Errorf("node %+v of %+v is chosen", to.node, b)
		}
	})
}

func TestANodeIsChosenOnlyIfItHasAllPlatforms(t *testing.T) {
	has := func(name string, given []string, others ...string) node {
		g := parsed(t, given...)
		return node{name: name, status: awake, given: g, all: append(g[:len(g):len(g)], parsed(t, others...)...)}
	}
	for name, test := range map[string]struct {
		nodes []node
		all   []string
		want  string // the node, and the platform that leads to it
		lacks string
	}{
		"the only node, whatever it has": {
			nodes: []node{has("a", nil, "linux/amd64")}, all: []string{"linux/arm64"}, want: "a"},
		"the first node, if no platform is needed": {
			nodes: []node{has("a", nil, "linux/amd64"), has("b", nil, "linux/arm64")}, want: "a"},
		"the first node, if it has the platform": {
			nodes: []node{has("a", nil, "linux/amd64"), has("b", nil, "linux/arm64")}, all: []string{"linux/amd64"}, want: "a"},
		"the node of a platform": {
			nodes: []node{has("a", nil, "linux/amd64"), has("b", nil, "linux/arm64")}, all: []string{"linux/arm64"}, want: "b linux/arm64"},
		"the node of both": {
			nodes: []node{has("a", nil, "linux/amd64"), has("b", nil, "linux/arm64", "linux/amd64")},
			all:   []string{"linux/amd64", "linux/arm64"}, want: "b linux/arm64"},
		"one that was given it goes before one that emulates it": {
			nodes: []node{has("a", nil, "linux/amd64", "linux/arm64"), has("b", []string{"linux/arm64"}, "linux/amd64")},
			all:   []string{"linux/arm64"}, want: "b linux/arm64"},
		"a variant": {
			nodes: []node{has("a", nil, "linux/arm/v6"), has("b", nil, "linux/arm/v7")}, all: []string{"linux/arm/v7"}, want: "b linux/arm/v7"},
		"no node has both": {
			nodes: []node{has("a", nil, "linux/amd64"), has("b", nil, "linux/arm64")}, all: []string{"linux/amd64", "linux/arm64"},
			lacks: "node a lacks linux/arm64; node b lacks linux/amd64; "},
		"no node has it": {
			nodes: []node{has("a", nil, "linux/amd64"), has("b", nil, "linux/arm64")}, all: []string{"linux/s390x"},
			lacks: "node a lacks linux/s390x; node b lacks linux/s390x; "},
		"one that buildx does not go to": {
			nodes: []node{has("a", []string{"linux/amd64"}), has("b", []string{"linux/arm64"}), has("c", nil, "linux/amd64", "linux/arm64")},
			all:   []string{"linux/amd64", "linux/arm64"},
			lacks: "node a lacks linux/arm64; node b lacks linux/amd64; node c has all, but docker buildx prefers others for each; "},
		"one that has not been started, and one that cannot be": {
			nodes: []node{has("a", nil, "linux/amd64"), {name: "b", status: "stopped"}, {name: "c", problem: "no context c"}}, all: []string{"linux/arm64"},
			lacks: "node a lacks linux/arm64; node b does not answer (it is stopped); node c does not answer (no context c); "},
	} {
		t.Run(name, func(t *testing.T) {
			to, err := described{name: "farm", nodes: test.nodes}.choose(parsed(t, test.all...))
			if test.lacks != "" {
				var lacking *NodesError
				if !errors.As(err, &lacking) || !strings.Contains(err.Error(), "none of the builder farm has all platforms: "+test.lacks) {
					t.Errorf("error %v", err)
				}
				return
			}
			got := to.node.name
			if to.platform != nil {
				got += " " + platforms.FormatAll(*to.platform)
			}
			if err != nil || got != test.want {
				t.Errorf("%s, error %v", got, err)
			}
		})
	}
}

func TestANodeThatSleepsIsToBeStarted(t *testing.T) {
	b := described{nodes: []node{{name: "a", endpoint: "e", status: awake}, {name: "b", endpoint: "f", status: "stopped"}, {name: "c", problem: "x"}}}
	for name, want := range map[string]string{"a": "", "b": "b at f is stopped", "": "b at f is stopped"} {
		if got := b.asleep(chosen{node: node{name: name}}); got != want {
			t.Errorf("to get to %q: %q", name, got)
		}
	}
}
