package mirror

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/quoitbuild/quoit/graph"
	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/versioning"
)

// choose finds the releases that were asked for.
func (c *copier) choose(ctx context.Context) error {
	for _, name := range slices.Compact(slices.Sorted(slices.Values(c.request.Releases))) {
		chosen := releaseCopy{name: name}
		var err error
		if version, other := versioning.Parse(name); other == nil {
			chosen.place, err = c.published(ctx, version)
		} else {
			chosen.ring = true
			chosen.place, chosen.by, err = c.inRing(ctx, name)
		}
		if err == nil {
			err = c.describe(ctx, &chosen)
		}
		if err != nil {
			return err
		}
		c.releases = append(c.releases, chosen)
		c.outcome.Releases = append(c.outcome.Releases, Release{
			Name: name, Version: chosen.place.Version.String(), Digest: chosen.place.Digest, Images: len(chosen.images),
		})
	}
	return nil
}

// inRing is what the log says that a ring has, and the record that says so; of a mirror,
// that by which the ring was copied there.
func (c *copier) inRing(ctx context.Context, ring string) (records.Place, records.Sealed, error) {
	by := c.newest
	if c.origin != c.from.String() {
		var err error
		if by, err = c.copiedBy(ctx, ring); err != nil {
			return records.Place{}, by, err
		}
	}
	place := by.Record.After[ring]
	if place.Empty() {
		return place, by, fmt.Errorf("ring %s is empty: see `quoit status`", ring)
	}
	return place, by, nil
}

// copiedBy is the record by which a ring was copied to the source, which is a mirror. An
// older quoit's copies do not say which that is: while the log there is by that, it is the
// newest that gave the ring what its tag names.
func (c *copier) copiedBy(ctx context.Context, ring string) (records.Sealed, error) {
	repository := c.from.Repository(records.Repository)
	mark := repository.Reference(records.RingName(ring))
	got, err := source{Repository: repository}.Get(ctx, records.RingName(ring))
	switch {
	case err != nil:
		return got.Sealed, err
	case got.Found && got.Broken == nil:
		return got.Sealed, nil
	case got.Found:
		return got.Sealed, fmt.Errorf("%s, by which ring %s was copied, cannot be read: %w: run `quoit verify`", mark, ring, got.Broken)
	}
	none := fmt.Errorf("ring %s was not copied to %s, or %s is lost: run `quoit verify`", ring, c.from.String(), mark)
	if c.newest.Record.Schema == records.Schema {
		return records.Sealed{}, none
	}
	digest, by, err := c.gave(ctx, c.from, c.newest, ring)
	switch {
	case err != nil:
		return by, err
	case digest == "":
		return by, none
	case by.Digest == "":
		return by, fmt.Errorf("ring %s names %s at %s, which it was never given: run `quoit verify`", ring, digest, c.from.String())
	}
	return by, nil
}

// gave is the digest that a ring's tag names, "" for none, and the newest record, from one
// on, that gave it to the ring, one without a digest if none did.
func (c *copier) gave(ctx context.Context, at registry.Namespace, from records.Sealed, ring string) (digest string, by records.Sealed, err error) {
	for sealed, err := range c.log.Back(ctx, from) {
		place := sealed.Record.After[ring]
		if err == nil && digest == "" && place.Root != "" {
			if digest, _, err = at.Repository(place.Root).Head(ctx, ring); err == nil && digest == "" {
				break
			}
		}
		if err != nil || digest != "" && place.Digest == digest {
			return digest, sealed, err
		}
	}
	return digest, records.Sealed{}, nil
}

// keep finds what the rings have of a mirror that an older quoit has made: it has no marks,
// and once there are records of this one, a ring without a mark has nothing.
func (c *copier) keep(ctx context.Context) error {
	if c.common.Digest == "" || c.common.Record.Schema == records.Schema || c.newest.Record.Schema < records.Schema {
		return nil
	}
	for _, ring := range slices.Sorted(maps.Keys(c.common.Record.After)) {
		mark := store.Tag{Image: records.Repository, Tag: records.RingName(ring)}
		if _, found, err := c.to.Repository(mark.Image).Head(ctx, mark.Tag); err != nil || found {
			if err != nil {
				return err
			}
			continue
		}
		_, by, err := c.gave(ctx, c.to, c.common, ring)
		if err != nil {
			return err
		}
		if by.Digest != "" {
			mark.Digest = by.Digest
			c.unmarked = append(c.unmarked, tagCopy{Tag: mark, contents: registry.NewManifest(records.ManifestType, by.Manifest)})
		}
	}
	return nil
}

// published finds a version of the root image in the log, whatever that is called.
func (c *copier) published(ctx context.Context, version versioning.Version) (records.Place, error) {
	place, found, err := c.log.Find(ctx, c.newest.Record, "", version)
	switch {
	case err != nil:
	case !found:
		err = fmt.Errorf("release %s is not in the log: see `quoit history`", version)
	case c.newest.Record.Pruned.Has(place.Release):
		err = &store.PrunedError{Version: version}
	}
	return place, err
}

// Externals is where a copy puts the images that a release runs and others have
// built: below the project, tagged with the version of the release.
const Externals = "externals"

// describe finds the images of a release.
func (c *copier) describe(ctx context.Context, chosen *releaseCopy) error {
	place := chosen.place
	release, err := c.label(ctx, place)
	if err != nil {
		return fmt.Errorf("release %s: %w", place.Version, err)
	}
	if place.Record == 0 { // its images' tags are claims of whoever may push
		unlisted := &store.UnlistedError{Version: place.Version, Digest: place.Digest}
		if chosen.ring {
			unlisted.Ring = chosen.name
		}
		return unlisted
	}
	sealed, err := c.log.Record(ctx, place.Record)
	if err != nil {
		return err
	}
	recorded := sealed.Record.Images
	var vertices []graph.Vertex
	for name, image := range release.Images {
		vertices = append(vertices, graph.Vertex{Name: name, Needs: slices.Collect(maps.Keys(image.Dependencies))})
	}
	ordered, err := graph.New(vertices)
	if err != nil {
		return fmt.Errorf("release %s: %w", place.Version, err)
	}
	for _, external := range slices.Sorted(maps.Keys(release.Externals)) {
		image, err := c.external(ctx, external, release)
		if err != nil {
			return err
		}
		chosen.images = append(chosen.images, image)
	}
	for _, name := range ordered.Order() {
		image := imageCopy{name: name, tag: release.Images[name].Version.String(), digest: recorded[name].Digest, from: c.from.Repository(name)}
		switch {
		case name == place.Root:
			image.digest = place.Digest
		case recorded[name].Version != release.Images[name].Version:
			return fmt.Errorf("release %s has %s %s, and record %d says %s: run `quoit verify`", place.Version, name, image.tag, place.Record, recorded[name].Version)
		}
		chosen.images = append(chosen.images, image)
	}
	return nil
}

// label reads what a root image says of its release.
func (c *copier) label(ctx context.Context, place records.Place) (versioning.Release, error) {
	root := imageCopy{from: c.from.Repository(place.Root)}
	top, err := c.fetch(ctx, root, place.Digest)
	if err != nil {
		return versioning.Release{}, err
	}
	return store.ReleaseOf(ctx, root.from, top)
}

// external finds an image that the project does not build: a mirror has it.
func (c *copier) external(ctx context.Context, name string, release versioning.Release) (imageCopy, error) {
	external := release.Externals[name]
	image := imageCopy{name: Externals + "/" + name, tag: release.Version().String(), digest: external.Digest, from: c.from.Repository(Externals + "/" + name)}
	if _, both := release.Images[image.name]; both {
		return image, fmt.Errorf("the external %s would be copied to %s, which is an image of the project: rename one of them", name, image.name)
	}
	if !registry.IsDigest(image.digest) {
		return image, fmt.Errorf("release %s does not say what the external %s is: publish it again", image.tag, name)
	}
	_, found, err := image.from.Head(ctx, image.digest)
	if err != nil || found {
		return image, err
	}
	var elsewhere registry.Repository
	if c.origin == c.from.String() {
		if elsewhere, err = c.from.Elsewhere(external.Reference); err != nil {
			return image, fmt.Errorf("the external %s: %w", name, err)
		}
	}
	if elsewhere == nil {
		return image, fmt.Errorf("%s is not there: copy it from where it came from", image.from.Reference(image.digest))
	}
	image.from = elsewhere
	return image, nil
}
