package repair

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/store/mirror"
	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/store/whole"
)

// image is one that has to be there.
type image struct {
	name, digest string
	tag          string // of its version
}

// releases finds the images that have to be there, and takes from the copy what is lost
// of them.
func (r *repairer) releases(ctx context.Context) error {
	if err := r.copiedRings(ctx); err != nil {
		return err
	}
	needs, err := r.needed(ctx)
	if err != nil {
		return err
	}
	r.needs = needs
	if r.options.From == nil {
		return nil
	}
	var once []image
	seen := map[[2]string]bool{}
	for _, need := range needs {
		if key := [2]string{need.name, need.digest}; !seen[key] {
			seen[key] = true
			once = append(once, need)
		}
	}
	return r.several(len(once), func(i int) error { return r.restore(ctx, once[i]) })
}

// copiedRings reads, of a mirror, by which records its rings were copied.
func (r *repairer) copiedRings(ctx context.Context) error {
	if r.origin == "" {
		return nil
	}
	r.copied = map[string]records.Record{}
	log := r.at.Repository(records.Repository)
	for _, ring := range slices.Sorted(maps.Keys(r.newest.Record.After)) {
		mark, _, err := log.Head(ctx, records.RingName(ring))
		if err != nil {
			return err
		}
		tag := ""
		if mark == "" { // lost, or by an older quoit: the newest that gave it what its tag names
			if tag, _, err = r.at.Repository(r.newest.Record.After[ring].Root).Head(ctx, ring); err != nil {
				return err
			}
		}
		for sequence := r.newest.Record.Sequence; sequence > 0; sequence-- {
			record, known := r.log[sequence]
			by := known && mark != "" && r.vouched[sequence] == mark
			if by || known && tag != "" && record.After[ring].Digest == tag {
				r.copied[ring] = record
				break
			}
		}
		if _, known := r.copied[ring]; !known && mark+tag != "" {
			r.leave(log.Reference(records.RingName(ring)), "the ring was copied by a record that the log does not know: run `quoit copy` again")
		}
	}
	return nil
}

// needed are the images of all releases that were published or taken over, and neither
// taken back nor given up; of a mirror, of those that were copied there. The newest
// record comes first. What its writer has to tag yet is not among them.
func (r *repairer) needed(ctx context.Context) ([]image, error) {
	pruned, void := r.newest.Record.Pruned, map[uint64]bool{}
	var needs []image
	for sequence := r.newest.Record.Sequence; sequence > 0; sequence-- {
		record, known := r.log[sequence]
		if !known {
			continue
		}
		if record.Operation == records.OpVoid {
			void[record.Of] = true
		}
		if void[sequence] || len(record.Images) == 0 || pruned.Has(record.Release()) || sequence == r.newest.Record.Sequence && !r.closed {
			continue
		}
		if there, err := r.wanted(ctx, record); err != nil || !there {
			if err != nil {
				return nil, err
			}
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(record.Images)) {
			published := record.Images[name]
			needs = append(needs, image{name: name, digest: published.Digest, tag: published.Version.String()})
		}
		if r.origin == "" {
			continue
		}
		externals, err := r.externals(ctx, record)
		if err != nil {
			return nil, err
		}
		needs = append(needs, externals...)
	}
	return append(needs, r.older()...), nil
}

// older are the root images of rings whose releases are older than the log. What else is
// in these, no record says.
func (r *repairer) older() []image {
	table := maps.Clone(r.newest.Record.After)
	if r.origin != "" {
		table = records.Table{}
		for ring, by := range r.copied {
			table[ring] = by.After[ring]
		}
	}
	var needs []image
	for _, ring := range slices.Sorted(maps.Keys(table)) {
		if place := table[ring]; place.Record == 0 && !place.Empty() {
			needs = append(needs, image{name: place.Root, digest: place.Digest, tag: place.Version.String()})
		}
	}
	return needs
}

// root is the root image of the release that a record made.
func root(record records.Record) (name string, published records.Image) {
	for _, ring := range slices.Sorted(maps.Keys(record.After)) {
		place := record.After[ring]
		if image, found := record.Images[place.Root]; found && image.Digest == place.Digest {
			return place.Root, image
		}
	}
	return "", records.Image{}
}

// wanted reports whether a release has to be there: all in a project, at a mirror those
// that rings have, and whose version is there.
func (r *repairer) wanted(ctx context.Context, record records.Record) (bool, error) {
	if r.origin == "" {
		return true, nil
	}
	name, published := root(record)
	if name == "" {
		return false, nil
	}
	for ring, by := range r.copied {
		if by.After[ring].Digest == published.Digest {
			return true, nil
		}
	}
	digest, _, err := r.at.Repository(name).Head(ctx, published.Version.String())
	return digest == published.Digest, err
}

// externals are the images that a mirror has of others. The root image's label names them;
// if that is lost here, it is read from the copy.
func (r *repairer) externals(ctx context.Context, record records.Record) ([]image, error) {
	name, published := root(record)
	for _, from := range []registry.Repository{r.at.Repository(name), r.from(name)} {
		if from == nil {
			continue
		}
		top, found, err := from.Get(ctx, published.Digest)
		if err = ignoreBroken(err); err != nil || !found {
			if err != nil {
				return nil, err
			}
			continue
		}
		release, err := store.ReleaseOf(ctx, from, top)
		if err != nil {
			continue // its parts are lost too
		}
		var needs []image
		for _, external := range slices.Sorted(maps.Keys(release.Externals)) {
			if digest := release.Externals[external].Digest; registry.IsDigest(digest) {
				needs = append(needs, image{name: mirror.Externals + "/" + external, digest: digest, tag: published.Version.String()})
			}
		}
		return needs, nil
	}
	return nil, nil
}

// restore takes from the copy what is lost of an image: parts before what names them.
func (r *repairer) restore(ctx context.Context, need image) error {
	here, from := r.at.Repository(need.name), r.from(need.name)
	lost, err := whole.Lost(ctx, here, from, need.digest)
	if err != nil {
		return err
	}
	for _, part := range lost {
		if !part.Copied {
			r.leave(here.Reference(need.digest), fmt.Sprintf("%s: %s", part.Problem(), r.lacking()))
			return nil // what names it cannot be written either
		}
		reference, what := here.Reference(part.Digest), "the manifest was taken from "+r.outcome.From
		if part.Blob != nil {
			reference, what = here.Reference(part.Of), "the blob "+part.Digest+" was taken from "+r.outcome.From
		}
		err := r.do(reference, what, func() error {
			if part.Blob != nil {
				_, err := here.Upload(ctx, *part.Blob, "", opener(from, *part.Blob))
				return err
			}
			return r.put(ctx, need.name, part.Digest, part.Digest, part.Manifest)
		})
		if err != nil {
			return err
		}
	}
	return nil
}
