package revision

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// shared are images that share a context in several ways.
func shared() []ImageInputs {
	var images []ImageInputs
	add := func(context string, ignore []string, reads ...Read) {
		images = append(images, ImageInputs{Name: fmt.Sprintf("i%d", len(images)), Context: context, Ignore: ignore, Reads: reads})
	}
	for range 2 {
		add(".", nil, everything)
		add(".", nil, everything, copied("/current"))
		add(".", nil, Read{Path: "/sub/*", Wildcard: true, Follow: true}, copied("/main.go"))
		add(".", []string{"sub"}, everything)
		add(".", []string{"*", "!sub/a"}, everything)
		add(".", []string{"*", "!sub/a"}, Read{Path: "/*", Wildcard: true})
		add("sub", nil, everything)
		add("sub", []string{"a"}, everything)
		add("none", nil, everything)
		add("linked", nil, everything)
	}
	return images
}

var sharedTree = tree{
	"main.go": "package main\n", "run": script("#!/bin/sh\n"), "current": link("main.go"), "up": link("/sub/a"),
	"sub/a": "a", "sub/b": "", "sub/deep/c": "c", "linked": link("sub"), "pipe": pipe{},
}

func TestImagesThatShareAContextAnswerAsAlone(t *testing.T) {
	project := sharedTree
	together, err := Answer(t.Context(), project, Request{Scheme: Scheme, Images: shared()})
	if err != nil {
		t.Fatal(err)
	}
	for _, in := range shared() {
		alone, err := Answer(t.Context(), project, Request{Scheme: Scheme, Images: []ImageInputs{in}})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(alone.Trees[in.Name], together.Trees[in.Name]); diff != "" {
			t.Errorf("%+v (-alone +together):\n%s", in, diff)
		}
		if alone.Links[in.Name] != together.Links[in.Name] {
			t.Errorf("%+v: linked to %q alone, to %q with others", in, alone.Links[in.Name], together.Links[in.Name])
		}
	}
}

func TestAProblemIsThatOfAllImagesThatHaveIt(t *testing.T) {
	project := tree{"loop": link("loop"), "a": "a"}
	res, err := Answer(t.Context(), project, Request{Scheme: Scheme, Images: []ImageInputs{
		{Name: "one", Context: ".", Reads: []Read{copied("/loop/x")}},
		{Name: "good", Context: ".", Reads: []Read{copied("/a")}},
		{Name: "two", Context: ".", Reads: []Read{copied("/loop/x")}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if names := slices.Sorted(maps.Keys(res.Problems)); !slices.Equal(names, []string{"one", "two"}) || res.Problems["one"] != res.Problems["two"] {
		t.Errorf("problems %v", res.Problems)
	}
}

func TestEqualInputsAreWalkedOnce(t *testing.T) {
	var images []ImageInputs
	for i := range 50 {
		images = append(images, ImageInputs{Name: fmt.Sprint("i", i), Context: ".", Ignore: []string{"b"}, Reads: []Read{everything}})
	}
	inputs, of := distinct(images)
	if len(inputs) != 1 || !slices.Equal(of, make([]int, 50)) {
		t.Errorf("50 equal images are %d walks, by image %v", len(inputs), of)
	}
	inputs, of = distinct(shared())
	if half := len(shared()) / 2; len(inputs) != half || !slices.Equal(of[:half], of[half:]) {
		t.Errorf("images that differ are taken for equal, or equal ones are not: %v", of)
	}
}

func TestAFolderIsListedOnceForAllImages(t *testing.T) {
	files := tree{"sub/a": "a"}
	v, err := newView(newLists(files), ".", nil)
	if err != nil {
		t.Fatal(err)
	}
	before, err := collect(v, []Read{everything})
	if err != nil {
		t.Fatal(err)
	}
	// Whoever lists or looks again does not find it.
	delete(files, "sub/a")
	after, err := collect(v, []Read{everything, copied("/sub")})
	if err != nil {
		t.Fatal(err)
	}
	if len(before) != 1 || !maps.Equal(before, after) {
		t.Errorf("first %v, then %v", before, after)
	}
}

func TestAFileThatIsGoneIsLeftOut(t *testing.T) {
	in := ImageInputs{Reads: []Read{everything}}
	if forgetful := answer(t, forgets{tree{"a": "a", "b": "b"}}, in); forgetful != answer(t, tree{"a": "a"}, in) {
		t.Error("it counts")
	}
}

// forgets lists a file b that is gone when it is read.
type forgets struct{ tree }

func (f forgets) Digest(ctx context.Context, folders map[string][]*File) error {
	delete(f.tree, "b")
	return f.tree.Digest(ctx, folders)
}
