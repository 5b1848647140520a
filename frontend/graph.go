package frontend

import (
	"errors"
	"slices"

	"github.com/quoitbuild/quoit/graph"
	"github.com/quoitbuild/quoit/internal/diag"
	"github.com/quoitbuild/quoit/llb"
)

// graph orders the images by their needs: siblings that their container files
// use, what they depend on at run time, and for the root image all others.
func (p *project) graph(compiled map[string][]*llb.Compiled) (*graph.Graph, error) {
	var vertices []graph.Vertex
	for _, image := range p.manifest.Images {
		needs := slices.Clone(image.Depends)
		for _, c := range compiled[image.Name] {
			needs = append(needs, c.Siblings...)
		}
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

// cycle reports a cycle where its first image names its second.
func (p *project) cycle(err *graph.CycleError) error {
	first, _ := p.manifest.Image(err.Path[0])
	second := err.Path[1]
	if slices.Contains(first.Depends, second) || first.Name == p.manifest.Root {
		return inManifest(diag.List{p.mistake(first.Position("depends", second), "", "%s", err.Error())}, p.source.SourceMap)
	}
	return llb.InReference(err, p.images[first.Name], second)
}
