package versioning

import (
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/quoitbuild/quoit/internal/dose"
)

// check draws more often than rapid by itself, and much more in the larger doses.
func check(t *testing.T, property func(*rapid.T)) {
	t.Helper()
	for range dose.Of(2, 20, 500) {
		rapid.Check(t, property)
	}
}

// drawState draws rings, releases, a table with holes, and holds.
func drawState(t *rapid.T) (*family, RingState) {
	f := &family{}
	for range rapid.IntRange(1, 8).Draw(t, "releases") {
		f.add(pick(f.places, rapid.IntRange(0, 1<<len(f.places)-1).Draw(t, "parents"))...)
	}
	declared := []string{"a", "b", "c", "d", "e", "f"}[:rapid.IntRange(1, 6).Draw(t, "rings")]
	state := RingState{Rings: Rings(declared), Table: Table{}}
	for _, ring := range state.Rings {
		if n := rapid.IntRange(0, len(f.places)).Draw(t, ring); n > 0 {
			state.Table[ring] = f.places[n-1]
		}
		if rapid.IntRange(0, 4).Draw(t, "hold "+ring) == 0 {
			state.Holds = append(state.Holds, ring)
		}
	}
	return f, state
}

// drawBuilds places releases: new ones, each made of what its ring or another
// holds, and old ones.
func drawBuilds(t *rapid.T, f *family, state RingState) RingState {
	for range rapid.IntRange(0, 4).Draw(t, "builds") {
		ring := rapid.SampledFrom(state.Rings).Draw(t, "build in")
		parent := state.Table[ring]
		if rapid.IntRange(0, 3).Draw(t, "of another") == 0 {
			parent = state.Table[rapid.SampledFrom(state.Rings).Draw(t, "parent")]
		}
		place := rapid.SampledFrom(f.places).Draw(t, "old one")
		if rapid.IntRange(0, 3).Draw(t, "new") > 0 {
			place = f.add(parent)
		}
		p, err := Set(state, ring, place, true)
		fail(t, err)
		fail(t, f.checkPlan(state, p))
		state = state.after(p)
	}
	return state
}

// Without builds and sets, whatever is shifted, undone and held in between and in whatever
// order: a ring that is undone has what it had before the newest shift that moved it and
// was not undone there.
func TestUnshiftGoesBackInHistory(t *testing.T) {
	check(t, func(t *rapid.T) {
		f, state := drawState(t)
		state.Next = 1
		w := &ringWorld{family: f, state: state}
		had := map[string][]Place{} // what each ring had before the shifts that moved it
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			ring := rapid.SampledFrom(state.Rings).Draw(t, "ring")
			switch rapid.IntRange(0, 3).Draw(t, "step") {
			case 0, 1:
				before := w.state.Table
				fail(t, w.drawShift(t))
				for _, ring := range w.state.Rings {
					if !before[ring].Same(w.state.Table[ring]) {
						had[ring] = append(had[ring], before[ring])
					}
				}
			case 2:
				want := len(had[ring]) > 0
				before := copied(w.state.Table)
				if err := w.unshift(ring); (err == nil) != want {
					t.Fatalf("unshift of %s, which %d shifts moved: %v", ring, len(had[ring]), err)
				}
				if want {
					last := len(had[ring]) - 1
					before[ring], had[ring] = had[ring][last], had[ring][:last]
				}
				if !sameTable(before, w.state.Table) {
					t.Fatalf("unshift of %s: %v, want %v", ring, w.state.Table, before)
				}
			case 3:
				w.state.Holds = slices.DeleteFunc(slices.Clone(w.state.Holds), func(held string) bool { return held == ring })
			}
		}
	})
}

// Shifts on shifts, undone newest first, each in parts and in any order.
func TestShiftsThenUnshiftsAreTheIdentity(t *testing.T) {
	check(t, func(t *rapid.T) {
		f, state := drawState(t)
		state.Next = 1
		w := &ringWorld{family: f, state: state}
		past := map[uint64]Table{}
		for range rapid.IntRange(1, 4).Draw(t, "shifts") {
			past[w.state.Next] = w.state.Table
			fail(t, w.drawShift(t))
		}
		for len(w.state.newestShift()) > 0 {
			rings := w.state.newestShift()
			record := w.state.Tops[rings[0]].Record
			for _, ring := range rapid.Permutation(rings).Draw(t, "undo") {
				if rapid.Bool().Draw(t, "the rest at once") {
					fail(t, w.unshift())
					break
				}
				fail(t, w.unshift(ring))
			}
			if !sameTable(past[record], w.state.Table) {
				t.Fatalf("%v, want %v", w.state.Table, past[record])
			}
		}
		if !sameTable(state.Table, w.state.Table) {
			t.Fatalf("%v, want %v", w.state.Table, state.Table)
		}
	})
}

// Whatever is built after a shift: undone ring by ring, innermost first, it is the same as
// all at once, if every ring has what descends from what it was given.
func TestUnshiftAfterBuilds(t *testing.T) {
	check(t, func(t *rapid.T) {
		f, before := drawState(t)
		before.Next = 1
		w := &ringWorld{family: f, state: before}
		fail(t, w.drawShift(t))
		w.state = drawBuilds(t, f, w.state)
		once, inner := *w, *w
		rings := w.state.newestShift()
		if len(rings) == 0 || once.unshift() != nil {
			return
		}
		for _, ring := range rings {
			fail(t, inner.unshift(ring))
		}
		if !sameTable(once.state.Table, inner.state.Table) || !slices.Equal(once.state.Holds, inner.state.Holds) {
			t.Fatalf("innermost first %v, at once %v", inner.state, once.state)
		}
	})
}

// The start keeps its release, so it fills the rings, and then it is over.
func TestShiftingAgainAndAgainComesToAnEnd(t *testing.T) {
	check(t, func(t *rapid.T) {
		_, state := drawState(t)
		request := ShiftRequest{Discard: state.Rings}
		for range len(state.Rings) {
			p, err := Shift(state, request)
			var held *HeldError
			if errors.As(err, &held) {
				return
			}
			fail(t, err)
			state = state.after(p)
		}
		if p, err := Shift(state, request); err == nil && len(p.Changes) > 0 {
			t.Fatalf("%v changes %v", state, p.Changes)
		}
	})
}
