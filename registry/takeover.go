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
	places, err := p.untaken(ctx)
	if err != nil {
		return err
	}
	p.tookOver = true
	p.driver.adopting = map[records.Content]string{}
	for ring, place := range places {
		p.driver.adopting[records.Content{Repository: place.Root, Tag: ring}] = place.Digest
	}
	defer func() { p.driver.adopting = nil }()
	operation := func(newest records.Record) (records.Record, error) {
		after := maps.Clone(places)
		maps.Copy(after, newest.After)
		if len(after) == len(newest.After) {
			return records.Record{}, errHeld
		}
		return records.Record{Operation: Adopt, After: after, Holds: newest.Holds}, nil
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
func (p *publisher) untaken(ctx context.Context) (records.Table, error) {
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
	table := records.Table{}
	for i, ring := range rings {
		if placed[i] != nil {
			table[ring] = records.Place{Root: root, Version: placed[i].Release.Version(), Digest: placed[i].Digest}
		}
	}
	return table, err
}
