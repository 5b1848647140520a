package records

import (
	"slices"

	"github.com/quoitbuild/quoit/versioning"
)

// Upgrader makes the record that brings a log of schema 1 to today's: [OpUpgrade]. It
// changes nothing but that it fills in what records of schema 1 do not say, as far as the
// records say it together. Those that are gone may be left out, and what they said is
// found in the tags of images then, or is not known.
type Upgrader struct {
	records map[uint64]Record // of shifts
	digests map[uint64]string
	added   []release
	last    uint64
	gap     bool
	older   bool
}

// release is which versions one has.
type release struct {
	number   uint64
	versions map[string]versioning.Version
}

// Add takes the next record, in the order of their numbers.
func (u *Upgrader) Add(sealed Sealed) {
	record := sealed.Record
	if u.digests == nil {
		u.digests, u.records = map[uint64]string{}, map[uint64]Record{}
	}
	u.gap, u.last = u.gap || record.Sequence != u.last+1, record.Sequence
	u.digests[record.Sequence] = sealed.Digest
	if record.Operation == OpShift {
		u.records[record.Sequence] = record
	}
	if len(record.Images) > 0 {
		u.added = append(u.added, release{record.Release(), record.versions()})
	}
}

// Older are the places of releases of which no record has the images, in what the newest
// record leaves and in what can be undone. Their root images say what their versions are.
func (u *Upgrader) Older(newest Record) []Place {
	var older []Place
	add := func(place Place) {
		if !place.Empty() && place.Record == 0 && !slices.Contains(older, place) {
			older = append(older, place)
		}
	}
	for _, ring := range sortedKeys(newest.After) {
		add(newest.After[ring])
	}
	tops := undoable(newest.Undo, u.read)
	for _, ring := range sortedKeys(tops) {
		add(tops[ring].Displaced)
	}
	return older
}

// AddOlder takes what such a root image says.
func (u *Upgrader) AddOlder(number uint64, versions map[string]versioning.Version) {
	u.added, u.older = append(u.added, release{number, versions}), true
}

// Images are those whose tags of versions have to be known, sorted: none if the records
// say all.
func (u *Upgrader) Images() []string {
	if !u.gap && !u.older {
		return nil
	}
	names := map[string]bool{}
	for _, release := range u.added {
		for name := range release.versions {
			names[name] = true
		}
	}
	return sortedKeys(names)
}

// Record returns the record that follows the newest one, which was the last that was
// added. Tags are the versions that each of [Upgrader.Images] has a tag of.
func (u *Upgrader) Record(newest Record, tags map[string][]versioning.Version) Record {
	record := newest.Following(OpUpgrade)
	record.Undo, record.Digests = nil, u.digests
	record.Tops = undoable(newest.Undo, u.read)
	assigned := versioning.Assigned{}
	for _, release := range u.added {
		assigned = assigned.Recall(release.number, release.versions, tags)
	}
	record.Assigned = assigned.WithTags(tags)
	record.forget(newest)
	return record
}

func (u *Upgrader) read(number uint64) (Record, bool) {
	record, found := u.records[number]
	return record, found
}

// undoable returns the shifts that can be undone, by the ring, of records of schema 1,
// beginning with a newest one. Who reads does not find a record that is gone; then what
// was below it is not known.
func undoable(undo *Shifted, read func(uint64) (Record, bool)) map[string]versioning.Top {
	tops := map[string]versioning.Top{}
	for undo != nil {
		shift, found := read(undo.Record)
		if !found {
			break
		}
		for _, move := range undo.Moves {
			given, displaced := shift.After[move.To], shift.Before[move.To]
			if _, newer := tops[move.To]; newer || given.Same(displaced) || given.Empty() {
				continue
			}
			tops[move.To] = versioning.Top{Record: undo.Record, From: move.From, Given: given, Displaced: displaced}
		}
		undo = shift.Below
	}
	return tops
}

// Release is the number of the release whose images the record has, 0 if it has none.
func (r Record) Release() uint64 {
	for _, ring := range r.Moved() {
		if place := r.After[ring]; r.Images[place.Root].Digest == place.Digest {
			return place.Release
		}
	}
	return 0
}

func (r Record) versions() map[string]versioning.Version {
	versions := map[string]versioning.Version{}
	for name, image := range r.Images {
		versions[name] = image.Version
	}
	return versions
}

// Assign counts the versions of the record's images as assigned, on top of the newest
// record, for the release of a number. Of what was assigned before it keeps what the
// choice of versions needs for what rings have, and for what comes back if this is undone.
func (r *Record) Assign(newest Record, number uint64) {
	r.Assigned = newest.Assigned.With(number, r.versions())
	r.forget(newest)
}

// forget leaves out of Assigned what no ring needs.
func (r *Record) forget(newest Record) {
	var needed []uint64
	for _, table := range []Table{newest.After, r.After} {
		for _, place := range table {
			needed = append(needed, place.Release)
		}
	}
	for _, top := range r.Tops {
		needed = append(needed, top.Displaced.Release)
	}
	r.Assigned = r.Assigned.Of(needed...)
}
