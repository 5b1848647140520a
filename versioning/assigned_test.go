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

// A tag that somebody has pushed leaves numbers above it: what is far beyond all others
// does not count.
func TestATagThatLeavesNoNumbers(t *testing.T) {
	a := Assigned{}.With(1, map[string]Version{"api": v("0.2000.5")})
	far := map[string][]Version{"api": {v("0.999999999999999.0"), v("0.2000.999999999999999"), v("0.2002.999999999999999"), v("1.999999999999999.0"), v("1.5.0"), v("0.2001.0")}}
	for name, a := range map[string]Assigned{
		"all that was assigned is unknown": a.WithTags(far),
		"a line is unknown":                a.Recall(2, map[string]Version{"api": v("0.2000.5")}, far).WithTags(far),
	} {
		for text, want := range map[string]bool{
			"0.2000.5": true, "0.2000.6": false, "0.2001.0": true, "0.2002.0": false, "1.5.0": true, "1.6.0": false,
		} {
			if got := a.Taken("api", v(text)); got != want {
				t.Errorf("%s: %s: taken %v, want %v", name, text, got, want)
			}
		}
		c := chooser{name: "api", lookup: a.Lookup(func() ([]Release, error) { return nil, nil })}
		for _, wanted := range []string{"0.2000.6", "0.2001.0", "1.0.0"} {
			if _, _, err := c.choose(v(wanted), Version{}); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}
