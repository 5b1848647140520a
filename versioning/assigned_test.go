package versioning

import (
	"slices"
	"testing"
)

func TestAssigned(t *testing.T) {
	var a Assigned
	for number, text := range []string{"0.1.0", "0.1.1", "0.2.0", "0.3.0", "1.0.0", "0.1.2"} {
		a = a.With(uint64(number+1), map[string]Version{"api": v(text)})
	}
	kept := a.Of(2)
	for _, c := range []struct {
		version                   string
		taken, takenKept, hasLine bool
	}{
		{"0.1.2", true, true, true}, {"0.1.3", false, false, true}, // release 2 lies in 1 to 6
		{"0.2.0", true, true, false}, {"0.2.1", false, true, false},
		{"0.3.0", true, true, true}, {"0.3.1", false, false, true}, {"0.4.0", false, false, true},
		{"1.0.0", true, true, true}, {"1.0.1", false, false, true}, {"2.0.0", false, false, true},
	} {
		if got := a.Taken("api", v(c.version)); got != c.taken {
			t.Errorf("%s: taken %v, want %v", c.version, got, c.taken)
		}
		if got := kept.Taken("api", v(c.version)); got != c.takenKept {
			t.Errorf("%s, only release 2 kept: taken %v, want %v", c.version, got, c.takenKept)
		}
		if got := kept.Knows("api", v(c.version)); got != c.hasLine {
			t.Errorf("%s, only release 2 kept: known %v, want %v", c.version, got, c.hasLine)
		}
	}
	if a.Taken("web", v("0.1.0")) || !a.Knows("web", v("0.1.0")) {
		t.Error("nothing of web was assigned")
	}
	lines := []string{}
	for _, line := range kept["api"] {
		lines = append(lines, line.Version.String())
	}
	if !slices.Equal(lines, []string{"0.1.2", "0.3.0", "1.0.0"}) {
		t.Errorf("kept %v", lines)
	}
}
