package llb

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/solver/errdefs"
	"github.com/opencontainers/go-digest"

	"github.com/quoitbuild/quoit/graph"
	"github.com/quoitbuild/quoit/internal/gatewaytest"
)

func TestSiblings(t *testing.T) {
	for _, c := range []struct {
		name, file string
		args       map[string]string
		siblings   []string
		externals  []string
	}{
		{name: "FROM by name", file: "FROM base\nCOPY x /", siblings: []string{"base"}},
		{name: "FROM by name and latest", file: "FROM base:latest\nCOPY x /", siblings: []string{"base"}},
		{name: "FROM by name and another tag is Docker Hub's", file: "FROM base:3\nCOPY x /", externals: []string{"docker.io/library/base:3"}},
		{name: "a path that looks like Docker Hub's", file: "FROM base\nCOPY library/base /lib\nLABEL x=docker.io/library/base", siblings: []string{"base"}},
		{name: "an argument that has nothing to do with it", file: "FROM base\nARG X\nCOPY x /", args: map[string]string{"X": "docker.io/base/foo"}, siblings: []string{"base"}},
		{name: "FROM by repository and digest", file: "FROM " + testPrefix + "base:1@" + digest.FromString("x").String() + "\nCOPY x /", externals: []string{testPrefix + "base:1@" + digest.FromString("x").String()}},
		{name: "FROM by repository", file: "FROM " + testPrefix + "base\nCOPY x /", siblings: []string{"base"}},
		{name: "FROM by repository and any tag", file: "FROM " + testPrefix + "base:1.2.3\nCOPY x /", siblings: []string{"base"}},
		{name: "FROM a repository that is no image of the project", file: "FROM " + testPrefix + "gone:1\nCOPY x /", externals: []string{testPrefix + "gone:1"}},
		{name: "COPY --from by name", file: "FROM scratch\nCOPY --from=base /a /", siblings: []string{"base"}},
		{name: "COPY --from by repository", file: "FROM scratch\nCOPY --from=" + testPrefix + "base:dev /a /", siblings: []string{"base"}},
		{name: "a mount by name", file: "FROM busybox\nRUN --mount=from=base,target=/b true", siblings: []string{"base"}, externals: []string{"docker.io/library/busybox:latest"}},
		{name: "a mount by repository", file: "FROM tools\nRUN --mount=type=bind,from=" + testPrefix + "base,target=/b true", siblings: []string{"base", "tools"}},
		{name: "a stage of the same name wins", file: "FROM busybox AS base\nRUN true\nFROM base\nCOPY --from=base / /b", externals: []string{"docker.io/library/busybox:latest"}},
		{name: "a later stage does not win over FROM", file: "FROM base AS one\nFROM busybox AS base\nFROM scratch\nCOPY --from=one / /\nCOPY --from=base / /",
			siblings: []string{"base"}, externals: []string{"docker.io/library/busybox:latest"}},
		{name: "Docker Hub's, spelled out", file: "FROM docker.io/library/base\nCOPY x /", externals: []string{"docker.io/library/base:latest"}},
		{name: "Docker Hub's, spelled shorter", file: "FROM library/base\nCOPY x /", externals: []string{"docker.io/library/base:latest"}},
		{name: "a digest is never a sibling by name", file: "FROM base@sha256:" + strings.Repeat("0", 64) + "\nCOPY x /",
			externals: []string{"docker.io/library/base@sha256:" + strings.Repeat("0", 64)}},
		{name: "an argument in FROM", file: "ARG ON=busybox\nFROM $ON\nCOPY x /", args: map[string]string{"ON": "base"}, siblings: []string{"base"}},
		{name: "an argument's default in FROM", file: "ARG ON=base\nFROM ${ON}\nCOPY x /", siblings: []string{"base"}},
		{name: "an argument that spells out Docker Hub's", file: "ARG ON\nFROM ${ON}\nCOPY x /", args: map[string]string{"ON": "docker.io/library/base"},
			externals: []string{"docker.io/library/base:latest"}},
		{name: "an argument in a tag", file: "ARG TAG=1\nFROM " + testPrefix + "base:${TAG}\nCOPY x /", siblings: []string{"base"}},
		{name: "an unreachable stage needs nothing", file: "FROM base AS unused\nRUN true\nFROM scratch\nCOPY x /"},
		{name: "another user's image of that name", file: "FROM someone/base\nCOPY x /", externals: []string{"docker.io/someone/base:latest"}},
		{name: "another registry's image of that name", file: "FROM quay.io/acme/base:1\nCOPY x /", externals: []string{"quay.io/acme/base:1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			compiler := newCompiler(map[string]string{
				"base": "FROM scratch\nCOPY b /\n", "tools": "FROM scratch\nCOPY t /\n", "api": c.file,
			}, func(s *Source) {
				if s.Name == "api" {
					s.Args = c.args
				}
			})
			api := compiled(t, compiler)["api"][0]
			if diff := cmp.Diff(c.siblings, api.Siblings); diff != "" {
				t.Errorf("siblings (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.externals, slices.Sorted(maps.Keys(api.Externals))); diff != "" {
				t.Errorf("externals (-want +got):\n%s", diff)
			}
		})
	}
}

// TestAnImageThatIsSpelledInTwoWays: what a file says in both ways would be one image to the
// compiler.
func TestAnImageThatIsSpelledInTwoWays(t *testing.T) {
	for name, file := range map[string]string{
		"two stages":       "FROM base AS a\nFROM docker.io/library/base\nCOPY --from=a /b /",
		"the other way":    "FROM library/base:latest AS a\nFROM scratch\nCOPY --from=a /b /\nCOPY --from=base /b /c",
		"an argument":      "ARG HUB=docker.io/library/\nFROM ${HUB}base AS a\nFROM base:latest\nCOPY --from=a /b /",
		"another frontend": foreign + "FROM base AS a\nFROM docker.io/library/base\nCOPY --from=a /b /",
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := newForeign(t, map[string]string{"base": "FROM scratch\nCOPY b /\n", "api": file})
			_, err := c.All(t.Context())
			if err == nil || !strings.Contains(err.Error(), "write the first as "+testPrefix+"base") {
				t.Fatalf("got error %v, want what to write", err)
			}
			if len(errdefs.Sources(err)) != 1 {
				t.Errorf("the error has %d excerpts, want 1", len(errdefs.Sources(err)))
			}
		})
	}
	for name, file := range map[string]string{
		"one by another tag": "FROM base AS a\nFROM docker.io/library/base:3\nCOPY --from=a /b /",
		"a stage":            "FROM docker.io/library/base AS base\nFROM base\nCOPY x /",
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := newCompiler(map[string]string{"base": "FROM scratch\nCOPY b /\n", "api": file}).All(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestBuildingOnItself(t *testing.T) {
	for name, file := range map[string]string{
		"by name":       "FROM redis\nCOPY x /",
		"by repository": "FROM scratch\nCOPY --from=" + testPrefix + "redis:1 / /",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := newCompiler(map[string]string{"redis": file}).All(t.Context())
			if err == nil || !strings.Contains(err.Error(), "write docker.io/library/redis") {
				t.Errorf("got error %v, want a hint", err)
			}
			if len(errdefs.Sources(err)) != 1 {
				t.Errorf("the error has %d excerpts, want 1", len(errdefs.Sources(err)))
			}
		})
	}
	t.Run("Docker Hub's redis is another image", func(t *testing.T) {
		redis := compiled(t, newCompiler(map[string]string{"redis": "FROM docker.io/library/redis\nCOPY x /"}))["redis"][0]
		if len(redis.Siblings) > 0 || len(redis.Externals) != 1 {
			t.Errorf("siblings %v, externals %v", redis.Siblings, redis.Externals)
		}
	})
}

func TestCycles(t *testing.T) {
	on := func(names ...string) string {
		file := "FROM scratch\n"
		for _, name := range names {
			file += "COPY --from=" + name + " / /" + name + "\n"
		}
		return file
	}
	for _, c := range []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"two images", map[string]string{"a": on("b"), "b": on("a")}, "a → b → a"},
		{"a ring of five", map[string]string{"e": on("a"), "d": on("e"), "c": on("d"), "b": on("c"), "a": on("b")},
			"a → b → c → d → e → a"},
		{"images that lead to a cycle", map[string]string{"a": on("b"), "b": on("c"), "c": on("d"), "d": on("c", "z"), "z": on()}, "c → d → c"},
		{"two cycles apart", map[string]string{"a": on("b"), "b": on("a"), "x": on("y"), "y": on("x")}, "a → b → a"},
		{"two cycles that share an image", map[string]string{"a": on("b", "c"), "b": on("a"), "c": on("a")}, "a → b → a"},
		{"a cycle with a side branch", map[string]string{"a": on("b"), "b": on("c", "d"), "c": on("a"), "d": on("a")}, "a → b → c → a"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for range 50 {
				results, err := newCompiler(c.files).All(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				var vertices []graph.Vertex
				for name, compiled := range results {
					vertices = append(vertices, graph.Vertex{Name: name, Needs: compiled[0].Siblings})
				}
				_, err = graph.New(vertices)
				var cycle *graph.CycleError
				if !errors.As(err, &cycle) {
					t.Fatalf("no cycle: %v", err)
				}
				if got := strings.Join(cycle.Path, " → "); got != c.want {
					t.Fatalf("the cycle is %s, want %s", got, c.want)
				}
			}
		})
	}
}

// A sibling must not fail because the image that asked for it first did.
func TestSiblingsOutliveWhoAskedForThem(t *testing.T) {
	files := map[string]string{"base": "FROM slow\nCOPY x /\n"}
	for i := range 30 {
		files[fmt.Sprintf("s%02d", i)] = "FROM broken:1 AS other\nFROM scratch\nCOPY --from=base / /\nCOPY --from=other / /o\n"
	}
	for range 20 {
		c := newCompiler(files)
		gateway := &failingGateway{Gateway: gatewaytest.New()}
		c.Gateway, c.Externals = gateway, NewExternals(gateway, nil)
		_, err := c.All(t.Context())
		if err == nil || strings.Contains(err.Error(), "image base") || strings.Contains(err.Error(), "canceled") {
			t.Fatalf("want the mistakes of the services only, got: %v", err)
		}
	}
}

// failingGateway has no image "broken", and takes its time for "slow".
type failingGateway struct{ *gatewaytest.Gateway }

func (g *failingGateway) ResolveImageConfig(ctx context.Context, ref string, opt sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	if strings.Contains(ref, "broken") {
		return "", "", nil, errors.New("broken: not found")
	}
	if strings.Contains(ref, "slow") {
		select {
		case <-ctx.Done():
			return "", "", nil, context.Cause(ctx)
		case <-time.After(2 * time.Millisecond):
		}
	}
	return g.Gateway.ResolveImageConfig(ctx, ref, opt)
}

// Every image that fails is named, those that only wait for it are not.
func TestMistakesOfAllImages(t *testing.T) {
	files := map[string]string{
		"bad": "FROM scratch\nCPOY x /\n", "worse": "FROM nowhere:\n", "waits": "FROM bad\nCOPY x /\n", "good": "FROM scratch\nCOPY x /\n",
	}
	for range 20 {
		_, err := newCompiler(files).All(t.Context())
		if err == nil {
			t.Fatal("no error")
		}
		for _, name := range []string{"bad", "worse"} {
			if strings.Count(err.Error(), "image "+name+": ") != 1 {
				t.Errorf("image %s is not named once:\n%v", name, err)
			}
		}
		for _, name := range []string{"waits", "good"} {
			if strings.Contains(err.Error(), name) {
				t.Errorf("image %s is named:\n%v", name, err)
			}
		}
	}
}
