package verify

import (
	"context"
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
		v.log.Hintless = true
	}
	return nil
}

// others are the releases that are at a mirror without being in a ring of it.
func (v *verifier) others() []records.Place {
	var others []records.Place
	seen := map[string]bool{}
	for _, place := range v.rings {
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
