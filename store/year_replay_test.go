package store_test

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/google/go-cmp/cmp"

	"github.com/quoitbuild/quoit/store/records"
)

// replayed is what a history comes to, read from its first record on: from what
// each record says was done, not from the table that it says is left.
type replayed struct {
	*year
	table  records.Table
	holds  map[string]records.Hold
	shifts []undoable
	known  map[string]bool // digests that were published
}

// undoable is a shift that is not undone in some rings.
type undoable struct {
	records.Shifted
	before records.Table
}

// replay goes through the whole history, and compares the lineages of all
// releases with each other.
func (y *year) replay() {
	y.T.Helper()
	history, err := y.project.History(context.Background(), 1<<20)
	must(y.T, err)
	r := &replayed{year: y, table: records.Table{}, holds: map[string]records.Hold{}, known: map[string]bool{}}
	for _, sealed := range slices.Backward(history) {
		r.apply(sealed.Record)
	}
	for _, place := range y.placed {
		for _, other := range y.placed {
			y.descends(place, other)
		}
	}
}

func (r *replayed) apply(record records.Record) {
	r.T.Helper()
	before := maps.Clone(r.table)
	switch record.Operation {
	case records.OpPublish:
		r.publish(record)
	case records.OpShift:
		for _, move := range record.Undo.Moves {
			r.give(move.To, before[move.From])
		}
		r.shifts = append(r.shifts, undoable{*record.Undo, before})
	case records.OpUnshift:
		r.unshift(record, before)
	case records.OpSet:
		for _, ring := range record.Moved() {
			r.give(ring, record.After[ring])
			if !r.known[record.After[ring].Digest] {
				r.T.Errorf("record %d sets %s to what was never published", record.Sequence, ring)
			}
		}
	case records.OpHold, records.OpUnhold:
		for ring, hold := range record.Holds {
			if hold.Record == record.Sequence && record.Operation == records.OpHold {
				r.holds[ring] = hold
			}
		}
		maps.DeleteFunc(r.holds, func(ring string, _ records.Hold) bool {
			_, held := record.Holds[ring]
			return !held && record.Operation == records.OpUnhold
		})
	default:
		r.T.Errorf("record %d is a %s", record.Sequence, record.Operation)
	}
	r.compare(record)
}

func (r *replayed) publish(record records.Record) {
	moved := record.Moved()
	if len(moved) != 1 || record.After[moved[0]].Digest != record.Images["deploy"].Digest || record.After[moved[0]].Record != record.Sequence {
		r.T.Errorf("record %d publishes to %v", record.Sequence, moved)
		return
	}
	r.give(moved[0], record.After[moved[0]])
	r.known[record.Images["deploy"].Digest] = true
}

// give gives a ring a release, or takes its own from it.
func (r *replayed) give(ring string, place records.Place) {
	if place.Empty() {
		if r.table[ring].Empty() {
			return
		}
		place = records.Place{Root: "deploy"}
	}
	r.table[ring] = place
}

func (r *replayed) unshift(record records.Record, before records.Table) {
	at := len(r.shifts) - 1
	if at < 0 || record.Of != r.shifts[at].Record {
		r.T.Errorf("record %d undoes record %d", record.Sequence, record.Of)
		return
	}
	shift := &r.shifts[at]
	var left, all = []string{}, map[string]string{} // the ring to which each gave
	if undo := record.Undo; undo != nil && undo.Record == record.Of {
		for _, move := range undo.Moves {
			left = append(left, move.To)
		}
	}
	for _, move := range shift.Moves {
		all[move.From] = move.To
	}
	moves := shift.Moves
	shift.Moves = nil
	for _, move := range moves {
		if slices.Contains(left, move.To) {
			shift.Moves = append(shift.Moves, move)
			continue
		}
		back := before[all[move.To]]
		if back.Empty() {
			back = shift.before[move.To]
		}
		r.give(move.To, back)
		r.holds[move.To] = records.Hold{Record: record.Sequence, Reason: fmt.Sprintf("the shift of record %d was undone", record.Of)}
	}
	if len(shift.Moves) == 0 {
		r.shifts = r.shifts[:at]
	}
}

// compare holds what a record says is left against what has come of all records.
func (r *replayed) compare(record records.Record) {
	r.T.Helper()
	var undo *records.Shifted
	if last := len(r.shifts) - 1; last >= 0 {
		undo = &r.shifts[last].Shifted
	}
	holds := maps.Clone(r.holds)
	if len(holds) == 0 && len(record.Holds) == 0 {
		holds = record.Holds
	}
	for what, diff := range map[string]string{
		"table": cmp.Diff(r.table, record.After), "holds": cmp.Diff(holds, record.Holds), "shift to undo": cmp.Diff(undo, record.Undo),
	} {
		if diff != "" {
			r.T.Errorf("record %d, %s: (-replayed +record):\n%s", record.Sequence, what, diff)
		}
	}
}
