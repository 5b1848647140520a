package store

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/versioning"
)

// errHeld ends an operation that has nothing to write.
var errHeld = errors.New("the ring has the release")

// departure is a ring that does not have what the plan has seen.
type departure struct {
	expectation
	is records.Place
}

func (e *departure) Error() string { return "ring " + e.ring + " moved" }

// altered is an image that others were built on, and that is not what the log
// says.
type altered struct{ tag records.Found }

func (e *altered) Error() string { return e.tag.Repository + " has other contents" }

// operation makes the record of the publish, on top of the newest one.
func (p *publisher) operation(ctx context.Context, newest records.Record) (records.Record, error) {
	plan := p.publication.Plan
	unheld := p.adopt(newest)
	place, gone := p.place(newest)
	if held := newest.After[plan.Ring]; held.Same(place) && held.Version == place.Version {
		return records.Record{}, errHeld
	}
	if err := p.unmoved(newest); err != nil {
		return records.Record{}, err
	}
	if err := cmp.Or(unheld, gone); err != nil {
		return records.Record{}, err
	}
	images, err := p.images(ctx, newest)
	if err != nil {
		return records.Record{}, err
	}
	record := newest.Following(records.OpPublish)
	record.After[plan.Ring], record.Images, record.Parents = place, images, plan.Parents
	record.Releases = max(newest.Releases, place.Release)
	record.Assign(newest, place.Release)
	record.Ancestors, record.Older = p.publication.Ancestors, p.publication.Older
	record.Required = p.publication.Required
	return record, nil
}

// adopt finds the release whose root image the plan adopts, if it does: one that a ring
// has by the log.
func (p *publisher) adopt(newest records.Record) error {
	plan := p.publication.Plan
	root, _ := plan.Image(plan.Root)
	if !root.Adopted {
		return nil
	}
	for _, ring := range slices.Sorted(maps.Keys(newest.After)) {
		if place := newest.After[ring]; place.Root == plan.Root && place.Version == root.Version && !place.Empty() {
			p.plan.ring.Digest, p.outcome.Digest = place.Digest, place.Digest
			p.positions()
			return nil
		}
	}
	return &UnheldError{Image: plan.Root, Version: root.Version}
}

// place is the new release, which descends from what the log knows of its parents,
// or the one that another ring has already.
func (p *publisher) place(newest records.Record) (records.Place, error) {
	plan := p.publication.Plan
	place := records.Place{
		Root: plan.Root, Version: plan.Version(), Digest: p.plan.ring.Digest,
		Record: newest.Sequence + 1, Release: newest.Releases + 1,
	}
	if held, found := holding(newest.After, place.Digest); found && held.Same(place) && held.Version == place.Version {
		return held, nil
	}
	for _, parent := range plan.Parents {
		if parent.Digest == "" {
			continue
		}
		held, found := holding(newest.After, parent.Digest)
		if !found {
			return place, &ParentError{parent.Version}
		}
		place.Lineage = place.Lineage.Union(held.Lineage).With(held.Release)
	}
	return place, nil
}

// holding finds a release in a table.
func holding(table records.Table, digest string) (records.Place, bool) {
	for _, ring := range slices.Sorted(maps.Keys(table)) {
		if digest != "" && table[ring].Digest == digest {
			return table[ring], true
		}
	}
	return records.Place{}, false
}

// unmoved checks that the rings have what the plan has seen.
func (p *publisher) unmoved(newest records.Record) error {
	plan := p.publication.Plan
	for _, expected := range p.plan.expected {
		place, found := newest.After[expected.ring]
		known := found && place.Root == plan.Root
		wanted := ""
		if expected.held != nil {
			wanted = expected.held.Digest
		}
		switch {
		case !known && wanted != "":
			return p.driver.untaken(records.Found{Content: records.Content{Repository: plan.Root, Tag: expected.ring, Digest: wanted}})
		case known && place.Digest != wanted:
			return &departure{expected, place}
		}
	}
	return nil
}

// images are all images of the release.
func (p *publisher) images(ctx context.Context, newest records.Record) (map[string]records.Image, error) {
	plan := p.publication.Plan
	images := map[string]records.Image{}
	var wanted []versioning.ImagePlan
	for _, image := range plan.Images {
		entry := records.Image{Version: image.Version, New: image.Built()}
		switch {
		case image.Built():
			entry.Digest, entry.Account = p.publication.Digests[image.Name], p.account(image.Name)
		case image.Name == plan.Root:
			entry.Digest = p.plan.ring.Digest
		default:
			wanted = append(wanted, image)
		}
		images[image.Name] = entry
	}
	recorded, err := p.recorded(ctx, newest, wanted)
	if err != nil {
		return nil, err
	}
	for _, image := range wanted {
		images[image.Name] = records.Image{Version: image.Version, Digest: recorded[image.Name].Digest, Account: recorded[image.Name].Account}
	}
	for _, image := range plan.Images {
		if digest := images[image.Name].Digest; image.Digest != "" && image.Digest != digest {
			tag := records.Found{Content: records.Content{Repository: image.Name, Tag: image.Version.String(), Digest: image.Digest}, Wanted: digest}
			return nil, &altered{tag}
		}
	}
	return images, nil
}

// recorded finds what the log says of images that are not built: that which a release has
// which a ring has by the log, mostly the one that the plan continues. No tag is asked.
func (p *publisher) recorded(ctx context.Context, newest records.Record, wanted []versioning.ImagePlan) (map[string]records.Image, error) {
	found := map[string]records.Image{}
	left := func() []versioning.ImagePlan {
		return slices.DeleteFunc(slices.Clone(wanted), func(image versioning.ImagePlan) bool { return found[image.Name].Digest != "" })
	}
	read := map[uint64]bool{}
	unlisted := ""
	for _, ring := range p.nearest(newest) {
		place := newest.After[ring]
		switch {
		case len(left()) == 0:
			return found, nil
		case place.Empty() || place.Record > 0 && read[place.Record]:
			continue
		case place.Record == 0:
			unlisted = cmp.Or(unlisted, ring)
			continue
		}
		read[place.Record] = true
		published, err := p.published(ctx, newest, place.Record)
		if err != nil {
			return nil, err
		}
		for _, image := range left() {
			if recorded := published.Images[image.Name]; recorded.Version == image.Version {
				found[image.Name] = recorded
			}
		}
	}
	if missing := left(); len(missing) > 0 && unlisted != "" {
		place := newest.After[unlisted]
		return nil, &UnlistedError{Version: place.Version, Digest: place.Digest, Ring: unlisted}
	} else if len(missing) > 0 {
		return nil, &UnheldError{Image: missing[0].Name, Version: missing[0].Version}
	}
	return found, nil
}

// nearest are the rings that have something, those first that the plan was made from.
func (p *publisher) nearest(newest records.Record) []string {
	var rings []string
	for _, held := range []*versioning.Held{p.publication.Plan.Current, p.publication.Plan.Next} {
		if held != nil {
			rings = append(rings, held.Ring)
		}
	}
	return append(rings, slices.Sorted(maps.Keys(newest.After))...)
}

// published reads the record of a publish that the newest record names.
func (p *publisher) published(ctx context.Context, newest records.Record, number uint64) (records.Record, error) {
	if number == newest.Sequence {
		return newest, nil
	}
	log := p.driver.log
	if digest := newest.Digests[number]; digest != "" {
		sealed, err := log.Named(ctx, number, digest)
		return sealed.Record, err
	}
	sealed, err := log.Record(ctx, number)
	return sealed.Record, err
}
