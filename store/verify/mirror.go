package verify

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/store/mirror"
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
		v.log.Mirror = true
	}
	return nil
}

// copied compares a mirror's rings with its log: each mark names a record of the log, which
// gives the ring a release, and the ring's tag names that.
func (v *verifier) copied(ctx context.Context, rings []string) (differ map[string]bool, err error) {
	var sound []string // those that can be read
	for _, ring := range rings {
		tag := records.RingName(ring)
		problem := v.markProblem(ring, v.log.Tags[tag])
		if problem == "" {
			sound = append(sound, ring)
			continue
		}
		v.find(v.repository(records.Repository).Reference(tag), "it is "+v.log.Tags[tag]+": "+problem, nextMark)
	}
	v.rings = records.Table{}
	if len(sound) == 0 {
		return nil, nil
	}
	state, err := v.project.State(ctx, sound...)
	if err != nil {
		return nil, err
	}
	if state.Newest.Record.Sequence > v.newest.Sequence {
		return nil, errGrown
	}
	v.rings = state.Rings()
	return v.compare(ctx, state, sound)
}

// markProblem says what is wrong with what says by which record a ring was copied, "" for
// nothing. That it is not there is no fault of its own: the ring has nothing then.
func (v *verifier) markProblem(ring, digest string) string {
	record, found := v.log.Records[digest]
	chain, _ := v.log.Chain()
	switch {
	case digest == "":
		return ""
	case !found:
		return fmt.Sprintf("it names no record: %v", v.log.Errors[digest])
	case chain[record.Sequence] != digest:
		return fmt.Sprintf("it names a record %d that is not the log's", record.Sequence)
	case record.After[ring].Empty():
		return fmt.Sprintf("it names record %d, which gives ring %s nothing", record.Sequence, ring)
	}
	return ""
}

// externals looks whether a mirror has the images that a release runs and others have
// built.
func (v *verifier) externals(ctx context.Context, release versioning.Release) error {
	if v.report.Mirror == "" {
		return nil
	}
	names, tag := slices.Sorted(maps.Keys(release.Externals)), release.Version().String()
	return v.pace.Each(len(names), func(i int) error {
		digest, repository := release.Externals[names[i]].Digest, v.repository(mirror.Externals+"/"+names[i])
		if !registry.IsDigest(digest) {
			return nil // nothing says what it is
		}
		v.noted(func() { v.report.Images++ })
		top, err := v.image(ctx, repository, digest)
		if err != nil || top == nil {
			return err
		}
		got, _, err := repository.Head(ctx, tag)
		if err == nil && got != digest {
			v.noted(func() {
				v.find(repository.Reference(tag), fmt.Sprintf("it is %s, release %s says %s", cmp.Or(got, "not there"), tag, digest), nextRepair)
			})
		}
		return err
	})
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
