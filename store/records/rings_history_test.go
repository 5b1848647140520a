package records

import (
	"context"
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
	h.planned[signature(len(h.commands)+1+h.offset).ID] = planned
	return planned
}

func stateOf(newest Record) versioning.RingState {
	return versioning.RingState{Rings: simulated, Table: newest.After, Holds: sortedKeys(newest.Holds), Tops: newest.Tops, Next: newest.Sequence + 1}
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
	record.After, record.Tops, record.Under = plan.Table, plan.Tops, plan.Under
	return record, nil
}

func (h *history) drawUnshift(newest Record) (string, Operation) {
	var rings []string
	if h.rng.IntN(2) == 0 {
		rings = []string{h.ring()}
	}
	shifts, log := map[uint64]Record{}, readerOf(h.log1())
	for _, top := range newest.Tops {
		shift := h.store[h.look(h.world, Repository, Name{Sequence: top.Record}.String())].Record
		shift.Under, shift.Digests, _ = log.Under(context.Background(), shift) // in memory
		shifts[top.Record] = shift
	}
	planned := h.next(newest.Sequence)
	return fmt.Sprintf("unshift in %v on record %d", rings, planned), func(newest Record) (Record, error) {
		if newest.Sequence != planned {
			return Record{}, movedError{"dev"}
		}
		return unshifted(newest, shifts, rings)
	}
}

// unshifted undoes the newest shifts of rings, or the newest of all.
func unshifted(newest Record, shifts map[uint64]Record, rings []string) (Record, error) {
	plan, err := versioning.Unshift(stateOf(newest), rings)
	if err != nil {
		return Record{}, err
	}
	record := newest.Following(OpUnshift)
	record.After, record.Tops, record.Digests = plan.Table, plan.Tops, map[uint64]string{}
	for ring, top := range plan.Undone {
		record.Of = max(record.Of, top.Record)
		record.hold(ring, newest.Sequence+1)
		if under, found := shifts[top.Record].Under[ring]; found {
			record.Tops[ring] = under
			maps.Copy(record.Digests, shifts[top.Record].Digests)
		}
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
	stacks map[string][]versioning.Top // by the ring, the shifts that moved it and are not undone there
}

// judgeRings says whether shifts and holds are what the records make of them: a
// shift or an unshift is made once, for the table that it was planned on, and
// what is undone in a ring is the newest shift that moved it and was not.
func (h *history) judgeRings() error {
	r := &ringsReplayed{holds: map[string]Hold{}, stacks: map[string][]versioning.Top{}}
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
	switch {
	case record.Operation == OpUnshift && record.Schema == 1:
		r.unshift1(record)
		return nil
	case record.Schema == 1 && record.Operation == OpShift:
		for _, ring := range record.Moved() {
			if !record.After[ring].Same(record.Before[ring]) {
				from := simulated[slices.Index(simulated, ring)-1]
				r.stacks[ring] = append(r.stacks[ring], versioning.Top{Record: record.Sequence, From: from, Given: record.After[ring], Displaced: record.Before[ring]})
			}
		}
		return nil
	}
	switch record.Operation {
	case "shift":
		for _, ring := range record.Moved() {
			from := simulated[slices.Index(simulated, ring)-1]
			if record.After[ring] != record.Before[from] {
				return fmt.Errorf("%s has not got what %s gave", ring, from)
			}
			top := versioning.Top{Record: record.Sequence, From: from, Given: record.After[ring], Displaced: record.Before[ring]}
			r.stacks[ring] = append(r.stacks[ring], top)
		}
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
	if record.Schema == 1 {
		return nil
	}
	return r.undo(record)
}

func (r *ringsReplayed) unshift(record Record) error {
	moved, undone, of := record.Moved(), []string{}, uint64(0)
	for _, ring := range simulated {
		if record.Holds[ring].Record != record.Sequence {
			continue
		}
		undone = append(undone, ring)
		last := len(r.stacks[ring]) - 1
		if last < 0 || record.After[ring].Digest != r.stacks[ring][last].Displaced.Digest && !slices.ContainsFunc(sortedKeys(record.Before), func(other string) bool {
			return record.Before[other] == record.After[ring]
		}) {
			return fmt.Errorf("%s gets %v back, of %v", ring, record.After[ring], r.stacks[ring])
		}
		of = max(of, r.stacks[ring][last].Record)
		r.stacks[ring], r.holds[ring] = r.stacks[ring][:last], Hold{Record: record.Sequence}
	}
	if !slices.Equal(moved, undone) || len(undone) == 0 || record.Of != of {
		return fmt.Errorf("it undoes record %d in %v, and moves %v", record.Of, undone, moved)
	}
	return nil
}

// undo compares the newest shifts that are not undone.
func (r *ringsReplayed) undo(record Record) error {
	tops := map[string]versioning.Top{}
	for ring, stack := range r.stacks {
		if last := len(stack) - 1; last >= 0 {
			tops[ring] = stack[last]
		}
	}
	if !maps.Equal(tops, record.Tops) {
		return fmt.Errorf("it says that %v can be undone, and %v can", record.Tops, tops)
	}
	return nil
}
