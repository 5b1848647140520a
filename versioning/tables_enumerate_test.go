package versioning

import (
	"fmt"
	"math/bits"
	"slices"
	"testing"

	"github.com/quoitbuild/quoit/internal/dose"
)

// Every table of up to four rings and three releases, with every ancestry, all
// holds and all bounds; and every way to undo each shift in two parts.
func TestEverySmallTable(t *testing.T) {
	sizes := [][2]int{{2, 3}, {3, 3}, {4, 2}, {4, 3}}
	shifts := 0
	for _, size := range sizes[:dose.Of(3, 3, 4)] {
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
			state.Next = 7
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
	var rings []string
	for _, change := range p.Changes {
		rings = append(rings, change.Ring)
	}
	for part := 1; part < 1<<len(rings); part++ {
		w := &ringWorld{family: f, state: before}
		w.apply(p)
		err := w.unshift(pick(rings, part)...)
		if err == nil && bits.OnesCount(uint(part)) < len(rings) {
			err = w.unshift()
		}
		if err != nil {
			return err
		}
		if !sameTable(before.Table, w.state.Table) || len(w.state.Tops) > 0 {
			return fmt.Errorf("undone in parts, %v first, it is %v", pick(rings, part), w.state.Table)
		}
		if holds := slices.Concat(before.Holds, rings); !slices.Equal(slices.Compact(slices.Sorted(slices.Values(holds))), w.state.Holds) {
			return fmt.Errorf("undone in parts, %v are held, not %v", w.state.Holds, holds)
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
