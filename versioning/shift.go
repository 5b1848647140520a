package versioning

import (
	"fmt"
	"slices"
	"strings"
)

// Move is one ring's take of a shift: the release went from one ring to the
// next one.
type Move struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// ShiftRequest bounds a shift. The zero value shifts everything.
type ShiftRequest struct {
	From string // keeps its own release; "" for the first declared ring
	To   string // the last one that takes; "" for post
	// Discard names rings whose release may be replaced by one that does not
	// descend from it. It does no harm where that is not so.
	Discard []string
}

// Shift copies releases one ring outward: each ring after From up to To takes
// what the ring before it had before the shift. An empty ring gives nothing,
// so that the next one keeps its own. A held ring neither takes nor gives, and
// is never jumped over.
//
// A plan without changes means that there is nothing to do, and no record is to
// be written, though there may be moves.
//
// In the rings that it changes it is the newest shift to undo: see [Unshift].
//
// Errors are a [*RingError] for a ring that there is not, a [*BoundsError], a
// [*HeldError] if there would be changes without holds and there are none with
// them, and a [*DiscardError].
func Shift(state RingState, request ShiftRequest) (RingPlan, error) {
	first, last, err := state.bounds(request)
	if err != nil {
		return RingPlan{}, err
	}
	if err := state.known(request.Discard...); err != nil {
		return RingPlan{}, err
	}
	moves, held := state.moves(state.Rings[first : last+1])
	gives := map[string]Place{}
	for _, move := range moves {
		gives[move.To] = state.Table[move.From]
	}
	plan := state.plan(gives, nil)
	plan.Moves = append(plan.Moves, moves...)
	if len(plan.Changes) == 0 && len(held) > 0 {
		return RingPlan{}, &HeldError{From: state.Rings[first], To: state.Rings[last], Rings: held}
	}
	if lost := state.discards(plan, request.Discard); lost != nil {
		lost.First = state.firstly(lost, first, request.Discard)
		return RingPlan{}, lost
	}
	state.push(&plan)
	return plan, nil
}

// push makes the shift the newest one to undo, in the rings that it changes.
func (s RingState) push(plan *RingPlan) {
	for _, change := range plan.Changes {
		at := slices.IndexFunc(plan.Moves, func(move Move) bool { return move.To == change.Ring })
		if top, found := s.Tops[change.Ring]; found {
			plan.Under[change.Ring] = top
		}
		plan.Tops[change.Ring] = Top{Record: s.Next, From: plan.Moves[at].From, Given: change.To, Displaced: change.From}
	}
}

// bounds returns the indices of the first and the last ring of a shift.
func (s RingState) bounds(request ShiftRequest) (first, last int, err error) {
	from, to := request.From, request.To
	if from == "" {
		from = s.Rings[1]
	}
	if to == "" {
		to = Post
	}
	if err := s.known(from, to); err != nil {
		return 0, 0, err
	}
	first, last = slices.Index(s.Rings, from), slices.Index(s.Rings, to)
	if first >= last {
		return 0, 0, &BoundsError{From: from, To: to, Rings: slices.Clone(s.Rings)}
	}
	return first, last, nil
}

// moves returns all takes among the rings, and the held rings that prevent
// changes, in order.
func (s RingState) moves(rings []string) (moves []Move, held []string) {
	for i, to := range rings[1:] {
		from := rings[i]
		if s.Table[from].Empty() {
			continue
		}
		inTheWay := slices.DeleteFunc([]string{from, to}, func(ring string) bool { return !slices.Contains(s.Holds, ring) })
		switch {
		case len(inTheWay) == 0:
			moves = append(moves, Move{from, to})
		case !s.Table[from].Same(s.Table[to]):
			held = append(held, inTheWay...)
		}
	}
	return moves, slices.Compact(held) // a ring is there twice as the end of one and the start of the next
}

// BoundsError says that a shift would not go outward.
type BoundsError struct {
	From, To string
	Rings    []string // in order
}

// Error says in which order the rings are.
func (e *BoundsError) Error() string {
	return fmt.Sprintf("nothing shifts from %s to %s: choose --from and a later --to, the rings are %s in this order",
		e.From, e.To, strings.Join(e.Rings, ", "))
}

// HeldError says that a shift changes nothing because rings are held.
type HeldError struct {
	From, To string
	Rings    []string // the held rings in the way, in order
}

// Error names the rings, and what to do about them.
func (e *HeldError) Error() string {
	return fmt.Sprintf("nothing shifts from %s to %s, a held ring neither takes nor gives: use `quoit unhold %s`, or choose --from and --to around it",
		e.From, e.To, strings.Join(e.Rings, " "))
}
