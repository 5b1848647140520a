package frontend

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/frontend/gateway/client"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quoitbuild/quoit/graph"
	"github.com/quoitbuild/quoit/internal/diag"
	"github.com/quoitbuild/quoit/llb"
	"github.com/quoitbuild/quoit/overlay"
)

// compiled is what the images are made of, and in which order.
type compiled struct {
	compiler *llb.Compiler
	graphs   map[string][]*llb.Compiled // as [llb.Compiler.All] returns them
	graph    *graph.Graph
	remotes  map[string]string   // what remote sources hold, by [llb.Remote.Name]; nil if that was not asked
	named    []overlay.Use       // where the root image's files name images
	missing  map[string][]string // by image, what it reads that is not there
}

// newCompiler returns one for the project's images. Pins are the digests of externals
// whose tags are not followed.
func newCompiler(r run, p project, pins map[string]string) *llb.Compiler {
	var made func(context.Context) (*time.Time, error)
	if p.at.remote != nil {
		made = r.made
	}
	return &llb.Compiler{
		Time:      made,
		Gateway:   r.gateway,
		Options:   r.gateway.BuildOpts().Opts,
		Sources:   p.images,
		Names:     p.names(),
		Externals: llb.NewExternals(r.configs, pins),
		Frontends: r.opts.AllowSyntax,
		Memory:    r.compiles,
		Version:   r.version,
		Warn: func(ctx context.Context, source llb.Source, message string, warning client.WarnOpts) {
			// A warning that cannot be delivered harms nobody.
			_ = r.warn(ctx, headOf(source.Files), message, warning)
		},
	}
}

// compile compiles all images. The error has the mistakes of all of them, and the cycle
// that may lie behind one.
func compile(ctx context.Context, p project, compiler *llb.Compiler) (compiled, error) {
	graphs, mistakes := compiler.All(ctx)
	if compiler.Warn != nil {
		p.warnOfContexts(ctx, graphs)
	}
	g, cycle := p.order(graphs)
	return compiled{compiler: compiler, graphs: graphs, graph: g}, errors.Join(mistakes, cycle)
}

// onBuilder is what is built of a plan's images. Revisions go by what is made of container
// files if an image's first platform is the builder's; where it is not, the images are
// compiled once more for the true one, so that what runs there runs as fast as it can. It
// is an error if an image would then be made from other files than those that were hashed.
func (g gateway) onBuilder(ctx context.Context, k known) (compiled, error) {
	builder := buildPlatform(g.BuildOpts())
	same := func(name string) bool {
		return !k.inGraph(name) || platforms.FormatAll(k.images[name].Platforms[0]) == platforms.FormatAll(builder)
	}
	if !slices.ContainsFunc(k.manifest.ImageNames(), func(name string) bool { return !same(name) }) {
		return k.compiled, nil
	}
	compiler := newCompiler(g.run(), k.project, nil)
	compiler.Builder, compiler.Externals, compiler.Warn = builder, k.compiler.Externals, nil
	c, err := compile(ctx, k.project, compiler)
	if err != nil {
		return compiled{}, err
	}
	planned, built, there := k.project.hashRequest(k.graphs), k.project.hashRequest(c.graphs), k
	there.compiled = c
	for i, image := range planned.Images {
		name, _ := image.Of()
		if g.host.Sent != nil && there.inGraph(name) && !k.inGraph(name) {
			return compiled{}, fmt.Errorf("image %s is needed for %s, the builder's platform, for which it was not released: add that to its platforms", name, platforms.FormatAll(builder))
		}
		unknown := slices.ContainsFunc(c.graphs[name], func(graph *llb.Compiled) bool {
			return slices.ContainsFunc(graph.Remotes, func(r llb.Remote) bool { return k.remotes[r.Name] == "" })
		})
		if !same(name) && (unknown || !reflect.DeepEqual(image.Reads, built.Images[i].Reads)) {
			return compiled{}, &builderReadsError{name, k.images[name].Platforms[0], builder}
		}
	}
	c.remotes, c.named = k.remotes, k.named
	return c, nil
}

// builderReadsError says that the builder's platform decides which files an image reads.
type builderReadsError struct {
	image          string
	first, builder ocispecs.Platform
}

// Error says what to do.
func (e *builderReadsError) Error() string {
	return fmt.Sprintf("image %s reads other files on a builder of %s than on one of %s, its first platform, by which its revision goes: "+
		"let its container file copy the files for both and choose among them in a step, or name its files by TARGETARCH instead of BUILDARCH",
		e.image, platforms.FormatAll(e.builder), platforms.FormatAll(e.first))
}

// order orders the images by their needs: siblings that their container files
// use, what they depend on at run time, and for the root image all others.
func (p project) order(graphs map[string][]*llb.Compiled) (*graph.Graph, error) {
	var vertices []graph.Vertex
	for _, image := range p.manifest.Images {
		needs := append(compiled{graphs: graphs}.siblings(image.Name), image.Depends...)
		if image.Name == p.manifest.Root {
			for _, name := range p.manifest.ImageNames() {
				if name != image.Name {
					needs = append(needs, name)
				}
			}
		}
		slices.Sort(needs)
		vertices = append(vertices, graph.Vertex{Name: image.Name, Needs: slices.Compact(needs)})
	}
	g, err := graph.New(vertices)
	var cycle *graph.CycleError
	if errors.As(err, &cycle) {
		return nil, p.cycle(cycle)
	}
	return g, err
}

// siblings are the images of the project that an image is made from, sorted.
func (c compiled) siblings(name string) []string {
	var all []string
	for _, g := range c.graphs[name] {
		all = append(all, g.Siblings...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// cycle reports a cycle where its first image names its second.
func (p project) cycle(err *graph.CycleError) error {
	first, _ := p.manifest.Image(err.Path[0])
	second := err.Path[1]
	if slices.Contains(first.Depends, second) || first.Name == p.manifest.Root {
		return inManifest(diag.List{p.mistake(first.Position("depends", second), "", "%s", err.Error())}, p.source.SourceMap)
	}
	for _, c := range first.Contexts {
		if c.Image == second {
			return inManifest(diag.List{p.mistake(first.Position("contexts", c.Name), "", "%s", err.Error())}, p.source.SourceMap)
		}
	}
	return llb.InReference(err, p.images[first.Name], second)
}

func graphAnswer(p project, c compiled) (*client.Result, error) {
	g := c.graph.List(p.manifest.Root)
	data, err := json.MarshalIndent(g, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("writing the graph: %w", err)
	}
	return answer(append(data, '\n'), []byte(g.String()+"\n")), nil
}
