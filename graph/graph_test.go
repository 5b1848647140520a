package graph

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func vertices(lines ...string) []Vertex {
	var vs []Vertex
	for _, line := range lines {
		name, needs, _ := strings.Cut(line, ":")
		vs = append(vs, Vertex{name, strings.Fields(needs)})
	}
	return vs
}

func TestOrderPutsNeedsFirstAndTiesByName(t *testing.T) {
	g, err := New(vertices("web: api base", "api: base", "zoo", "base", "deploy: api base web zoo", "base2:base base"))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"base", "api", "base2", "web", "zoo", "deploy"}
	if diff := cmp.Diff(want, g.Order()); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"base"}, g.Needs("base2")); diff != "" {
		t.Errorf("a need named twice counts once (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"api", "base2", "deploy", "web"}, g.Dependents("base")); diff != "" {
		t.Errorf("dependents (-want +got):\n%s", diff)
	}
	if g.Needs("nobody") != nil || g.Dependents("nobody") != nil {
		t.Error("an unknown name has needs or dependents")
	}
}

func TestReturnedSlicesAreCopies(t *testing.T) {
	g, err := New(vertices("a", "b: a"))
	if err != nil {
		t.Fatal(err)
	}
	g.Order()[0], g.Needs("b")[0], g.Dependents("a")[0] = "x", "x", "x"
	if diff := cmp.Diff([]string{"a", "b", "a", "b"}, slices.Concat(g.Order(), g.Needs("b"), g.Dependents("a"))); diff != "" {
		t.Errorf("a caller changed the graph (-want +got):\n%s", diff)
	}
}

func TestMistakes(t *testing.T) {
	for name, test := range map[string]struct {
		vertices []Vertex
		want     string
	}{
		"an image that needs itself":     {vertices("a: a"), "images need each other in a circle: a → a"},
		"a circle, its smallest first":   {vertices("z: b", "b: c", "c: z"), "images need each other in a circle: b → c → z → b"},
		"a circle behind smaller images": {vertices("a: m", "m: n", "n: m", "b"), "images need each other in a circle: m → n → m"},
		"the smallest of two circles":    {vertices("x: y", "y: x", "c: d", "d: c"), "images need each other in a circle: c → d → c"},
		"an unknown need":                {vertices("b: y", "a: z x"), `image "a" needs "x", which is not an image of this project`},
		"a name that comes twice":        {vertices("b", "a", "b: x"), `image "b" is declared twice`},
	} {
		t.Run(name, func(t *testing.T) {
			g, err := New(test.vertices)
			if g != nil || err == nil || err.Error() != test.want {
				t.Errorf("got %v, %v\nwant %s", g, err, test.want)
			}
		})
	}
}

// drawn draws up to eight images with needs among them: any for a graph that
// may have cycles, only smaller ones for a graph that has none.
func drawn(t *rapid.T, acyclic bool) []Vertex {
	count := rapid.IntRange(0, 8).Draw(t, "images")
	names := rapid.Permutation([]string{"a", "b", "c", "d", "e", "f", "g", "h"}).Draw(t, "names")[:count]
	var vs []Vertex
	for i, name := range names {
		choice := names
		if acyclic {
			choice = names[:i]
		}
		v := Vertex{Name: name}
		if len(choice) > 0 {
			v.Needs = rapid.SliceOfN(rapid.SampledFrom(choice), 0, 3).Draw(t, name)
		}
		vs = append(vs, v)
	}
	return vs
}

func TestOrderIsValidAndIndependentOfTheInput(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		vs := drawn(t, true)
		g, err := New(vs)
		if err != nil {
			t.Fatalf("%v for %v", err, vs)
		}
		order := g.Order()
		if len(order) != len(vs) {
			t.Fatalf("%v are not all of %v", order, vs)
		}
		for _, v := range vs {
			for _, need := range v.Needs {
				if slices.Index(order, need) >= slices.Index(order, v.Name) {
					t.Fatalf("%s needs %s, but the order is %v", v.Name, need, order)
				}
			}
		}
		other, err := New(rapid.Permutation(vs).Draw(t, "shuffled"))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(order, other.Order()); diff != "" {
			t.Fatalf("another input order gives another order:\n%s", diff)
		}
	})
}

func TestEveryReportedCycleIsReal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		vs := drawn(t, false)
		_, err := New(vs)
		_, again := New(rapid.Permutation(vs).Draw(t, "shuffled"))
		if fmt.Sprint(err) != fmt.Sprint(again) {
			t.Fatalf("another input order gives another error: %v, %v", err, again)
		}
		if err == nil {
			return // that the order exists shows that there is no cycle
		}
		var cycle *CycleError
		if !errors.As(err, &cycle) {
			t.Fatalf("%v is no cycle", err)
		}
		path := cycle.Path
		if len(path) < 2 || path[0] != path[len(path)-1] || path[0] != slices.Min(path) {
			t.Fatalf("%v does not begin and end with its smallest name", path)
		}
		if inner := slices.Sorted(slices.Values(path[1:])); len(slices.Compact(inner)) != len(path)-1 {
			t.Fatalf("%v passes an image twice", path)
		}
		for i, name := range path[:len(path)-1] {
			at := slices.IndexFunc(vs, func(v Vertex) bool { return v.Name == name })
			if !slices.Contains(vs[at].Needs, path[i+1]) {
				t.Fatalf("%v: %s does not need %s", path, name, path[i+1])
			}
		}
	})
}

func TestALongChainIsNoTrouble(t *testing.T) {
	const count = 100_000
	vs := make([]Vertex, count)
	for i := range vs {
		vs[i].Name = fmt.Sprintf("%06d", i)
		if i > 0 {
			vs[i].Needs = []string{vs[i-1].Name}
		}
	}
	g, err := New(vs)
	if err != nil || len(g.Order()) != count {
		t.Fatal(err)
	}
	vs[0].Needs = []string{vs[count-1].Name}
	var cycle *CycleError
	if _, err := New(vs); !errors.As(err, &cycle) || len(cycle.Path) != count+1 {
		t.Fatal("the circle of all images was not found")
	}
}
