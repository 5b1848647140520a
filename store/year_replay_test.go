package store_test

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/google/go-cmp/cmp"

	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/store/storetest"
	"github.com/quoitbuild/quoit/versioning"
)

// replayed is what a history comes to, read from its first record on: from what
// each record says was done, not from what it says can be undone.
type replayed struct {
	*year
	table  records.Table
	holds  map[string]records.Hold
	stacks map[string][]versioning.Top // by the ring, the shifts that moved it and are not undone there
	known  map[string]bool             // digests that were published
	ever   map[string][]versioning.Version
}

// replay goes through the whole history, and compares the lineages of all
// releases with each other.
func (y *year) replay() {
	y.T.Helper()
	history, err := y.project.History(context.Background(), 1<<20)
	must(y.T, err)
	r := &replayed{year: y, table: records.Table{}, holds: map[string]records.Hold{}, stacks: map[string][]versioning.Top{}, known: map[string]bool{}, ever: map[string][]versioning.Version{}}
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
		for _, ring := range record.Moved() {
			from := r.Rings[slices.Index(r.Rings, ring)-1]
			r.give(ring, before[from])
			top := versioning.Top{Record: record.Sequence, From: from, Given: before[from], Displaced: before[ring]}
			r.stacks[ring] = append(r.stacks[ring], top)
		}
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
	r.remembers(record)
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
	tops := r.tops()
	var undone []string
	for _, ring := range r.Rings {
		top, found := tops[ring]
		if record.Holds[ring].Record != record.Sequence || !found {
			continue
		}
		undone = append(undone, ring)
		back := top.Displaced
		for next, other := range tops {
			if other.Record == top.Record && other.From == ring && !before[next].Empty() && r.true(before[next].Digest, back.Digest) {
				back = before[next]
			}
		}
		r.give(ring, back)
		r.stacks[ring] = r.stacks[ring][:len(r.stacks[ring])-1]
		r.holds[ring] = records.Hold{Record: record.Sequence, Reason: fmt.Sprintf("the shift of record %d was undone", top.Record)}
	}
	if moved := record.Moved(); len(undone) == 0 || !slices.Equal(moved, slices.Sorted(slices.Values(undone))) {
		r.T.Errorf("record %d undoes what moved %v, and moves %v", record.Sequence, undone, moved)
	}
}

// remembers checks that a record knows every version that was ever assigned, and exactly
// those of the lines that rings have.
func (r *replayed) remembers(record records.Record) {
	r.T.Helper()
	for _, tag := range record.Versions() {
		version := storetest.VersionOf(tag.Tag)
		if slices.Contains(r.ever[tag.Repository], version) {
			r.T.Errorf("record %d assigns %s %s again", record.Sequence, tag.Repository, version)
		}
		r.ever[tag.Repository] = append(r.ever[tag.Repository], version)
	}
	for image, versions := range r.ever {
		for _, version := range versions {
			if !record.Assigned.Taken(image, version) {
				r.T.Errorf("record %d does not know of %s %s", record.Sequence, image, version)
			}
		}
	}
	for _, place := range record.After {
		for name, image := range r.releases[place.Digest].Images {
			last := image.Version
			for _, version := range r.ever[name] {
				if version.Major == last.Major && version.Minor == last.Minor && version.Compare(last) > 0 {
					last = version
				}
			}
			next := versioning.Version{Major: last.Major, Minor: last.Minor, Patch: last.Patch + 1}
			if !record.Assigned.Knows(name, image.Version) || record.Assigned.Taken(name, next) {
				r.T.Errorf("record %d, %s %s: the last of its line is %s, known are %v", record.Sequence, name, image.Version, last, record.Assigned[name])
			}
		}
	}
}

// tops are the shifts that can be undone.
func (r *replayed) tops() map[string]versioning.Top {
	tops := map[string]versioning.Top{}
	for ring, stack := range r.stacks {
		if last := len(stack) - 1; last >= 0 {
			tops[ring] = stack[last]
		}
	}
	return tops
}

// compare holds what a record says is left against what has come of all records.
func (r *replayed) compare(record records.Record) {
	r.T.Helper()
	tops := r.tops()
	if len(tops) == 0 && len(record.Tops) == 0 {
		tops = record.Tops
	}
	holds := maps.Clone(r.holds)
	if len(holds) == 0 && len(record.Holds) == 0 {
		holds = record.Holds
	}
	for what, diff := range map[string]string{
		"table": cmp.Diff(r.table, record.After), "holds": cmp.Diff(holds, record.Holds), "shifts to undo": cmp.Diff(tops, record.Tops),
	} {
		if diff != "" {
			r.T.Errorf("record %d, %s: (-replayed +record):\n%s", record.Sequence, what, diff)
		}
	}
}
