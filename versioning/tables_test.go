package versioning

import (
	"errors"
	"fmt"
	"maps"
	"math/bits"
	"os"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// What follows holds for every table. The rules are written down here a second
// time, in the simplest way, and over sets instead of lineages.

// family are releases; older[i][j] says that the i-th descends from the j-th.
type family struct {
	places []Place
	older  []map[int]bool
}

// add makes a release that descends from others, and from all of their elders.
func (f *family) add(parents ...Place) Place {
	n := len(f.places) + 1
	place := Place{Root: "deploy", Version: Version{Minor: uint64(n)}, Digest: fmt.Sprint("sha256:", n), Record: uint64(n), Release: uint64(n)}
	older := map[int]bool{}
	for _, parent := range parents {
		if parent.Empty() {
			continue
		}
		place.Lineage = place.Lineage.Union(parent.Lineage).With(parent.Release)
		older[int(parent.Release)] = true
		maps.Copy(older, f.older[parent.Release-1])
	}
	f.places, f.older = append(f.places, place), append(f.older, older)
	return place
}

func (f *family) descends(place, ancestor Place) bool {
	if ancestor.Empty() || place.Digest == ancestor.Digest {
		return true
	}
	return !place.Empty() && f.older[place.Release-1][int(ancestor.Release)]
}

// checkPlan holds a plan to what is true of every plan.
func (f *family) checkPlan(before RingState, p RingPlan) error {
	if p.Moves == nil || p.Left == nil || p.Changes == nil || p.Holds == nil || p.Dropped == nil || p.Table == nil {
		return errors.New("a list is null")
	}
	changed := map[string]bool{}
	for i, change := range p.Changes {
		changed[change.Ring] = true
		if change.From != before.Table[change.Ring] || change.To != p.Table[change.Ring] || change.From.Same(change.To) ||
			i > 0 && slices.Index(before.Rings, p.Changes[i-1].Ring) >= slices.Index(before.Rings, change.Ring) {
			return fmt.Errorf("changes: %v", p.Changes)
		}
	}
	for _, ring := range before.Rings {
		_, was := before.Table[ring]
		_, is := p.Table[ring]
		if !changed[ring] && (before.Table[ring] != p.Table[ring] || was != is) || was && !is {
			return fmt.Errorf("%s is changed and not among the changes, or gone", ring)
		}
	}
	if !slices.IsSorted(p.Holds) || len(slices.Compact(slices.Clone(p.Holds))) != len(p.Holds) {
		return fmt.Errorf("holds: %v", p.Holds)
	}
	return f.checkDropped(before.Table, p)
}

func (f *family) checkDropped(before Table, p RingPlan) error {
	lost := map[Place]bool{}
	for _, place := range before {
		lost[place] = !place.Empty()
		for _, kept := range p.Table {
			if f.descends(kept, place) {
				lost[place] = false
			}
		}
	}
	maps.DeleteFunc(lost, func(_ Place, gone bool) bool { return !gone })
	want := slices.SortedFunc(maps.Keys(lost), func(a, b Place) int { return a.Version.Compare(b.Version) })
	if !slices.Equal(want, p.Dropped) {
		return fmt.Errorf("dropped %v, want %v", p.Dropped, want)
	}
	return nil
}

// checkShift shifts, and returns the plan; false if it stops because of holds.
func (f *family) checkShift(before RingState, first, last int) (RingPlan, bool, error) {
	want, moves, free := shiftedInPlace(before, first, last)
	request := ShiftRequest{From: before.Rings[first], To: before.Rings[last], Discard: before.Rings}
	p, err := Shift(before, request)
	var held *HeldError
	if errors.As(err, &held) {
		if sameTable(before.Table, free) || !sameTable(before.Table, want) {
			return p, false, fmt.Errorf("stopped: %w", err)
		}
		return p, false, nil
	}
	if err == nil {
		err = f.checkPlan(before, p)
	}
	if err == nil && (!sameTable(want, p.Table) || movesText(moves) != movesText(p.Moves) || len(p.Left) > 0) {
		err = fmt.Errorf("%s, want %v", movesText(p.Moves), want)
	}
	if err != nil {
		return p, false, err
	}
	if len(p.Changes) == 0 && !sameTable(before.Table, free) {
		return p, false, errors.New("that only holds are in the way is not said")
	}
	return p, true, f.checkDiscards(before, request, p)
}

// shiftedInPlace goes through the rings, the last one first, and also returns
// what the table were without holds.
func shiftedInPlace(before RingState, first, last int) (after Table, moves []Move, free Table) {
	after, free = maps.Clone(before.Table), maps.Clone(before.Table)
	for at := last; at > first; at-- {
		from, to := before.Rings[at-1], before.Rings[at]
		if after[from].Empty() {
			continue
		}
		free[to] = free[from]
		if !slices.Contains(before.Holds, from) && !slices.Contains(before.Holds, to) {
			after[to] = after[from]
			moves = slices.Insert(moves, 0, Move{from, to})
		}
	}
	return after, moves, free
}

// checkDiscards shifts again, without leave to discard anything.
func (f *family) checkDiscards(before RingState, request ShiftRequest, p RingPlan) error {
	var lost []string
	for _, change := range p.Changes {
		if !f.descends(change.To, change.From) {
			lost = append(lost, change.Ring)
		}
	}
	request.Discard = nil
	var named []string
	_, err := Shift(before, request)
	var discard *DiscardError
	if errors.As(err, &discard) {
		for _, change := range discard.Changes {
			named = append(named, change.Ring)
		}
		err = nil
	}
	if err != nil || !slices.Equal(lost, named) {
		return fmt.Errorf("would be discarded: %v, want %v, %v", named, lost, err)
	}
	for _, change := range p.Changes {
		if _, err := Set(before, change.Ring, change.To, false); (err != nil) != slices.Contains(lost, change.Ring) {
			return fmt.Errorf("set of %s: %v", change.Ring, err)
		}
	}
	return nil
}

// undo unshifts some rings, none for all, and returns the state afterwards and
// what is left.
func (f *family) undo(now RingState, shift Shifted, rings ...string) (RingState, Shifted, error) {
	p, err := Unshift(now, shift, rings)
	if err != nil {
		return now, shift, err
	}
	if err := f.checkPlan(now, p); err != nil {
		return now, shift, err
	}
	want := maps.Clone(now.Table)
	holds := slices.Clone(now.Holds)
	for _, move := range p.Moves {
		want[move.To], holds = shift.Before[move.To], append(holds, move.To)
		for _, gave := range shift.Moves {
			if gave.From == move.To {
				want[move.To] = now.Table[gave.To]
			}
		}
	}
	slices.Sort(holds)
	if !sameTable(want, p.Table) || !slices.Equal(slices.Compact(holds), p.Holds) {
		return now, shift, fmt.Errorf("unshift of %v: %v and %v held, want %v and %v", rings, p.Table, p.Holds, want, holds)
	}
	shift.Moves = p.Left
	return now.after(p), shift, nil
}

func sameTable(a, b Table) bool {
	for _, ring := range append(sortedKeys(a), sortedKeys(b)...) {
		if !a[ring].Same(b[ring]) {
			return false
		}
	}
	return true
}

// Every table of up to four rings and three releases, with every ancestry, all
// holds and all bounds; and every way to undo each shift in two parts.
func TestEverySmallTable(t *testing.T) {
	sizes := [][2]int{{2, 3}, {3, 3}, {4, 2}}
	if os.Getenv("QUOIT_TEST_LONG") == "1" {
		sizes = append(sizes, [2]int{4, 3})
	}
	shifts := 0
	for _, size := range sizes {
		rings := Rings([]string{"a", "b"}[:size[0]-2])
		for _, f := range everyFamily(size[1]) {
			for table := range everyTable(rings, f.places) {
				for holds := range 1 << len(rings) {
					shifts += f.checkBounds(t, RingState{Rings: rings, Table: table, Holds: pick(rings, holds)})
				}
			}
		}
	}
	t.Logf("%d shifts", shifts)
	if shifts < 10_000 {
		t.Error("there should be more")
	}
}

// checkBounds shifts with all bounds, and returns how many shifts went.
func (f *family) checkBounds(t *testing.T, state RingState) (shifts int) {
	for last := range state.Rings {
		for first := range last {
			p, goes, err := f.checkShift(state, first, last)
			if err == nil && goes {
				err = f.checkParts(state, p)
				shifts++
			}
			if err != nil {
				t.Fatalf("%v from %s to %s: %v", state, state.Rings[first], state.Rings[last], err)
			}
		}
	}
	return shifts
}

// checkParts undoes a shift in any two parts.
func (f *family) checkParts(before RingState, p RingPlan) error {
	if len(p.Moves) == 0 {
		return nil
	}
	shift, after := Shifted{7, p.Moves, before.Table}, before.after(p)
	var rings []string
	for _, move := range p.Moves {
		rings = append(rings, move.To)
	}
	for part := 1; part < 1<<len(rings); part++ {
		state, left, err := f.undo(after, shift, pick(rings, part)...)
		if err == nil && bits.OnesCount(uint(part)) < len(rings) {
			state, left, err = f.undo(state, left)
		}
		if err != nil {
			return err
		}
		if !sameTable(before.Table, state.Table) || len(left.Moves) > 0 {
			return fmt.Errorf("undone in parts, %v first, it is %v", pick(rings, part), state.Table)
		}
	}
	return nil
}

// everyFamily returns so many releases in each order of descent that there is,
// the youngest one last.
func everyFamily(releases int) []*family {
	var all []*family
	seen := map[string]bool{}
	for relation := range 1 << (releases * (releases - 1) / 2) {
		f := &family{}
		for n := range releases {
			f.add(pick(f.places, relation>>(n*(n-1)/2))...)
		}
		if key := fmt.Sprint(f.places); !seen[key] {
			seen[key] = true
			all = append(all, f)
		}
	}
	return all
}

func everyTable(rings []string, places []Place) func(func(Table) bool) {
	return func(yield func(Table) bool) {
		count := 1
		for range rings {
			count *= len(places) + 1
		}
		for n := range count {
			table := Table{}
			for _, ring := range rings {
				if which := n % (len(places) + 1); which > 0 {
					table[ring] = places[which-1]
				}
				n /= len(places) + 1
			}
			if !yield(table) {
				return
			}
		}
	}
}

// pick returns those whose bit is set.
func pick[T any](from []T, bits int) []T {
	var some []T
	for i, one := range from {
		if bits&(1<<i) != 0 {
			some = append(some, one)
		}
	}
	return some
}

// check draws more often than rapid by itself, and very often in the long dose.
func check(t *testing.T, property func(*rapid.T)) {
	t.Helper()
	times := 20
	if os.Getenv("QUOIT_TEST_LONG") == "1" {
		times = 500
	}
	for range times {
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
