package records

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/quoitbuild/quoit/versioning"
)

// simulated are the rings of random histories.
var simulated = []string{"dev", "testers", "users"}

var errNothing = errors.New("nothing to do")

func (h *history) ring() string { return simulated[h.rng.IntN(len(simulated))] }

// begun lets the log have some releases and shifts, made one after the other.
func (h *history) begun() error {
	for range 2 {
		newest, count := h.numbers.newest(h.world)
		v := fmt.Sprintf("0.%d.0", count+1)
		h.begin("publish "+v, build("dev", v, newest.Record.After["dev"].Digest, count))
		if err := h.finish(); err != nil {
			return err
		}
		_, count = h.numbers.newest(h.world)
		h.begin(h.drawShift(count))
		if err := h.finish(); err != nil {
			return err
		}
	}
	return nil
}

// finish lets the commands that run come to their ends.
func (h *history) finish() error {
	for ; len(h.live()) > 0; h.now++ {
		if err := h.something(h.live()); err != nil {
			return err
		}
	}
	return nil
}

// next notes what the command that begins next was planned on.
func (h *history) next(planned uint64) uint64 {
	h.planned[signature(len(h.commands)+1).ID] = planned
	return planned
}

func stateOf(newest Record) versioning.RingState {
	return versioning.RingState{Rings: simulated, Table: newest.After, Holds: sortedKeys(newest.Holds)}
}

func (h *history) drawShift(count int) (string, Operation) {
	planned := h.next(uint64(count))
	return fmt.Sprintf("shift on record %d", planned), shift(planned)
}

// shift copies outward, on the very record that it was planned on.
func shift(planned uint64) Operation {
	return func(newest Record) (Record, error) {
		if newest.Sequence != planned {
			return Record{}, movedError{"dev"}
		}
		return shifted(newest)
	}
}

func shifted(newest Record) (Record, error) {
	plan, err := versioning.Shift(stateOf(newest), versioning.ShiftRequest{From: simulated[0], To: simulated[2], Discard: simulated})
	if err != nil || len(plan.Changes) == 0 {
		return Record{}, errors.Join(err, errNothing)
	}
	record := newest.Following(OpShift)
	record.After, record.Below = plan.Table, newest.Undo
	record.Undo = &Shifted{Record: newest.Sequence + 1, Moves: plan.Moves}
	return record, nil
}

func (h *history) drawUnshift(newest Record) (string, Operation) {
	var rings []string
	if move := newest.Undo.Moves[h.rng.IntN(len(newest.Undo.Moves))]; h.rng.IntN(2) == 0 {
		rings = []string{move.To}
	}
	undone := h.store[h.look(h.world, Repository, Name{Sequence: newest.Undo.Record}.String())].Record
	planned := h.next(newest.Sequence)
	return fmt.Sprintf("unshift record %d in %v on record %d", undone.Sequence, rings, planned), func(newest Record) (Record, error) {
		if newest.Sequence != planned {
			return Record{}, movedError{"dev"}
		}
		return unshifted(newest, undone, newest.Undo.Moves, rings)
	}
}

// unshifted undoes moves of a shift in rings, or in all.
func unshifted(newest, undone Record, moves []versioning.Move, rings []string) (Record, error) {
	plan, err := versioning.Unshift(stateOf(newest), versioning.Shifted{Record: undone.Sequence, Moves: moves, Before: undone.Before}, rings)
	if err != nil {
		return Record{}, err
	}
	record := newest.Following(OpUnshift)
	record.After, record.Of, record.Undo = plan.Table, undone.Sequence, undone.Below
	if len(plan.Left) > 0 {
		record.Undo = &Shifted{Record: undone.Sequence, Moves: plan.Left}
	}
	for _, move := range plan.Moves {
		record.hold(move.To, newest.Sequence+1)
	}
	return record, nil
}

func (r *Record) hold(ring string, sequence uint64) {
	if r.Holds == nil {
		r.Holds = map[string]Hold{}
	}
	r.Holds[ring] = Hold{Record: sequence}
}

// drawHold holds a ring, or ends all holds, whatever the table is by then.
func (h *history) drawHold(newest Record) (string, Operation) {
	ring := h.ring()
	if len(newest.Holds) > 0 && h.rng.IntN(3) > 0 {
		return "unhold", func(newest Record) (Record, error) {
			record := newest.Following(OpUnhold)
			clear(record.Holds)
			if len(newest.Holds) == 0 {
				return Record{}, errNothing
			}
			return record, nil
		}
	}
	return "hold " + ring, func(newest Record) (Record, error) {
		record := newest.Following(OpHold)
		record.hold(ring, newest.Sequence+1)
		return record, nil
	}
}

// ringsReplayed is what records come to one after the other, by what each says
// that it does.
type ringsReplayed struct {
	holds  map[string]Hold
	shifts []Shifted // not undone, or not everywhere
}

// judgeRings says whether shifts and holds are what the records make of them: a
// shift or an unshift is made once, for the table that it was planned on, and
// what is undone is the newest shift that was not.
func (h *history) judgeRings() error {
	r := &ringsReplayed{holds: map[string]Hold{}}
	for i, d := range h.decisions {
		record := d.sealed.Record
		planned, ours := h.planned[record.ID]
		moves := record.Operation == OpShift || record.Operation == OpUnshift
		if moves && (!ours || planned+1 != record.Sequence) {
			return fmt.Errorf("record %d is a %s that was planned on record %d", i+1, record.Operation, planned)
		}
		if err := r.apply(record); err != nil {
			return fmt.Errorf("record %d, %s: %w", i+1, record.Operation, err)
		}
	}
	return nil
}

func (r *ringsReplayed) apply(record Record) error {
	switch record.Operation {
	case "shift":
		if record.Undo == nil || record.Undo.Record != record.Sequence {
			return fmt.Errorf("to undo it says %v", record.Undo)
		}
		for _, move := range record.Undo.Moves {
			if record.After[move.To] != record.Before[move.From] {
				return fmt.Errorf("%s has not got what %s gave", move.To, move.From)
			}
		}
		r.shifts = append(r.shifts, *record.Undo)
	case "unshift":
		if err := r.unshift(record); err != nil {
			return err
		}
	case "hold":
		for ring, hold := range record.Holds {
			if hold.Record == record.Sequence {
				r.holds[ring] = hold
			}
		}
	case "unhold":
		clear(r.holds)
	}
	if !maps.Equal(r.holds, record.Holds) {
		return fmt.Errorf("it says that %v are held, and %v are", record.Holds, r.holds)
	}
	return r.undo(record)
}

func (r *ringsReplayed) unshift(record Record) error {
	last := len(r.shifts) - 1
	if last < 0 || record.Of != r.shifts[last].Record {
		return fmt.Errorf("it undoes record %d, of %v", record.Of, r.shifts)
	}
	var left []versioning.Move
	if record.Undo != nil && record.Undo.Record == record.Of {
		left = record.Undo.Moves
	}
	count := 0
	for _, move := range r.shifts[last].Moves {
		if !slices.Contains(left, move) {
			r.holds[move.To] = Hold{Record: record.Sequence}
			count++
		}
	}
	if count == 0 || count+len(left) != len(r.shifts[last].Moves) {
		return fmt.Errorf("of %v it leaves %v", r.shifts[last].Moves, left)
	}
	if r.shifts[last].Moves = left; len(left) == 0 {
		r.shifts = r.shifts[:last]
	}
	return nil
}

// undo compares the newest shift that is not undone.
func (r *ringsReplayed) undo(record Record) error {
	last := len(r.shifts) - 1
	switch {
	case last < 0 && record.Undo == nil:
	case last < 0 || record.Undo == nil || record.Undo.Record != r.shifts[last].Record || !slices.Equal(record.Undo.Moves, r.shifts[last].Moves):
		return fmt.Errorf("it says that %v can be undone, of %v", record.Undo, r.shifts)
	}
	return nil
}
