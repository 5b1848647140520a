package frontend

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/gateway/client"

	"github.com/quoitbuild/quoit/graph"
	"github.com/quoitbuild/quoit/internal/diag"
	"github.com/quoitbuild/quoit/llb"
)

// compiled is what the images are made of, and in which order.
type compiled struct {
	compiler *llb.Compiler
	graphs   map[string][]*llb.Compiled // as [llb.Compiler.All] returns them
	graph    *graph.Graph
}

// newCompiler returns one for the project's images. Pins are the digests of externals
// whose tags are not followed.
func newCompiler(r run, p project, pins map[string]string) *llb.Compiler {
	return &llb.Compiler{
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
	g, cycle := p.order(graphs)
	return compiled{compiler, graphs, g}, errors.Join(mistakes, cycle)
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
	return llb.InReference(err, p.images[first.Name], second)
}

// ImageGraph says which images need which. It is the answer to [RequestGraph], and its JSON
// form is as stable as a plan's: lists are never null.
type ImageGraph struct {
	Schema int          `json:"schema"`
	Root   string       `json:"root"`   // name of the root image
	Images []ImageNeeds `json:"images"` // all of the project, dependencies first
}

// ImageNeeds are the images that one needs, sorted: to be built, or at run time; the root
// image needs all others.
type ImageNeeds struct {
	Name  string   `json:"name"`
	Needs []string `json:"needs"`
}

// graphSchema is the number of the JSON form.
const graphSchema = 1

// ParseGraph reads the JSON form of a graph, as another process printed it.
func ParseGraph(data []byte) (ImageGraph, error) {
	var g ImageGraph
	if err := json.Unmarshal(data, &g); err != nil {
		return ImageGraph{}, fmt.Errorf("reading a graph: %w", err)
	}
	if g.Schema != graphSchema {
		return ImageGraph{}, fmt.Errorf("reading a graph: it has schema %d, this quoit knows %d", g.Schema, graphSchema)
	}
	return g, nil
}

// String has a line for each image, with what it needs. No line feed ends it.
func (g ImageGraph) String() string {
	lines := make([]string, 0, len(g.Images))
	for _, image := range g.Images {
		lines = append(lines, image.Name+": "+strings.Join(image.Needs, " "))
	}
	return strings.Join(lines, "\n")
}

func (c compiled) needs(root string) ImageGraph {
	g := ImageGraph{Schema: graphSchema, Root: root, Images: []ImageNeeds{}}
	for _, name := range c.graph.Order() {
		g.Images = append(g.Images, ImageNeeds{name, append([]string{}, c.graph.Needs(name)...)})
	}
	return g
}

func graphAnswer(p project, c compiled) (*client.Result, error) {
	g := c.needs(p.manifest.Root)
	data, err := json.MarshalIndent(g, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("writing the graph: %w", err)
	}
	return answer(append(data, '\n'), []byte(g.String()+"\n")), nil
}
