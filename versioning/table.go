package versioning

import (
	"cmp"
	"slices"
)

// Table says what each ring has. A ring that was emptied stays in it.
type Table map[string]Place

// Place is the release that a ring has. Without a digest the ring is empty.
type Place struct {
	Root    string  `json:"root"` // the root image, whose repository has the ring's tag
	Version Version `json:"version,omitzero"`
	Digest  string  `json:"digest,omitempty"`  // of the root image
	Record  uint64  `json:"record,omitempty"`  // number of the record that published it, 0 if it is older than the log
	Release uint64  `json:"release,omitempty"` // its number among the releases, counting from 1
	Lineage Lineage `json:"lineage,omitempty"` // the numbers of the releases that it descends from
}

// Empty reports whether the ring has nothing.
func (p Place) Empty() bool { return p.Digest == "" }

// Same reports whether two places have the same release: digest and root are
// equal, nothing else counts. Two empty places are the same whatever their root.
func (p Place) Same(other Place) bool {
	if p.Empty() || other.Empty() {
		return p.Empty() && other.Empty()
	}
	return p.Digest == other.Digest && p.Root == other.Root
}

// Descends reports whether the release is ancestor or descends from it. What
// is empty is an ancestor of everything, and descends from nothing else. Equal
// digests are one release. An ancestor without a number, older than the log, is
// nobody's but its own.
func (p Place) Descends(ancestor Place) bool {
	switch {
	case ancestor.Empty():
		return true
	case p.Empty():
		return false
	}
	return p.Digest == ancestor.Digest || p.Lineage.Has(ancestor.Release)
}

// RingState is what shift, unshift and set start from. None of them changes it.
type RingState struct {
	Rings []string // in order, ante first and post last, as [Rings] has them
	// Table may have other rings, which are no longer declared: they stay as
	// they are.
	Table Table
	Holds []string // the held rings
	// Tops are the newest shifts of rings that can be undone, by the ring.
	Tops map[string]Top
	// Pruned are the numbers of releases that were given up.
	Pruned Lineage
	// Next is the number of the record that comes of the plan.
	Next uint64
}

// Top is the newest shift that moved a ring and was not undone there.
type Top struct {
	Record uint64 `json:"record"` // of the shift
	From   string `json:"from"`   // the ring that gave
	Given  Place  `json:"given"`
	// Displaced is what the ring had before, zero for nothing.
	Displaced Place `json:"displaced,omitzero"`
}

// RingPlan is what a shift, an unshift or a set does. Its lists and maps are never nil.
type RingPlan struct {
	// Moves are, innermost first, every take of a shift, also those that change
	// nothing. An unshift and a set have none.
	Moves []Move `json:"moves"`
	// Changes are the rings that get another release or lose theirs, in order.
	Changes []RingChange `json:"changes"`
	Table   Table        `json:"table"` // afterwards
	Holds   []string     `json:"holds"` // the held rings afterwards, sorted
	// Dropped are, by version, the releases that were in a ring and are lost
	// from sight: none that is in a ring afterwards descends from them.
	Dropped []Place `json:"dropped"`
	// Undone are, by the ring, the shifts that an unshift undoes there.
	Undone map[string]Top `json:"undone"`
	// Tops are those afterwards: of a shift, with it in each ring that it changes; of an
	// unshift, without what lay below the shifts that it undoes.
	Tops map[string]Top `json:"tops"`
	// Under are, of a shift, the Tops before it of the rings that it changes.
	Under map[string]Top `json:"under"`
}

// RingChange is what a ring has before and after.
type RingChange struct {
	Ring string `json:"ring"`
	From Place  `json:"from"`
	To   Place  `json:"to"`
}

// known returns a [*RingError] if one of the rings is none.
func (s RingState) known(rings ...string) error {
	for _, ring := range rings {
		if !slices.Contains(s.Rings, ring) {
			return &RingError{Ring: ring, Rings: slices.Clone(s.Rings)}
		}
	}
	return nil
}

// plan gives some rings new places, all at once, and holds some more.
func (s RingState) plan(gives map[string]Place, holds []string) RingPlan {
	holds = slices.Sorted(slices.Values(append(slices.Clone(s.Holds), holds...)))
	p := RingPlan{
		Moves: []Move{}, Changes: []RingChange{},
		Table: copied(s.Table), Holds: append([]string{}, slices.Compact(holds)...),
		Undone: map[string]Top{}, Tops: copied(s.Tops), Under: map[string]Top{},
	}
	for _, ring := range s.Rings {
		from := s.Table[ring]
		to, given := gives[ring]
		if !given || to.Same(from) {
			continue
		}
		if to.Empty() {
			to = Place{Root: from.Root} // the repository whose tag has to go
		}
		p.Table[ring] = to
		p.Changes = append(p.Changes, RingChange{ring, from, to})
	}
	p.Dropped = dropped(s.Table, p.Table)
	return p
}

// dropped looks into rings that are no longer declared, too: their releases are
// still in sight.
func dropped(before, after Table) []Place {
	gone := []Place{}
	for _, ring := range sortedKeys(before) {
		place := before[ring]
		kept := func(other string) bool { return after[other].Descends(place) }
		if !slices.ContainsFunc(sortedKeys(after), kept) {
			gone = append(gone, place)
		}
	}
	slices.SortStableFunc(gone, func(a, b Place) int {
		return cmp.Or(a.Version.Compare(b.Version), cmp.Compare(a.Digest, b.Digest))
	})
	return slices.CompactFunc(gone, func(a, b Place) bool { return a.Digest == b.Digest })
}
