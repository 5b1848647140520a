// Package graph knows which image of a project needs which.
//
// Images are the vertices, needs are the edges: a build-time need (an image is
// built FROM another one, or copies from it) and a run-time one (`depends`) are
// the same here. A [Graph] that exists is acyclic, and everything it returns is
// in one stable order that does not depend on the order of the input. [New] is
// given every image at once; [Graph.Order] is the order to build in.
package graph

import (
	"container/heap"
	"fmt"
	"slices"
	"strings"
)

// Vertex is one image and the names of the images that must exist before it,
// in any order. A need that is named twice counts once.
type Vertex struct {
	Name  string
	Needs []string
}

// Graph is the images of a project in the order in which they can be built.
// It never changes after [New].
type Graph struct {
	order      []string
	needs      map[string][]string
	dependents map[string][]string
}

// CycleError says that images need each other in a circle.
type CycleError struct {
	// Path is the whole circle: each name needs the one after it. It begins
	// with its smallest name and ends with the same name.
	Path []string
}

// Error prints the whole circle.
func (e *CycleError) Error() string {
	return "images need each other in a circle: " + strings.Join(e.Path, " → ")
}

// UnknownError says that an image needs something that is not an image of the project.
type UnknownError struct {
	Name string // the image that has the need
	Need string // the name that nobody has
}

// Error names both sides of the need.
func (e *UnknownError) Error() string {
	return fmt.Sprintf("image %q needs %q, which is not an image of this project", e.Name, e.Need)
}

// DuplicateError says that two vertices have the same name.
type DuplicateError struct {
	Name string
}

// Error names the image.
func (e *DuplicateError) Error() string {
	return fmt.Sprintf("image %q is declared twice", e.Name)
}

// New makes a graph, in time linear in vertices and needs apart from sorting.
// Its errors are [*DuplicateError], [*UnknownError] and [*CycleError], in this
// precedence; of several mistakes of one kind it reports the first by name.
func New(vertices []Vertex) (*Graph, error) {
	g := &Graph{needs: map[string][]string{}, dependents: map[string][]string{}}
	names := make([]string, 0, len(vertices))
	for _, v := range vertices {
		names = append(names, v.Name)
		needs := slices.Clone(v.Needs)
		slices.Sort(needs)
		g.needs[v.Name] = slices.Compact(needs)
	}
	slices.Sort(names)
	for i := 1; i < len(names); i++ {
		if names[i] == names[i-1] {
			return nil, &DuplicateError{Name: names[i]}
		}
	}
	for _, name := range names {
		for _, need := range g.needs[name] {
			if _, known := g.needs[need]; !known {
				return nil, &UnknownError{Name: name, Need: need}
			}
			g.dependents[need] = append(g.dependents[need], name)
		}
	}
	missing := g.sort(names)
	if len(g.order) < len(names) {
		return nil, &CycleError{Path: g.cycle(names, missing)}
	}
	return g, nil
}

// Order returns every image, what it needs first. Images that do not need each
// other are in the order of their names, as far as their needs allow.
func (g *Graph) Order() []string { return slices.Clone(g.order) }

// Needs returns the direct needs of an image, sorted; none for an unknown name.
func (g *Graph) Needs(name string) []string { return slices.Clone(g.needs[name]) }

// Dependents returns the images that directly need an image, sorted; none for an unknown name.
func (g *Graph) Dependents(name string) []string { return slices.Clone(g.dependents[name]) }

// sort fills g.order with Kahn's algorithm and returns how many needs each
// image still misses: a number above zero is an image in or behind a cycle.
func (g *Graph) sort(names []string) map[string]int {
	missing := make(map[string]int, len(names))
	var ready sorted
	for _, name := range names {
		missing[name] = len(g.needs[name])
		if missing[name] == 0 {
			heap.Push(&ready, name)
		}
	}
	for len(ready) > 0 {
		name := heap.Pop(&ready).(string)
		g.order = append(g.order, name)
		for _, dependent := range g.dependents[name] {
			if missing[dependent]--; missing[dependent] == 0 {
				heap.Push(&ready, dependent)
			}
		}
	}
	return missing
}

// cycle follows, from the smallest image that could not be sorted, the
// smallest need that could not be sorted either, until it meets itself.
func (g *Graph) cycle(names []string, missing map[string]int) []string {
	stuck := func(name string) bool { return missing[name] > 0 }
	at := names[slices.IndexFunc(names, stuck)]
	seen := map[string]int{}
	var path []string
	for {
		if start, again := seen[at]; again {
			path = path[start:]
			break
		}
		seen[at] = len(path)
		path = append(path, at)
		at = g.needs[at][slices.IndexFunc(g.needs[at], stuck)]
	}
	first := slices.Index(path, slices.Min(path))
	path = append(slices.Clone(path[first:]), path[:first]...)
	return append(path, path[0])
}

// sorted is a heap of names, the smallest on top.
type sorted []string

func (s sorted) Len() int           { return len(s) }
func (s sorted) Less(i, j int) bool { return s[i] < s[j] }
func (s sorted) Swap(i, j int)      { s[i], s[j] = s[j], s[i] }
func (s *sorted) Push(name any)     { *s = append(*s, name.(string)) }
func (s *sorted) Pop() any {
	last := (*s)[len(*s)-1]
	*s = (*s)[:len(*s)-1]
	return last
}
