package revision

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestEntries: what a copy needs is listed, also what a revision does not count, and
// nothing that is not read.
func TestEntries(t *testing.T) {
	sources := tree{
		"api/src/a.go": "a", "api/src/empty": folder{}, "api/go.mod": "g", "api/.git/pack": "p", "api/secret": "s",
		"api/now": link("releases/2"), "api/releases/2/f": "f", "api/releases/1/f": "o", "api/loop": link("loop"),
		"web/f": "w", "away": link("web"),
	}
	got, err := Entries(sources, []ImageInputs{
		{Name: "api", Context: "api", Ignore: []string{"secret"}, Reads: []Read{copied("/src"), copied("/go.*"), copied("/secret"), {Path: "/now", Follow: true}}},
		{Name: "whole", Context: "web", Reads: []Read{everything}},
		{Name: "nothing", Context: "nowhere", Reads: []Read{everything}},
		{Name: "linked", Context: "away", Reads: []Read{everything}},
	})
	want := map[string][]string{
		"api":   {"go.mod", "now", "releases/2", "releases/2/f", "src", "src/a.go", "src/empty"},
		"whole": {".", "f"},
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("error %v (-want +got):\n%s", err, diff)
	}
	if _, err := Entries(sources, []ImageInputs{{Name: "api", Context: "api", Reads: []Read{copied("/loop/x")}}}); err == nil || !strings.HasPrefix(err.Error(), "image api: ") {
		t.Errorf("a link that leads to itself: %v", err)
	}
}
