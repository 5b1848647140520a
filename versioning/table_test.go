package versioning

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestOneFormOfALineageIsValid(t *testing.T) {
	for lineage, want := range map[Lineage]bool{
		"": true, "1": true, "1-2": true, "1-40,57": true, "1,3,5-7": true, "99999999": true, "1-99999999": true,
		"0": false, "0-3": false, "1-1": false, "2-1": false, "1,2": false, "1-3,4": false, "1-3,3-5": false,
		"5,1": false, "01": false, "+1": false, "-1": false, "1-": false, ",": false, "1,": false, ",1": false,
		" 1": false, "1, 3": false, "1-2-3": false, "1_0": false, "a": false, "100000000": false,
		"1-100000000": false, "18446744073709551616": false, "18446744073709551615": false,
	} {
		if got := lineage.Valid(); got != want {
			t.Errorf("%q is valid: %v, want %v", lineage, got, want)
		}
	}
}

func TestAnInvalidLineageIsEmpty(t *testing.T) {
	const bad = Lineage("1,2")
	if bad.Has(1) || bad.Has(0) || bad.Union("7") != "7" || Lineage("7").Union(bad) != "7" || bad.With(9) != "9" {
		t.Error("an invalid lineage has numbers")
	}
	if got := Lineage("3").With(0).With(MaxRelease + 1); got != "3" {
		t.Errorf("numbers that no release has were added: %q", got)
	}
}

// model is a set of numbers, from and to a lineage in the simplest way.
func model(t *rapid.T, name string) (map[uint64]bool, Lineage) {
	set, lineage := map[uint64]bool{}, Lineage("")
	for _, n := range rapid.SliceOf(rapid.Uint64Range(1, 30)).Draw(t, name) {
		set[n], lineage = true, lineage.With(n)
	}
	return set, lineage
}

func TestALineageIsASet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, left := model(t, "left")
		b, right := model(t, "right")
		union := left.Union(right)
		for n := range uint64(40) {
			if left.Has(n) != a[n] || right.Has(n) != b[n] || union.Has(n) != (a[n] || b[n]) {
				t.Fatalf("%d: %q and %q make %q", n, left, right, union)
			}
		}
		if !left.Valid() || !right.Valid() || !union.Valid() {
			t.Fatalf("%q, %q or %q is not canonical", left, right, union)
		}
		// One set has one form, however it was made.
		again := Lineage("")
		for n := uint64(30); n > 0; n-- {
			if a[n] || b[n] {
				again = again.With(n)
			}
		}
		if union != again || union != right.Union(left) || union.Union(left) != union {
			t.Fatalf("%q and %q are one set", union, again)
		}
	})
}

func FuzzLineage(f *testing.F) {
	for _, seed := range []string{"", "1-40,57", "1,2", "99999999", "0"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		lineage := Lineage(text)
		if again := lineage.Union(""); lineage.Valid() && again != lineage || !lineage.Valid() && again != "" {
			t.Errorf("%q is valid: %v, and becomes %q", lineage, lineage.Valid(), again)
		}
	})
}

func TestDescends(t *testing.T) {
	older := Place{Root: "deploy", Digest: "sha256:0"}
	first := Place{Root: "deploy", Digest: "sha256:1", Release: 1}
	second := Place{Root: "deploy", Digest: "sha256:2", Release: 2, Lineage: "1"}
	moved := Place{Root: "install", Digest: "sha256:2"}
	empty, emptied := Place{}, Place{Root: "deploy", Lineage: "1"}
	for name, test := range map[string]struct {
		release, ancestor Place
		want              bool
	}{
		"of itself":                              {first, first, true},
		"of its parent":                          {second, first, true},
		"not of its child":                       {first, second, false},
		"everything of nothing":                  {first, empty, true},
		"nothing of nothing":                     {emptied, empty, true},
		"nothing of a release":                   {emptied, first, false},
		"of itself without a number":             {older, older, true},
		"not of what has no number":              {second, older, false},
		"of itself in another root's repository": {moved, second, true},
	} {
		if got := test.release.Descends(test.ancestor); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestSame(t *testing.T) {
	place := Place{Root: "deploy", Digest: "sha256:1", Release: 1}
	for name, test := range map[string]struct {
		other Place
		want  bool
	}{
		"only digest and root count": {Place{Root: "deploy", Digest: "sha256:1", Record: 7, Lineage: "5"}, true},
		"another root":               {Place{Root: "install", Digest: "sha256:1"}, false},
		"another digest":             {Place{Root: "deploy", Digest: "sha256:2"}, false},
		"none":                       {Place{Root: "deploy"}, false},
	} {
		if place.Same(test.other) != test.want || test.other.Same(place) != test.want {
			t.Errorf("%s: %v", name, !test.want)
		}
	}
	if !(Place{}).Same(Place{Root: "deploy"}) {
		t.Error("two empty places differ")
	}
}

func TestATableInJSON(t *testing.T) {
	table := Table{
		"users":   {Root: "deploy", Version: Version{1, 4, 0}, Digest: "sha256:1", Record: 42, Release: 7, Lineage: "1-4,6"},
		"testers": {Root: "deploy"},
	}
	want := `{"testers":{"root":"deploy"},"users":{"root":"deploy","version":"1.4.0","digest":"sha256:1","record":42,"release":7,"lineage":"1-4,6"}}`
	got, err := json.Marshal(table)
	if err != nil || string(got) != want {
		t.Errorf("%s, %v", got, err)
	}
	var again Table
	if err := json.Unmarshal(got, &again); err != nil || !cmp.Equal(table, again) {
		t.Errorf("%v, %v", again, err)
	}
}
