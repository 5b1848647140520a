package llb

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quoitbuild/quoit/internal/gatewaytest"
)

// sources are the identifiers of the images that a definition reads, in order.
func sources(t *testing.T, compiled *Compiled) []string {
	t.Helper()
	var found []string
	order, byDigest := ops(t, compiled.Definition)
	for _, dgst := range order {
		if source := byDigest[dgst].GetSource(); source != nil && !IsContext(source) {
			found = append(found, source.Identifier)
		}
	}
	return found
}

func TestNamedContextsArePinned(t *testing.T) {
	old := digest.FromString("old").String()
	file := "FROM tools\nCOPY x /\n"
	for name, file := range map[string]string{"the embedded compiler": file, "another frontend": foreign + file} {
		t.Run(name, func(t *testing.T) {
			c, gateway := newForeign(t, map[string]string{"api": file})
			c.Options["context:tools"] = "docker-image://registry.corp/tools:1"
			c.Externals = NewExternals(gateway, map[string]string{"registry.corp/tools:1": old})
			api := compiled(t, c)["api"][0]
			if diff := cmp.Diff([]string{imageScheme + "registry.corp/tools:1@" + old}, sources(t, api)); diff != "" {
				t.Errorf("what is built (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(map[string]string{"registry.corp/tools:1": old}, api.Externals); diff != "" {
				t.Errorf("what is recorded (-want +got):\n%s", diff)
			}
			base, dgst, err := api.Base()
			if err != nil || base != "registry.corp/tools:1" || dgst != old {
				t.Errorf("the base is %s with digest %s, error %v", base, dgst, err)
			}
		})
	}
}

// movingGateway is a BuildKit whose tags have moved whenever they are asked for.
type movingGateway struct{ *gatewaytest.Gateway }

func (g movingGateway) ResolveImageConfig(ctx context.Context, ref string, opt sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	if opt.ImageOpt.Platform.Architecture == "missing" {
		return "", "", nil, errors.New("no match for platform in manifest: not found")
	}
	resolved, dgst, config, err := g.Gateway.ResolveImageConfig(ctx, ref, opt)
	if !strings.Contains(ref, "@") {
		dgst = digest.FromString(fmt.Sprint(ref, g.Asked()[ref]))
	}
	return resolved, dgst, config, err
}

func TestPlatformsHaveOneDigestOfATag(t *testing.T) {
	for range 20 {
		gateway := movingGateway{gatewaytest.New()}
		c := newCompiler(map[string]string{"api": "FROM busybox\nCOPY x /\n"},
			func(s *Source) { s.Platforms = []ocispecs.Platform{amd64, arm64} })
		c.Gateway, c.Externals = gateway, NewExternals(gateway, nil)
		api := compiled(t, c)["api"]
		if diff := cmp.Diff(sources(t, api[0]), sources(t, api[1])); diff != "" {
			t.Fatalf("the bases of the platforms (-first +second):\n%s", diff)
		}
		const tag = "docker.io/library/busybox:latest"
		want := map[string]int{tag: 1, tag + "@" + api[0].Externals[tag]: 1}
		if diff := cmp.Diff(want, gateway.Asked()); diff != "" {
			t.Fatalf("look-ups (-want +got):\n%s", diff)
		}
	}
}

func TestPlatformThatIsMissingLeavesTheOthers(t *testing.T) {
	externals := NewExternals(movingGateway{gatewaytest.New()}, nil)
	if _, err := externals.Digest(t.Context(), "busybox", ocispecs.Platform{OS: "linux", Architecture: "missing"}); err == nil {
		t.Error("no error for a platform that is missing")
	}
	first, err := externals.Digest(t.Context(), "busybox", amd64)
	if err != nil {
		t.Fatal(err)
	}
	if second, err := externals.Digest(t.Context(), "busybox", arm64); err != nil || second != first {
		t.Errorf("got digest %s and error %v, want %s", second, err, first)
	}
}

// TestWhatABaseSaysIsNotInherited: labels of a release that another image has are not those
// of what is built upon it.
func TestWhatABaseSaysIsNotInherited(t *testing.T) {
	files := map[string]string{"ours": "FROM evil.example.com/base:1\nCOPY x /\n", "child": "FROM ours\nCOPY y /\n", "foreign": foreign + "FROM evil.example.com/base:1\nCOPY x /\n"}
	c, gateway := newForeign(t, files)
	gateway.Push("evil.example.com/base:1", []byte(`{"architecture":"amd64","os":"linux","config":{"Labels":{`+
		`"io.github.quoitbuild.release":"{}","org.opencontainers.image.version":"9.9.9","dependency.x":"1.0.0","team":"evil"}}}`))
	for name, all := range compiled(t, c) {
		if diff := cmp.Diff(map[string]string{"team": "evil"}, all[0].Config.Config.Labels); diff != "" {
			t.Errorf("labels of %s (-want +got):\n%s", name, diff)
		}
	}
}
