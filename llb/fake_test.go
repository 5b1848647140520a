package llb

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	bk "github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quoitbuild/quoit/internal/gatewaytest"
)

var (
	amd64 = gatewaytest.AMD64
	arm64 = ocispecs.Platform{OS: "linux", Architecture: "arm64"}
)

const testPrefix = "registry.example.com/acme/shop/"

// newCompiler compiles images, given their container files by name.
func newCompiler(files map[string]string, options ...func(*Source)) *Compiler {
	gateway := gatewaytest.New()
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
	return &Builder{
		Compiler:  c,
		Context:   func(source Source) bk.State { return Context(project, source, false) },
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
