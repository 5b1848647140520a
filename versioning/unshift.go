package versioning

import (
	"fmt"
	"slices"
	"strings"
)

// Shifted is a past shift that may be undone.
type Shifted struct {
	Record uint64
	Moves  []Move // those that are not undone yet
	Before Table  // before the shift
}

// Unshift undoes a shift in some of the rings that took a release, or in all of
// them if none are named, and holds these rings. Ring by ring, with everything
// read before anything is changed:
//
//   - If the ring also gave, and no earlier call undid that, it takes back what
//     the ring that it gave to has now: its release, or what replaced it
//     meanwhile. It is the same whether this call undoes that ring, too.
//   - Otherwise, or if that ring is empty now, it takes what it had before the
//     shift. If that is nothing, it becomes empty and keeps only its root.
//
// What the ring has now is not asked after: what nothing descends from any
// more is in Dropped and is no error. Held rings are undone like others, as
// somebody says so.
//
// Without changes of the rings since the shift the table becomes what it was
// before it, in one go or ring by ring in any order. After changes the order
// matters. Innermost first is the same as all at once. A ring whose outer
// neighbour was undone in an earlier call takes what it had before the shift,
// and what was made in that neighbour is Dropped in that earlier call.
//
// A plan without changes is still to be recorded, for its moves and holds. Moves
// to a ring that is no longer declared count as undone by any unshift, as
// nothing else could end them; the ring stays as it is.
//
// The error is an [*UnshiftError].
func Unshift(state RingState, shift Shifted, rings []string) (RingPlan, error) {
	declared := func(ring string) bool { return slices.Contains(state.Rings, ring) }
	if err := shift.undoable(rings, declared); err != nil {
		return RingPlan{}, err
	}
	var undone, left []Move
	var holds []string
	gives := map[string]Place{}
	for _, move := range shift.Moves {
		switch ring := move.To; {
		case !declared(ring):
			undone = append(undone, move)
		case len(rings) > 0 && !slices.Contains(rings, ring):
			left = append(left, move)
		default:
			undone, holds = append(undone, move), append(holds, ring)
			gives[ring] = shift.returns(ring, state.Table)
		}
	}
	plan := state.plan(gives, holds)
	plan.Moves, plan.Left = append(plan.Moves, undone...), append(plan.Left, left...)
	return plan, nil
}

// returns is what a ring gets when its take is undone.
func (s Shifted) returns(ring string, now Table) Place {
	gave := slices.IndexFunc(s.Moves, func(m Move) bool { return m.From == ring })
	if gave < 0 || now[s.Moves[gave].To].Empty() {
		return s.Before[ring]
	}
	return now[s.Moves[gave].To]
}

func (s Shifted) undoable(rings []string, declared func(string) bool) error {
	var all []string
	for _, move := range s.Moves {
		if declared(move.To) {
			all = append(all, move.To)
		}
	}
	if len(s.Moves) == 0 {
		return &UnshiftError{Record: s.Record}
	}
	for _, ring := range rings {
		if !slices.Contains(all, ring) {
			return &UnshiftError{Record: s.Record, Ring: ring, Rings: all}
		}
	}
	return nil
}

// UnshiftError says that a shift has nothing to undo, in a ring or at all.
type UnshiftError struct {
	Record uint64   // of the shift
	Ring   string   // "" for all
	Rings  []string // where it can be undone
}

// Error names the rings where the shift can be undone.
func (e *UnshiftError) Error() string {
	shift := fmt.Sprintf("the shift of record %d", e.Record)
	switch {
	case len(e.Rings) == 0 && e.Ring == "":
		return shift + " is undone already, in every ring"
	case len(e.Rings) == 0:
		return fmt.Sprintf("%s has nothing to undo in %s, nor in any other ring of the manifest", shift, e.Ring)
	}
	return fmt.Sprintf("%s has nothing to undo in %s, where it moved nothing or is undone already: choose from %s",
		shift, e.Ring, strings.Join(e.Rings, ", "))
}
