package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/versioning"
)

// Why an operation makes no record.
var (
	errHeld = errors.New("the ring has the release")
	// errPruned is for a publish that adopts images, when releases were pruned since
	// it was last known that these are in others too.
	errPruned = errors.New("releases were pruned")
)

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

// unknownImages are images that were not built, and whose digests are not in
// the newest record.
type unknownImages struct {
	record uint64 // that published the release which the plan continues; 0 if it is older than the log
	images []versioning.ImagePlan
}

func (e *unknownImages) Error() string { return "the digests of unchanged images are not known" }

// operation makes the record of the publish, on top of the newest one.
func (p *publisher) operation(newest records.Record) (records.Record, error) {
	plan := p.publication.Plan
	place, gone := p.place(newest)
	if held := newest.After[plan.Ring]; held.Same(place) && held.Version == place.Version {
		return records.Record{}, errHeld
	}
	if err := p.unmoved(newest); err != nil {
		return records.Record{}, err
	}
	if len(p.plan.adopted) > 0 && newest.Pruned != p.pruned {
		return records.Record{}, errPruned
	}
	if gone != nil {
		return records.Record{}, gone
	}
	images, err := p.images(newest)
	if err != nil {
		return records.Record{}, err
	}
	record := newest.Following(records.OpPublish)
	record.After[plan.Ring], record.Images, record.Parents = place, images, plan.Parents
	record.Releases = max(newest.Releases, place.Release)
	record.Ancestors, record.Older = p.publication.Ancestors, p.publication.Older
	record.Required = p.publication.Required
	return record, nil
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
func (p *publisher) images(newest records.Record) (map[string]records.Image, error) {
	plan := p.publication.Plan
	images := map[string]records.Image{}
	unknown := &unknownImages{}
	if plan.Current != nil {
		unknown.record = newest.After[plan.Current.Ring].Record
	}
	for _, image := range plan.Images {
		entry := records.Image{Version: image.Version, New: image.Built()}
		recorded := newest.Images[image.Name]
		switch known := p.known[image.Name+":"+image.Version.String()]; {
		case image.Built():
			entry.Digest = p.publication.Digests[image.Name]
		case image.Name == plan.Root:
			entry.Digest = p.plan.ring.Digest
		case known != "":
			entry.Digest = known
		case recorded.Version == image.Version:
			entry.Digest = recorded.Digest
		}
		if image.Digest != "" && entry.Digest != "" && image.Digest != entry.Digest {
			tag := records.Found{Content: records.Content{Repository: image.Name, Tag: image.Version.String(), Digest: image.Digest}, Wanted: entry.Digest}
			return nil, &altered{tag}
		}
		if entry.Digest == "" {
			unknown.images = append(unknown.images, image)
		}
		images[image.Name] = entry
	}
	if len(unknown.images) > 0 {
		return nil, unknown
	}
	return images, nil
}

// learn finds the digests of versions: in the record of the release that has
// them, else what their tags name, which are older than the log.
func (p *publisher) learn(ctx context.Context, unknown *unknownImages) error {
	var left []versioning.ImagePlan
	var published records.Sealed
	if unknown.record > 0 {
		var err error
		if published, err = p.driver.log.Record(ctx, unknown.record); err != nil {
			return err
		}
	}
	for _, image := range unknown.images {
		if recorded := published.Record.Images[image.Name]; recorded.Version == image.Version {
			p.known[image.Name+":"+image.Version.String()] = recorded.Digest
		} else {
			left = append(left, image)
		}
	}
	return p.project.pace.Each(len(left), func(i int) error {
		repository, tag := p.repository(left[i].Name), left[i].Version.String()
		digest, found, err := repository.Head(ctx, tag)
		if err == nil && !found {
			err = fmt.Errorf("%s, which the release needs, is not there: push it again, or rebuild it with --rebuild %s", repository.Reference(tag), left[i].Name)
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.known[left[i].Name+":"+tag] = digest
		return err
	})
}

// unpruned looks whether the adopted images are in a release that was not pruned,
// or older than the log.
func (p *publisher) unpruned(ctx context.Context) error {
	log := p.project.reader().log
	newest, err := log.Newest(ctx)
	if err != nil {
		return err
	}
	pruned := newest.Record.Pruned
	for _, name := range p.plan.adopted {
		image, _ := p.publication.Plan.Image(name)
		assigned, found, err := log.Assigned(ctx, newest.Record, name, image.Version)
		if err != nil {
			return err
		}
		if found && pruned.Has(assigned.Release()) {
			return &PrunedError{Version: image.Version, Image: name}
		}
	}
	p.pruned = pruned
	return nil
}
