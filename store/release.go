package store

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/quoitbuild/quoit/store/records"
)

// Images are all images of a release that a ring has or had, by name, with
// their digests: what the record of its publish says, in two GETs. Of a
// release that is older than the log they are what its versions' tags name, a HEAD each.
// Errors are a [*registry.RequestError], or say what is gone or broken.
func (p *Project) Images(ctx context.Context, place records.Place) (map[string]records.Image, error) {
	if place.Record == 0 {
		return p.taggedImages(ctx, place)
	}
	sealed, err := newReader(p).log.Record(ctx, place.Record)
	if err != nil {
		return nil, err
	}
	if published := sealed.Record.Images[place.Root].Digest; published != place.Digest {
		return nil, fmt.Errorf("record %d of the log published %s as %q, and a ring has %s of it: run `quoit verify`", place.Record, place.Root, published, place.Digest)
	}
	return sealed.Record.Images, nil
}

func (p *Project) taggedImages(ctx context.Context, place records.Place) (map[string]records.Image, error) {
	release, err := p.Release(ctx, place.Root, place.Digest)
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	images := map[string]records.Image{place.Root: {Version: place.Version, Digest: place.Digest}}
	names := slices.Sorted(maps.Keys(release.Images))
	err = p.pace.Each(len(names), func(i int) error {
		if names[i] == place.Root {
			return nil
		}
		image, version := p.at.Repository(names[i]), release.Images[names[i]].Version
		digest, found, err := image.Head(ctx, version.String())
		if err != nil {
			return err
		}
		if !found {
			return fmt.Errorf("%s, which release %s needs, is not there", image.Reference(version.String()), place.Version)
		}
		mu.Lock()
		defer mu.Unlock()
		images[names[i]] = records.Image{Version: version, Digest: digest}
		return nil
	})
	return images, err
}
