package versioning

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/quoitbuild/quoit/internal/dose"
)

// ringWorld are rings, with the log of what moved them. Each unshift is held to the rules
// as they are written in docs/rings.md, by a second form of them that goes by the whole
// history and not by tops.
type ringWorld struct {
	*family
	state  RingState
	under  map[uint64]map[string]Top // by the record of a shift
	shifts []pastShift
	stacks map[string][]int // ring → indices of the shifts that moved it and are not undone there
}

// pastShift is a shift as history tells it.
type pastShift struct {
	record uint64
	gave   map[string]string // ring → the next ring, which it changed
	got    Table             // what it gave to the rings that it changed
	had    Table             // what they had before
}

// clone does not share what changes.
func (w *ringWorld) clone() *ringWorld {
	c := *w
	c.family = &family{slices.Clone(w.places), slices.Clone(w.older)}
	c.under, c.stacks, c.shifts = maps.Clone(w.under), maps.Clone(w.stacks), slices.Clone(w.shifts)
	return &c
}

// apply makes the plan of a shift.
func (w *ringWorld) apply(p RingPlan) {
	past := pastShift{record: w.state.Next, gave: map[string]string{}, got: Table{}, had: Table{}}
	if w.under == nil {
		w.under = map[uint64]map[string]Top{}
	}
	w.stacks = copied(w.stacks)
	for _, change := range p.Changes {
		before := w.state.Rings[slices.Index(w.state.Rings, change.Ring)-1]
		past.gave[before], past.got[change.Ring], past.had[change.Ring] = change.Ring, change.To, change.From
		w.stacks[change.Ring] = append(slices.Clone(w.stacks[change.Ring]), len(w.shifts))
	}
	w.shifts, w.under[w.state.Next] = append(slices.Clone(w.shifts), past), p.Under
	w.state = w.state.after(p)
}

// shift shifts if it goes.
func (w *ringWorld) shift(first, last int) error {
	p, goes, err := w.checkShift(w.state, first, last)
	if err == nil && goes && len(p.Changes) > 0 {
		w.apply(p)
		err = w.checkTops()
	}
	return err
}

func (w *ringWorld) drawShift(t *rapid.T) error {
	first := rapid.IntRange(0, len(w.state.Rings)-2).Draw(t, "from")
	return w.shift(first, rapid.IntRange(first+1, len(w.state.Rings)-1).Draw(t, "to"))
}

// set places a release.
func (w *ringWorld) set(ring string, place Place) error {
	p, err := Set(w.state, ring, place, true)
	if err == nil {
		err = w.checkPlan(w.state, p)
		w.state = w.state.after(p)
	}
	return errors.Join(err, w.checkTops())
}

// unshift undoes and returns the refusal, or what is wrong with it.
func (w *ringWorld) unshift(rings ...string) error {
	p, err := Unshift(w.state, rings)
	refused := &UnshiftError{}
	if err != nil && !errors.As(err, &refused) {
		return err
	}
	undone, table, stuck := w.unshifted(rings)
	var named []string
	for _, ring := range refused.Stuck {
		named = append(named, ring.Ring)
	}
	if (err != nil) != (len(undone) == 0) || !slices.Equal(stuck, named) {
		return fmt.Errorf("it stops for %v, want %v: %w", named, stuck, err)
	}
	if err != nil {
		return err
	}
	if !sameTable(table, p.Table) || !slices.Equal(slices.Sorted(slices.Values(undone)), sortedKeys(p.Undone)) || len(p.Changes) != len(undone) {
		return fmt.Errorf("unshift of %v makes %v of %v, want %v", rings, p.Table, w.state.Table, table)
	}
	holds := slices.Compact(slices.Sorted(slices.Values(slices.Concat(w.state.Holds, undone))))
	if !slices.Equal(holds, p.Holds) {
		return fmt.Errorf("unshift of %v holds %v, want %v", rings, p.Holds, holds)
	}
	for ring, top := range p.Undone {
		if under, found := w.under[top.Record][ring]; found {
			p.Tops[ring] = under
		}
	}
	w.stacks = maps.Clone(w.stacks)
	for _, ring := range undone {
		w.stacks[ring] = w.stacks[ring][:len(w.stacks[ring])-1]
	}
	err = w.checkPlan(w.state, p)
	w.state = w.state.after(p)
	return errors.Join(err, w.checkTops())
}

// unshifted is what an unshift should do: the rings that it undoes, and the table
// afterwards; or the rings in which it cannot, and no others.
func (w *ringWorld) unshifted(rings []string) (undone []string, after Table, stuck []string) {
	last := func(ring string) int {
		if stack := w.stacks[ring]; len(stack) > 0 {
			return stack[len(stack)-1]
		}
		return -1
	}
	if len(rings) == 0 {
		newest := -1
		for _, ring := range w.state.Rings {
			newest = max(newest, last(ring))
		}
		for _, ring := range w.state.Rings {
			if newest >= 0 && last(ring) == newest {
				rings = append(rings, ring)
			}
		}
	}
	now, after := w.state.Table, maps.Clone(w.state.Table)
	for _, ring := range w.state.Rings {
		if !slices.Contains(rings, ring) {
			continue
		}
		top := last(ring)
		if top < 0 {
			stuck = append(stuck, ring)
			continue
		}
		shift := w.shifts[top]
		back := shift.had[ring]
		if next, gave := shift.gave[ring]; gave && last(next) == top && w.descends(now[next], back) {
			back = now[next]
		}
		switch {
		case !w.descends(now[ring], shift.got[ring]), now[ring].Same(back), !back.Empty() && w.state.Pruned.Has(back.Release):
			stuck = append(stuck, ring)
		default:
			undone, after[ring] = append(undone, ring), back
		}
	}
	if len(stuck) > 0 {
		return nil, nil, stuck
	}
	return undone, after, nil
}

// checkTops compares what the newest record says with history.
func (w *ringWorld) checkTops() error {
	for _, ring := range w.state.Rings {
		stack := w.stacks[ring]
		top, found := w.state.Tops[ring]
		if found != (len(stack) > 0) {
			return fmt.Errorf("%s has the top %v, want %v", ring, top, stack)
		}
		if !found {
			continue
		}
		shift := w.shifts[stack[len(stack)-1]]
		from := w.state.Rings[slices.Index(w.state.Rings, ring)-1]
		if want := (Top{shift.record, from, shift.got[ring], shift.had[ring]}); top != want {
			return fmt.Errorf("%s has the top %v, want %v", ring, top, want)
		}
	}
	return nil
}

// steps are all that may happen to a small world: builds, sets, shifts and unshifts.
func (w *ringWorld) steps() (all []func(*ringWorld) error) {
	rings := w.state.Rings
	for at, ring := range rings {
		all = append(all, func(w *ringWorld) error { return w.set(ring, w.add(w.state.Table[ring])) })
		for _, place := range w.places {
			all = append(all, func(w *ringWorld) error { return w.set(ring, place) })
		}
		for first := range at {
			all = append(all, func(w *ringWorld) error { return w.shift(first, at) })
		}
	}
	for some := range 1 << len(rings) {
		all = append(all, func(w *ringWorld) error { return w.unshift(pick(rings, some)...) })
	}
	return append(all, func(w *ringWorld) error { w.state.Holds = nil; return nil })
}

// Everything that can happen to three rings, up to a depth.
func TestEverySmallHistory(t *testing.T) {
	depth := dose.Of(3, 4, 5)
	count, refused := 0, 0
	var walk func(w *ringWorld, left int)
	walk = func(w *ringWorld, left int) {
		if left == 0 {
			return
		}
		for n, step := range w.steps() {
			next := w.clone()
			err := step(next)
			count++
			var refusal *UnshiftError
			switch {
			case err == nil:
				walk(next, left-1)
			case errors.As(err, &refusal) && refusal.Error() == err.Error():
				refused++
			default:
				t.Fatalf("step %d, %d left: %v", n, left, err)
			}
		}
	}
	f := &family{}
	one := f.add()
	walk(&ringWorld{family: f, state: RingState{Rings: Rings([]string{"a"}), Table: Table{"a": one, "ante": f.add(one)}, Next: 1}}, depth)
	t.Logf("%d steps, %d refused", count, refused)
	if refused == 0 || refused == count {
		t.Error("some should be refused")
	}
}

// Longer histories of more rings, with releases that are pruned.
func TestRandomHistories(t *testing.T) {
	check(t, func(t *rapid.T) {
		f, state := drawState(t)
		state.Next = 1
		w := &ringWorld{family: f, state: state}
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			switch rapid.IntRange(0, 5).Draw(t, "step") {
			case 0:
				w.state = drawBuilds(t, f, w.state)
			case 1, 2:
				fail(t, w.drawShift(t))
			case 3, 4:
				rings := rapid.SliceOf(rapid.SampledFrom(w.state.Rings)).Draw(t, "unshift")
				err := w.unshift(rings...)
				if refusal := new(UnshiftError); err != nil && (!errors.As(err, &refusal) || refusal.Error() != err.Error()) {
					t.Fatal(err)
				}
			case 5:
				w.state.Holds = nil
				n := rapid.Uint64Range(1, uint64(len(f.places))).Draw(t, "prune")
				if !slices.ContainsFunc(slices.Collect(maps.Values(w.state.Table)), func(p Place) bool { return p.Release == n }) {
					w.state.Pruned = w.state.Pruned.With(n)
				}
			}
		}
	})
}
