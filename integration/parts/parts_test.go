package main

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// stackTests are the tests of all files with the tag stack, by folder.
func stackTests(t *testing.T) map[string][]string {
	t.Helper()
	all, err := findTests(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string][]string{}
	for _, test := range all {
		if test.stack && strings.HasPrefix(test.name, "Test") {
			found[test.dir] = append(found[test.dir], test.name)
		}
	}
	if len(found) < 3 {
		t.Fatalf("tests with the tag stack are in %v only", slices.Sorted(maps.Keys(found)))
	}
	return found
}

// of are the tests that a run has of a folder's.
func (r run) of(dir string, tests []string) []string {
	if r.quick {
		return nil
	}
	if below, ok := strings.CutSuffix(r.packages, "/..."); ok && strings.HasPrefix(dir+"/", below+"/") || r.packages == dir {
		if r.tests == nil {
			return tests
		}
		return r.tests
	}
	return nil
}

func TestEveryTestIsInOnePart(t *testing.T) {
	for dir, tests := range stackTests(t) {
		places := map[string][]string{}
		for _, p := range parts {
			for _, r := range p.runs {
				for _, test := range r.of(dir, tests) {
					places[test] = append(places[test], p.name)
				}
			}
		}
		for _, test := range tests {
			if len(places[test]) != 1 {
				t.Errorf("%s of %s is in the parts %v of integration/parts/table.go, want one", test, dir, places[test])
			}
			delete(places, test)
		}
		for test, names := range places {
			t.Errorf("the parts %v have %s, which %s has not", names, test, dir)
		}
	}
}

func TestEveryStoryExists(t *testing.T) {
	found := stackTests(t)
	for _, r := range stories.runs {
		if r.quick || len(r.tests) == 0 {
			t.Errorf("all tests of %s are stories", r.packages)
		}
		for _, test := range r.tests {
			if !slices.Contains(found[r.packages], test) {
				t.Errorf("%s has no test %s with the tag stack", r.packages, test)
			}
		}
	}
}

func TestPartsBeginWithTheCheapest(t *testing.T) {
	if !slices.IsSortedFunc(parts, byCost) {
		t.Error("a part that costs less comes after one that costs more")
	}
	names := map[string]bool{"all": true, stories.name: true}
	for _, p := range parts {
		if names[p.name] {
			t.Errorf("two parts are called %s", p.name)
		}
		names[p.name] = true
	}
}

func TestSummary(t *testing.T) {
	for want, s := range map[string]summary{
		"ran test, kit":                              {ran: []string{"test", "kit"}},
		"ran test; not run: sites (time)":            {ran: []string{"test"}, late: []string{"sites"}},
		"ran kit; failed: kit; not run: a, b (time)": {ran: []string{"kit"}, failed: []string{"kit"}, late: []string{"a", "b"}},
		"ran nothing; not run: a (time)":             {late: []string{"a"}},
	} {
		if diff := cmp.Diff(want, s.String()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}
