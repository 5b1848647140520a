package repair

import (
	"context"
	"maps"
	"slices"

	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/store/mirror"
	"github.com/quoitbuild/quoit/store/records"
)

// readMarks reads the records by which the rings of a mirror were copied, and returns the
// newest that continues those which have their tags.
func (r *repairer) readMarks(ctx context.Context) (records.Sealed, error) {
	log := r.at.Repository(records.Repository)
	tagged := records.Sealed{}
	for sequence, digest := range r.decided {
		if sequence > tagged.Record.Sequence {
			tagged = records.Sealed{Record: records.Record{Sequence: sequence}, Digest: digest}
		}
	}
	var copied []records.Sealed
	for tag := range r.tags {
		name, ok := records.ParseName(tag)
		if !ok || name.Mark != records.Ring {
			continue
		}
		manifest, found, err := log.Get(ctx, tag)
		if err = ignoreBroken(err); err != nil {
			return tagged, err
		}
		if !found {
			continue
		}
		sealed, err := r.open(ctx, log, manifest)
		if err != nil {
			return tagged, err
		}
		copied = append(copied, sealed)
	}
	return records.Continued(tagged, copied...), nil
}

// copiedRings finds, of a mirror, by which records its rings were copied.
func (r *repairer) copiedRings(ctx context.Context) error {
	if r.origin == "" {
		return nil
	}
	r.copied = map[string]records.Record{}
	log := r.at.Repository(records.Repository)
	rings, marks, some := slices.Sorted(maps.Keys(r.newest.Record.After)), map[string]string{}, false
	for _, ring := range rings {
		mark, _, err := log.Head(ctx, records.RingName(ring))
		if err != nil {
			return err
		}
		marks[ring], some = mark, some || mark != ""
	}
	for _, ring := range rings {
		mark := marks[ring]
		by, known := r.giving(ring, func(sequence uint64, _ records.Place) bool { return r.vouched[sequence] == mark })
		if !known {
			var err error
			if by, known, err = r.unmarked(ctx, ring, mark, some); err != nil {
				return err
			}
		}
		if known {
			r.copied[ring] = by
		}
	}
	return nil
}

// unmarked finds the record by which a ring of a mirror was copied whose mark is lost, or
// names no record of the log: only the copy says so, as somebody else may have written the
// ring's tag. Where no ring has a mark, or the log is an older quoit's, which wrote none,
// it is the newest record that gave the ring what its tag names. If there is neither a mark
// nor a tag, the ring was not copied.
func (r *repairer) unmarked(ctx context.Context, ring, mark string, some bool) (by records.Record, known bool, err error) {
	tag, _, err := r.at.Repository(r.newest.Record.After[ring].Root).Head(ctx, ring)
	if err != nil || mark+tag == "" {
		return by, false, err
	}
	if !some || mark == "" && r.newest.Record.Schema < records.Schema {
		by, known = r.giving(ring, func(_ uint64, place records.Place) bool { return place.Digest == tag })
	}
	if from := r.from(records.Repository); !known && from != nil {
		if mark, _, err = from.Head(ctx, records.RingName(ring)); err != nil {
			return by, false, err
		}
		by, known = r.giving(ring, func(sequence uint64, _ records.Place) bool { return r.vouched[sequence] == mark })
	}
	if !known {
		r.leave(r.at.Repository(records.Repository).Reference(records.RingName(ring)), "nothing says by which record of the log the ring was copied: copy it again with `quoit copy`")
	}
	return by, known, nil
}

// giving is the newest record that gives a ring a release, and of which something is true.
func (r *repairer) giving(ring string, is func(sequence uint64, place records.Place) bool) (records.Record, bool) {
	for sequence := r.newest.Record.Sequence; sequence > 0; sequence-- {
		record, known := r.log[sequence]
		if place := record.After[ring]; known && !place.Empty() && is(sequence, place) {
			return record, true
		}
	}
	return records.Record{}, false
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

// externals are the images that a mirror has of others, for the release of a root image.
// That one's label names them; if it is lost here, it is read from the copy.
func (r *repairer) externals(ctx context.Context, name string, published records.Image) ([]image, error) {
	if r.origin == "" {
		return nil, nil
	}
	for _, from := range []registry.Repository{r.at.Repository(name), r.from(name)} {
		if from == nil {
			continue
		}
		top, found, err := from.Get(ctx, published.Digest)
		if err = ignoreBroken(err); err != nil {
			return nil, err
		}
		if !found {
			continue
		}
		release, err := store.ReleaseOf(ctx, from, top)
		if err != nil {
			continue // its parts are lost too
		}
		var needs []image
		for _, external := range slices.Sorted(maps.Keys(release.Externals)) {
			if is := release.Externals[external]; registry.IsDigest(is.Digest) {
				needs = append(needs, image{name: mirror.Externals + "/" + external, digest: is.Digest, tag: published.Version.String(), external: is.Reference})
			}
		}
		return needs, nil
	}
	return nil, nil
}

// source is where the copy has an image, nil without a copy. The project itself has its
// externals where they come from.
func (r *repairer) source(need image) (registry.Repository, error) {
	if r.options.From != nil && need.external != "" && r.options.From.String() == r.origin {
		return r.options.From.Elsewhere(need.external)
	}
	return r.from(need.name), nil
}

// copies lets the rings of a mirror have what was copied there.
func (r *repairer) copies(ctx context.Context) error {
	log := r.at.Repository(records.Repository)
	for _, ring := range slices.Sorted(maps.Keys(r.copied)) {
		by := r.copied[ring]
		place := by.After[ring]
		was, _, err := r.at.Repository(place.Root).Head(ctx, ring)
		if err == nil && was != place.Digest {
			err = r.tag(ctx, image{name: place.Root, tag: ring, digest: place.Digest}, was, "ring")
		}
		if err != nil {
			return err
		}
		mark := image{name: records.Repository, tag: records.RingName(ring), digest: r.vouched[by.Sequence]}
		was, _, err = log.Head(ctx, mark.tag)
		if err == nil && was != mark.digest {
			err = r.tag(ctx, mark, was, "ring's record")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// wasMirror reports whether rings were copied here.
func (r *repairer) wasMirror() bool {
	for tag := range r.tags {
		if name, ok := records.ParseName(tag); ok && name.Mark == records.Ring {
			return true
		}
	}
	return false
}
