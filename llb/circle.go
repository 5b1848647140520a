package llb

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/solver/errdefs"

	"github.com/quoitbuild/quoit/graph"
)

// waitPath is how one unit waits for another, directly or through others: from
// itself to the other; nil if it does not.
func waitPath(u, other *unit, seen map[*unit]bool) []*unit {
	if u == other {
		return []*unit{u}
	}
	if seen[u] {
		return nil
	}
	seen[u] = true
	for next := range u.waits {
		if path := waitPath(next, other, seen); path != nil {
			return append([]*unit{u}, path...)
		}
	}
	return nil
}

// falseCircle is the error of images that waited for each other although their
// graphs do not need each other in a circle, nil for none: one of them was
// compiled without what it builds on. Another frontend's file leads to this if it
// mentions an image that no layer comes from.
func falseCircle(circles [][]*unit, results map[string][]*Compiled) error {
	if len(circles) == 0 {
		return nil
	}
	needs := map[string][]string{}
	var vertices []graph.Vertex
	for name, all := range results {
		for _, compiled := range all {
			needs[name] = append(needs[name], compiled.Siblings...)
		}
		vertices = append(vertices, graph.Vertex{Name: name, Needs: needs[name]})
	}
	if _, err := graph.New(vertices); err != nil {
		return nil // the caller finds that too, and it says more
	}
	var path []string
	for _, u := range circles[0] {
		path = append(path, u.source.Name)
	}
	for range path {
		if !slices.Contains(needs[path[0]], path[1%len(path)]) {
			break
		}
		path = append(path[1:], path[0])
	}
	first, second := path[0], path[1%len(path)]
	err := fmt.Errorf("%w; no layer comes from %s, but the file's own frontend was told about it: remove it from the file",
		&graph.CycleError{Path: append(path, first)}, second)
	return InReference(err, results[first][0].Source, second)
}

// InReference gives an error the excerpt of the line of an image's container
// file that names a sibling, or of none if no line does.
func InReference(err error, source Source, sibling string) error {
	err = fmt.Errorf("image %s: %w", source.Name, err)
	parsed, parseErr := parser.Parse(strings.NewReader(string(source.Map.Data)))
	if parseErr != nil {
		return err
	}
	word := wordPattern(sibling)
	for _, node := range parsed.AST.Children {
		if word.MatchString(node.Original) {
			return errdefs.WithSource(err, &errdefs.Source{Info: sourceInfo(source), Ranges: pbRanges(node.Location())})
		}
	}
	return err
}

// wordPattern matches an image's name where a container file can name an image.
func wordPattern(name string) *regexp.Regexp {
	return regexp.MustCompile(`(^|[\s=/,])` + regexp.QuoteMeta(name) + `($|[\s:@,/])`)
}
