package repair

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/store/whole"
)

// image is one that has to be there.
type image struct {
	name, digest string
	tag          string // of its version
	external     string // what it is called where it comes from, of one that the project does not build
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
		name, published := root(record)
		externals, err := r.externals(ctx, name, published)
		if err != nil {
			return nil, err
		}
		needs = append(needs, externals...)
	}
	older, err := r.older(ctx)
	return append(needs, older...), err
}

// older are the root images of rings whose releases are older than the log, and their
// externals. What else is in these, no record says.
func (r *repairer) older(ctx context.Context) ([]image, error) {
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
			externals, err := r.externals(ctx, place.Root, records.Image{Version: place.Version, Digest: place.Digest})
			if err != nil {
				return nil, err
			}
			needs = append(needs, externals...)
		}
	}
	return needs, nil
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

// restore takes from the copy what is lost of an image: parts before what names them.
func (r *repairer) restore(ctx context.Context, need image) error {
	here := r.at.Repository(need.name)
	from, err := r.source(need)
	if err != nil {
		return err
	}
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
		err := r.do(ctx, reference, what, func() error {
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
