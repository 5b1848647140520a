package llb

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quoitbuild/quoit/internal/dose"
	"github.com/quoitbuild/quoit/internal/gatewaytest"
)

// diamond is a project whose images share a base, in every way that a
// container file has.
var diamond = map[string]string{
	"base": "FROM busybox\nARG VERSION=1\nRUN echo $VERSION > /version\nCOPY . /base/\n",
	"left": "FROM base AS build\nARG VERSION\nRUN --mount=type=bind,target=/src --mount=type=cache,target=/c make\nCOPY <<one <<two /docs/\n1\none\n2\ntwo\n" +
		"FROM scratch\nCOPY --from=build --link /out /\nCOPY --link --chmod=755 a b /bin/\n",
	"right": "FROM " + testPrefix + "base:1\nCOPY --exclude=*.md . /\nRUN --mount=from=left,target=/left --network=none cp /left/a /\n",
	"tools": "FROM debian:bookworm-slim\nADD x.tar.gz /\nENV A=1 B=2\nLABEL a=1 b=2\n",
	"top":   "FROM scratch\nCOPY --from=left / /left\nCOPY --from=right / /right\nCOPY --from=tools / /tools\nCOPY --parents ./a/*/b /\n",
}

func newDiamond() *Compiler {
	return newCompiler(diamond, func(s *Source) {
		s.Args = map[string]string{"VERSION": "2", "OTHER": "x", "MORE": "y"}
		s.Labels = map[string]string{"one": "1", "two": "2", "three": "3"}
		s.Platforms = []ocispecs.Platform{amd64, arm64}
		s.Ignore = []string{"*.tmp", "!keep.tmp"}
	})
}

const printEnv = "QUOIT_TEST_PRINT_GRAPH"

// TestGraphsAreTheSameInEveryProcess compiles and builds a project in fresh
// processes, this test binary each, and compares every byte.
func TestGraphsAreTheSameInEveryProcess(t *testing.T) {
	if os.Getenv(printEnv) != "" {
		fmt.Printf("graph: %s\n", graphText(t))
		return
	}
	want := graphText(t)
	for range dose.Of(5, 25, 25) {
		cmd := exec.Command(os.Args[0], "-test.run=^TestGraphsAreTheSameInEveryProcess$", "-test.v")
		cmd.Env = append(os.Environ(), printEnv+"=1")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if !bytes.Contains(out, []byte("graph: "+want+"\n")) {
			t.Fatalf("another process has another graph than %s:\n%s", want, out)
		}
	}
}

// graphText is a digest over the ops of all images. What is compiled is not in
// it by itself: BuildKit numbers the marks of contexts by chance, which are gone
// from what is built.
func graphText(t *testing.T) string {
	c := newDiamond()
	h := sha256.New()
	count := 0
	defs := built(t, c, newBuilder(c))
	for _, key := range slices.Sorted(maps.Keys(defs)) {
		fmt.Fprintf(h, "%s ", key)
		for _, raw := range defs[key].Def {
			count++
			h.Write(raw)
		}
	}
	return fmt.Sprintf("%d ops, %x", count, h.Sum(nil))
}

// The order in which images are asked for changes no graph.
func TestGraphsDoNotDependOnTheOrderOfImages(t *testing.T) {
	c := newDiamond()
	want := built(t, c, newBuilder(c))
	backwards := newBuilder(c)
	all := compiled(t, c)
	names := slices.Sorted(maps.Keys(all))
	slices.Reverse(names)
	for _, name := range names {
		for i, image := range all[name] {
			def, err := backwards.Image(t.Context(), image, nil)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.EqualFunc(def.Def, want[fmt.Sprintf("%s %d", name, i)].Def, bytes.Equal) {
				t.Errorf("image %s has another graph if it is built after those that need it", name)
			}
		}
	}
}

func TestEachExternalIsLookedUpOnce(t *testing.T) {
	c := newDiamond()
	compiled(t, c)
	want := map[string]int{}
	for _, tag := range []string{"docker.io/library/busybox:latest", "docker.io/library/debian:bookworm-slim"} {
		want[tag], want[tag+"@"+digest.FromString(tag).String()] = 1, 1 // for the second platform
	}
	if got := c.Gateway.(*gatewaytest.Gateway).Asked(); !maps.Equal(got, want) {
		t.Errorf("got lookups %v, want %v", got, want)
	}
}
