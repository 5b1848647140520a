package store

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/quoitbuild/quoit/labels"
	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/versioning"
)

// takeover is what to take over.
type takeover struct {
	root      string
	rings     []string
	needed    func(ring string) bool // nil: all; what is in another ring may be anything
	signature records.Signature
}

// takeOver appends a record of what rings have that the log does not know.
// Their tags are not changed.
func (d *driver) takeOver(ctx context.Context, t takeover) error {
	untaken, err := d.untaken(ctx, t)
	if err != nil {
		return err
	}
	d.taking = map[records.Content]string{}
	for ring, placed := range untaken {
		d.taking[records.Content{Repository: t.root, Tag: ring}] = placed.Digest
	}
	defer func() { d.taking = nil }()
	operation := func(newest records.Record) (records.Record, error) {
		record := newest.Following(records.OpTakeOver)
		number(&record, t.root, untaken)
		if len(record.After) == len(newest.After) {
			return records.Record{}, errHeld
		}
		return record, nil
	}
	switch result := d.append(ctx, records.Options{Operation: operation, Signature: t.signature, Rings: t.rings}); {
	case result.Outcome == records.Success || errors.Is(result.Err, errHeld):
		return nil
	case result.Outcome == records.Foreign && result.Tags[0].Wanted != "":
		return d.unsettled(result, d.putBack(result.Tags[0]))
	case result.Outcome == records.Unknown:
		return d.unknown(result)
	default:
		return d.unsettled(result, result.Err)
	}
}

// takenOver is what the newest record would be after a takeover.
func (d *driver) takenOver(ctx context.Context, newest records.Record, t takeover) (records.Record, error) {
	untaken, err := d.untaken(ctx, t)
	if err != nil {
		return records.Record{}, err
	}
	record := newest.Following(records.OpTakeOver)
	number(&record, t.root, untaken)
	return record, nil
}

// untaken reads what the rings have.
func (d *driver) untaken(ctx context.Context, t takeover) (map[string]*versioning.Placed, error) {
	placed := make([]*versioning.Placed, len(t.rings))
	err := d.project.pace.Each(len(t.rings), func(i int) (err error) {
		placed[i], err = d.project.Ring(ctx, t.root, t.rings[i])
		if errors.Is(err, labels.ErrNotOurs) && t.needed != nil && !t.needed(t.rings[i]) {
			return nil
		}
		return err
	})
	untaken := map[string]*versioning.Placed{}
	for i, ring := range t.rings {
		if placed[i] != nil {
			untaken[ring] = placed[i]
		}
	}
	return untaken, err
}

// number gives releases that are older than the log their numbers, and puts those
// of rings that the log does not know into its table. They descend from each
// other as far as their labels say.
func number(record *records.Record, root string, untaken map[string]*versioning.Placed) {
	known := map[string]records.Place{}
	for _, place := range record.After {
		known[place.Digest] = place
	}
	left := map[string]*versioning.Placed{}
	for _, placed := range untaken {
		if _, found := known[placed.Digest]; !found {
			left[placed.Digest] = placed
		}
	}
	var take func(digest string)
	take = func(digest string) {
		placed := left[digest]
		if placed == nil {
			return
		}
		delete(left, digest)
		place := records.Place{Root: root, Version: placed.Release.Version(), Digest: digest}
		for _, parent := range placed.Release.Parents {
			take(parent.Digest)
			if ancestor := known[parent.Digest]; ancestor.Release > 0 {
				place.Lineage = place.Lineage.Union(ancestor.Lineage).With(ancestor.Release)
			}
		}
		record.Releases++
		place.Release = record.Releases
		known[digest] = place
	}
	for _, ring := range slices.Sorted(maps.Keys(untaken)) {
		take(untaken[ring].Digest)
		if _, found := record.After[ring]; !found {
			record.After[ring] = known[untaken[ring].Digest]
		}
	}
}
