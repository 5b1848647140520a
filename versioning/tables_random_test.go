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

func drawShift(t *rapid.T, f *family, state RingState) (RingPlan, bool) {
	first := rapid.IntRange(0, len(state.Rings)-2).Draw(t, "from")
	last := rapid.IntRange(first+1, len(state.Rings)-1).Draw(t, "to")
	p, goes, err := f.checkShift(state, first, last)
	fail(t, err)
	return p, goes && len(p.Changes) > 0
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

// Shifts on shifts, undone newest first, each in parts and in any order.
func TestShiftsThenUnshiftsAreTheIdentity(t *testing.T) {
	check(t, func(t *rapid.T) {
		f, state := drawState(t)
		var past []Shifted
		for range rapid.IntRange(1, 4).Draw(t, "shifts") {
			if p, goes := drawShift(t, f, state); goes {
				past = append(past, Shifted{uint64(len(past) + 1), p.Moves, state.Table})
				state = state.after(p)
			}
		}
		for _, shift := range slices.Backward(past) {
			before := shift.Before
			var err error
			for len(shift.Moves) > 0 {
				some := rapid.SliceOf(rapid.SampledFrom(shift.Moves)).Draw(t, "undo")
				var rings []string
				for _, move := range some {
					rings = append(rings, move.To)
				}
				state, shift, err = f.undo(state, shift, rings...)
				fail(t, err)
			}
			if !sameTable(before, state.Table) {
				t.Fatalf("%v, want %v", state.Table, before)
			}
		}
	})
}

// Whatever is built after a shift: undone ring by ring, innermost first, it is
// the same as all at once, and outermost first too if each ring that took still
// holds what it was given.
func TestUnshiftAfterBuilds(t *testing.T) {
	check(t, func(t *rapid.T) {
		f, before := drawState(t)
		p, goes := drawShift(t, f, before)
		if !goes {
			return
		}
		shift := Shifted{1, p.Moves, before.Table}
		now := drawBuilds(t, f, before.after(p))
		once, _, err := f.undo(now, shift)
		fail(t, err)

		inner, left := now, shift
		for _, move := range p.Moves {
			inner, left, err = f.undo(inner, left, move.To)
			fail(t, err)
		}
		outer, rest := now, shift
		untouched := true
		for _, move := range slices.Backward(p.Moves) {
			untouched = untouched && now.Table[move.To].Same(p.Table[move.To])
			outer, rest, err = f.undo(outer, rest, move.To)
			fail(t, err)
		}
		if !sameTable(once.Table, inner.Table) {
			t.Fatalf("innermost first %v, at once %v", inner.Table, once.Table)
		}
		if untouched && !sameTable(once.Table, outer.Table) {
			t.Fatalf("outermost first %v, at once %v", outer.Table, once.Table)
		}
		if len(left.Moves)+len(rest.Moves) > 0 || !slices.Equal(once.Holds, inner.Holds) || !slices.Equal(once.Holds, outer.Holds) {
			t.Fatalf("left %v and %v, held %v, %v and %v", left, rest, once.Holds, inner.Holds, outer.Holds)
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
