package llb

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	bk "github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/gateway/client"
	gatewaypb "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// fakeGateway is a BuildKit whose registries have every image.
type fakeGateway struct {
	client.Client
	mu    sync.Mutex
	asked map[string]int // lookups by reference
}

func newGateway() *fakeGateway { return &fakeGateway{asked: map[string]int{}} }

func (g *fakeGateway) BuildOpts() client.BuildOpts {
	return client.BuildOpts{
		Opts:    map[string]string{},
		LLBCaps: pb.Caps.CapSet(pb.Caps.All()),
		Caps:    gatewaypb.Caps.CapSet(gatewaypb.Caps.All()),
		Workers: []client.WorkerInfo{{Platforms: []ocispecs.Platform{amd64}}},
	}
}

func (g *fakeGateway) ResolveImageConfig(_ context.Context, ref string, _ sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	g.mu.Lock()
	g.asked[ref]++
	g.mu.Unlock()
	config := ocispecs.Image{Platform: amd64, RootFS: ocispecs.RootFS{Type: "layers", DiffIDs: []digest.Digest{digest.FromString(ref)}}}
	config.Config.Env = []string{"PATH=/bin"}
	raw, err := json.Marshal(config)
	dgst := digest.FromString(ref)
	if _, given, ok := strings.Cut(ref, "@"); ok {
		dgst = digest.Digest(given)
	}
	return ref, dgst, raw, err
}

var (
	amd64 = ocispecs.Platform{OS: "linux", Architecture: "amd64"}
	arm64 = ocispecs.Platform{OS: "linux", Architecture: "arm64"}
)

const testPrefix = "registry.example.com/acme/shop/"

// newCompiler compiles images, given their container files by name.
func newCompiler(files map[string]string, options ...func(*Source)) *Compiler {
	gateway := newGateway()
	c := &Compiler{
		Gateway:   gateway,
		Options:   map[string]string{},
		Sources:   map[string]Source{},
		Names:     Names{Images: map[string]bool{}, Prefixes: []string{testPrefix}},
		Externals: NewExternals(gateway, nil),
	}
	for name, file := range files {
		c.Names.Images[name] = true
		source := Source{
			Name: name, Context: name, File: name + "/Dockerfile",
			Map:       bk.NewSourceMap(nil, name+"/Dockerfile", "Dockerfile", []byte(file)),
			Platforms: []ocispecs.Platform{amd64},
		}
		for _, option := range options {
			option(&source)
		}
		c.Sources[name] = source
	}
	return c
}

// compiled compiles all images of a project.
func compiled(t *testing.T, c *Compiler) map[string][]*Compiled {
	t.Helper()
	all, err := c.All(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// newBuilder builds everything from source, with the image's folder of one
// project as context.
func newBuilder(c *Compiler) *Builder {
	project := bk.Local("context", bk.SessionID("session"))
	selection := Select(c.Sources)
	return &Builder{
		Compiler:  c,
		Context:   func(source Source) bk.State { return selection.State(project, source) },
		Published: func(string, ocispecs.Platform) string { return "" },
	}
}

// built builds all images, by "name platform-index".
func built(t *testing.T, c *Compiler, b *Builder) map[string]*pb.Definition {
	t.Helper()
	all := compiled(t, c)
	defs := map[string]*pb.Definition{}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		for i, image := range all[name] {
			def, err := b.Image(t.Context(), image, nil)
			if err != nil {
				t.Fatal(err)
			}
			defs[fmt.Sprintf("%s %d", name, i)] = def
		}
	}
	return defs
}

// ops are a definition's ops by digest, in order.
func ops(t *testing.T, def *pb.Definition) (order []string, byDigest map[string]*pb.Op) {
	t.Helper()
	byDigest = map[string]*pb.Op{}
	for _, raw := range def.Def {
		var op pb.Op
		if err := op.UnmarshalVT(raw); err != nil {
			t.Fatal(err)
		}
		dgst := digest.FromBytes(raw).String()
		order = append(order, dgst)
		byDigest[dgst] = &op
	}
	return order, byDigest
}
