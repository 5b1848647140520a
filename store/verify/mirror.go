package verify

import (
	"context"
	"maps"
	"slices"

	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/versioning"
)

// mirror notes whether this is one, of what, and takes the mark for no hint.
func (v *verifier) mirror(ctx context.Context) error {
	if _, found := v.log.Tags[string(records.Hint)]; !found {
		return nil
	}
	mark, found, err := v.repository(records.Repository).Get(ctx, string(records.Hint))
	if err, broken := contents(err); err != nil || broken != nil || !found {
		return err // verify names it as a hint of nothing
	}
	if origin, is := store.OriginOf(mark); is {
		v.report.Mirror = origin
		delete(v.log.Tags, string(records.Hint))
	}
	return nil
}

// asCopied leaves out of what tags name what was not copied to a mirror: absent
// versions, and rings that are absent or were copied before they moved. The rings
// hold what their tags say then.
func (v *verifier) asCopied() {
	for tag, digest := range v.log.Images {
		if digest == "" {
			delete(v.log.Images, tag)
		}
	}
	v.newest.After = maps.Clone(v.newest.After) // the record's stays
	for ring, place := range v.newest.After {
		tag := records.Content{Repository: place.Root, Tag: ring}
		digest, copied := v.log.Images[tag]
		held, known := v.held(ring, digest)
		if !copied || known {
			delete(v.log.Images, tag)
		}
		if v.newest.After[ring] = held; !known {
			v.newest.After[ring] = records.Place{Root: place.Root}
		}
	}
}

// held finds the release of a digest that a ring has ever had.
func (v *verifier) held(ring, digest string) (records.Place, bool) {
	for _, record := range v.log.Records {
		if place, found := record.After[ring]; found && digest != "" && place.Digest == digest {
			return place, true
		}
	}
	return records.Place{}, false
}

// others are the releases that are at a mirror without being in a ring of it.
func (v *verifier) others() []records.Place {
	var others []records.Place
	seen := map[string]bool{}
	for _, place := range v.newest.After {
		seen[place.Digest] = true
	}
	for _, record := range v.log.Records {
		for _, place := range record.After {
			if seen[place.Digest] || v.log.Images[records.Content{Repository: place.Root, Tag: place.Version.String()}] != place.Digest {
				continue
			}
			seen[place.Digest] = true
			others = append(others, place)
		}
	}
	slices.SortFunc(others, func(a, b records.Place) int { return versioning.Version.Compare(a.Version, b.Version) })
	return others
}
