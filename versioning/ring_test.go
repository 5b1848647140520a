package versioning

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var fourRings = Rings([]string{"developers", "testers", "users"})

func TestSelect(t *testing.T) {
	for name, test := range map[string]struct{ ring, held, current, next string }{
		"nothing anywhere":                        {"developers", "", "", ""},
		"the ring has a release":                  {"developers", "developers testers", "developers", "testers"},
		"the next ring is empty":                  {"developers", "developers users", "developers", "users"},
		"post counts as a next ring":              {"users", "users post", "users", "post"},
		"nothing was shifted yet":                 {"developers", "developers", "developers", ""},
		"an empty ring continues the later one":   {"developers", "testers users", "testers", "testers"},
		"a later ring comes before an earlier":    {"testers", "developers post", "post", "post"},
		"else the nearest earlier one":            {"users", "ante developers testers", "testers", ""},
		"earlier rings do not matter otherwise":   {"testers", "ante developers testers", "testers", ""},
		"ante is a ring to build in":              {"ante", "ante developers", "ante", "developers"},
		"an empty ante continues developers":      {"ante", "developers", "developers", "developers"},
		"the last ring may find only ante":        {"users", "ante", "ante", ""},
		"an empty ring with both neighbours held": {"testers", "developers users", "users", "users"},
	} {
		t.Run(name, func(t *testing.T) {
			state, err := Select(fourRings, test.ring, holding(test.held))
			if err != nil {
				t.Fatal(err)
			}
			got := [2]string{ringOf(state.Current), ringOf(state.Next)}
			if diff := cmp.Diff([2]string{test.current, test.next}, got); diff != "" {
				t.Errorf("current and next (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRingsThatCannotBeBuiltAgainst(t *testing.T) {
	for ring, want := range map[string]string{
		"post": "nothing is built against post, releases only get there by a shift: choose one of ante, developers, testers, users",
		"moon": `there is no ring "moon": choose one of ante, developers, testers, users`,
		"":     `there is no ring "": choose one of ante, developers, testers, users`,
	} {
		if _, err := Select(fourRings, ring, nil); err == nil || err.Error() != want {
			t.Errorf("Select: %v\nwant %s", err, want)
		}
		if _, err := Unread(fourRings, ring, nil); err == nil || err.Error() != want {
			t.Errorf("Unread: %v\nwant %s", err, want)
		}
	}
}

func TestOuterRingsLieBehindTheFirstDeclaredOne(t *testing.T) {
	for ring, want := range map[string]bool{"ante": false, "developers": false, "testers": true, "users": true} {
		state, err := Select(fourRings, ring, nil)
		if err != nil || state.Outer() != want {
			t.Errorf("Outer of %s is %v, %v", ring, state.Outer(), err)
		}
	}
}

func TestUnreadAsksForTwoRingsAndOnlyIfNeededForTheRestAtOnce(t *testing.T) {
	for name, test := range map[string]struct{ ring, held, second string }{
		"both have":             {"developers", "developers testers", ""},
		"only the next has":     {"developers", "testers", ""},
		"only the ring has":     {"developers", "developers", "users post"},
		"neither has":           {"testers", "ante", "ante developers post"},
		"the last declared":     {"users", "users", ""},
		"the last, and empty":   {"users", "", "ante developers testers"},
		"the outermost release": {"testers", "testers post", "post"},
	} {
		t.Run(name, func(t *testing.T) {
			held, read := holding(test.held), map[string]*Placed{}
			for round, want := range []string{fourRings[indexOf(test.ring)] + " " + fourRings[indexOf(test.ring)+1], test.second, ""} {
				unread, err := Unread(fourRings, test.ring, read)
				if got := strings.Join(unread, " "); err != nil || got != want {
					t.Errorf("round %d asks for %q, %v, want %q", round+1, got, err, want)
				}
				for _, ring := range unread {
					read[ring] = held[ring]
				}
			}
		})
	}
}

func TestWhatWasReadIsEnoughToSelect(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		held := holding(strings.Join(rapid.SliceOf(rapid.SampledFrom(fourRings)).Draw(t, "held"), " "))
		ring := rapid.SampledFrom(fourRings[:4]).Draw(t, "ring")
		read := map[string]*Placed{}
		for range 3 {
			unread, err := Unread(fourRings, ring, read)
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range unread {
				read[name] = held[name]
			}
		}
		want, _ := Select(fourRings, ring, held)
		got, err := Select(fourRings, ring, read)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Fatalf("%v, all rings against those read (-want +got):\n%s", err, diff)
		}
	})
}

// holding places a release in each of the named rings.
func holding(rings string) map[string]*Placed {
	placed := map[string]*Placed{}
	for _, ring := range strings.Fields(rings) {
		placed[ring] = &Placed{Ring: ring}
	}
	return placed
}

func ringOf(p *Placed) string {
	if p == nil {
		return ""
	}
	return p.Ring
}

func indexOf(ring string) int {
	for i, name := range fourRings {
		if name == ring {
			return i
		}
	}
	return -1
}
