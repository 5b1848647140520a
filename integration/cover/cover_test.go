package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func parsed(t *testing.T, text string) profile {
	t.Helper()
	p, err := parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestTable(t *testing.T) {
	quick := parsed(t, "mode: set\n"+module+"graph/graph.go:1.1,2.2 3 1\n"+module+"graph/graph.go:3.1,4.2 1 0\n"+module+"store/storetest/shop.go:1.1,2.2 1 1\n"+module+"builder/solve.go:1.1,2.2 4 0\n")
	real := parsed(t, "mode: set\n"+module+"builder/solve.go:1.1,2.2 4 1\n"+module+"graph/graph.go:1.1,2.2 3 0\n")
	text, missed := table(quick, union(quick, real), true)
	want := "package                     quick and real\n" +
		"builder                      0.0%   100.0%\n" +
		"graph                       75.0%    75.0%\n"
	if diff := cmp.Diff(want, text); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	wantMissed := []string{
		"the quick tests reach 0.0 % of cmd/quoit, want 60 %", "all tests reach 0.0 % of deploy/apply, want 75 %",
		"the quick tests reach 0.0 % of deploy/render, want 60 %", "the quick tests reach 0.0 % of frontend, want 60 %",
	}
	if diff := cmp.Diff(wantMissed, missed); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, missed := table(quick, quick, false); len(missed) != 3 {
		t.Errorf("without real tests %v", missed)
	}
}

func TestOtherLinesAreNoProfile(t *testing.T) {
	for _, text := range []string{"mode: set\nfile\n", "f.go:1.1,2.2 many 1\n"} {
		if _, err := parse(text); err == nil {
			t.Errorf("%q is no mistake", text)
		}
	}
}
