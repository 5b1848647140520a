package versioning

import (
	"errors"
	"fmt"
	"maps"
	"slices"
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
	if p.Moves == nil || p.Undone == nil || p.Tops == nil || p.Under == nil || p.Changes == nil || p.Holds == nil || p.Dropped == nil || p.Table == nil {
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
	if err == nil && (!sameTable(want, p.Table) || movesText(moves) != movesText(p.Moves)) {
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

func sameTable(a, b Table) bool {
	for _, ring := range append(sortedKeys(a), sortedKeys(b)...) {
		if !a[ring].Same(b[ring]) {
			return false
		}
	}
	return true
}
