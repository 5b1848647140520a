package registry

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/quoitbuild/quoit/labels"
	"github.com/quoitbuild/quoit/registry/records"
	"github.com/quoitbuild/quoit/versioning"
)

// Adopt is the operation that takes releases into the log which rings had
// before: those of a project that was published without a log, and a ring whose
// tag was written by hand when the log did not know it.
const Adopt = "adopt"

// takeOver appends a record of what the rings hold that the log does not know.
// Their tags are not changed.
func (p *publisher) takeOver(ctx context.Context) error {
	untaken, err := p.untaken(ctx)
	if err != nil {
		return err
	}
	p.tookOver = true
	p.driver.adopting = map[records.Content]string{}
	for ring, placed := range untaken {
		p.driver.adopting[records.Content{Repository: p.publication.Plan.Root, Tag: ring}] = placed.Digest
	}
	defer func() { p.driver.adopting = nil }()
	operation := func(newest records.Record) (records.Record, error) {
		record := newest.Following(Adopt)
		number(&record, p.publication.Plan.Root, untaken)
		if len(record.After) == len(newest.After) {
			return records.Record{}, errHeld
		}
		return record, nil
	}
	signature := p.signature()
	signature.Source, signature.Commit = "", ""
	machine, err := records.New(records.Options{Operation: operation, Signature: signature, Rings: p.publication.Rings})
	if err != nil {
		return err
	}
	return p.judge(ctx, p.driver.run(ctx, machine))
}

// untaken reads what the rings hold. What is in one that the plan does not need
// may be anything.
func (p *publisher) untaken(ctx context.Context) (map[string]*versioning.Placed, error) {
	rings, root := p.publication.Rings, p.publication.Plan.Root
	placed := make([]*versioning.Placed, len(rings))
	err := p.project.each(len(rings), func(i int) (err error) {
		placed[i], err = p.project.Ring(ctx, root, rings[i])
		needed := slices.ContainsFunc(p.plan.expected, func(e expectation) bool { return e.ring == rings[i] })
		if errors.Is(err, labels.ErrNotOurs) && !needed {
			return nil
		}
		return err
	})
	untaken := map[string]*versioning.Placed{}
	for i, ring := range rings {
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
