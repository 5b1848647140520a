package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/versioning"
)

// Release reads what a root image says of its release; digest is that of the
// root image. It is three GETs for one with an index, two for one without. Errors are a
// [*registry.RequestError], or say that it is gone or what is wrong with it, which
// [labels.ErrNotOurs], [labels.ErrEmpty] and [*labels.SchemaError] may be.
func (p *Project) Release(ctx context.Context, root, digest string) (versioning.Release, error) {
	repository := p.at.Repository(root)
	top, found, err := repository.Get(ctx, digest)
	if err != nil {
		return versioning.Release{}, err
	}
	if !found {
		return versioning.Release{}, missing(repository, digest)
	}
	release, err := ReleaseOf(ctx, repository, top)
	if err != nil {
		return versioning.Release{}, fmt.Errorf("%s: %w", repository.Reference(digest), err)
	}
	return release, nil
}

// Origin is which sources a release was made from, "" for what is not known.
type Origin struct {
	Source, Commit string
	// Ancestors are commits that the commit descends from; there may be more.
	Ancestors []string
	Record    uint64 // that says so, 0 for a release that is older than the log
}

// Origin says where the release that a ring has comes from, by the log, or by its own
// label if it is older than that. Root is the root image's name. It is the zero Origin if
// the log says that the ring has another release than the one with this digest. Errors
// are those of [Project.History] and [Project.Release].
func (p *Project) Origin(ctx context.Context, root, ring, digest string) (Origin, error) {
	log := p.reader().log
	newest, err := log.Newest(ctx)
	if err != nil {
		return Origin{}, err
	}
	place, known := newest.Record.After[ring]
	switch {
	case known && place.Digest != digest:
		return Origin{}, nil
	case place.Record == 0:
		release, err := p.Release(ctx, root, digest)
		return Origin{Source: release.Source, Commit: release.Commit}, err
	}
	published, err := p.record(ctx, place.Record)
	if err != nil {
		return Origin{}, err
	}
	r := published.Record
	return Origin{Source: r.Source, Commit: r.Commit, Ancestors: r.Ancestors, Record: r.Sequence}, nil
}

// record reads the record of a number, also if its tag is gone: then later ones have its
// digest.
func (p *Project) record(ctx context.Context, number uint64) (records.Sealed, error) {
	log := p.reader().log
	sealed, gone := log.Record(ctx, number)
	if !errors.As(gone, new(*records.GoneError)) {
		return sealed, gone
	}
	newest, err := log.Newest(ctx)
	if err != nil {
		return records.Sealed{}, err
	}
	if digest := newest.Record.Digests[number]; digest != "" {
		return log.Named(ctx, number, digest)
	}
	for sealed, err := range log.Back(ctx, newest) {
		if err != nil || sealed.Record.Sequence == number {
			return sealed, err
		}
	}
	return records.Sealed{}, gone
}

// Images are all images of a release that a ring has or had, by name, with their
// digests, as [Project.Published] says.
func (p *Project) Images(ctx context.Context, place records.Place) (map[string]records.Image, error) {
	published, err := p.Published(ctx, place)
	return published.Images, err
}

// Published is the record by which a release was published or taken over that a ring has
// or had, in two GETs. Errors are a [*registry.RequestError], an [*UnlistedError], or say
// what is gone or broken.
func (p *Project) Published(ctx context.Context, place records.Place) (records.Record, error) {
	if place.Record == 0 {
		return records.Record{}, &UnlistedError{Version: place.Version, Digest: place.Digest}
	}
	sealed, err := p.record(ctx, place.Record)
	if err != nil {
		return records.Record{}, err
	}
	if published := sealed.Record.Images[place.Root].Digest; published != place.Digest {
		return records.Record{}, fmt.Errorf("record %d of the log published %s as %q, and a ring has %s of it: run `quoit verify`", place.Record, place.Root, published, place.Digest)
	}
	return sealed.Record, nil
}

// UnlistedError says that no record lists the images of a release: it is older than the
// log, or was taken over by an older quoit.
type UnlistedError struct {
	Version versioning.Version
	Digest  string // of the root image
	Ring    string // that has it, "" if nobody has asked for one
}

// Error says what to do.
func (e *UnlistedError) Error() string {
	return fmt.Sprintf("no record of the log says what the images of release %s (%s) are: run `quoit take-over %s`%s, which records them",
		e.Version, e.Digest, cmp.Or(e.Ring, "RING"), map[bool]string{true: " for a ring that has it"}[e.Ring == ""])
}

// Places finds releases in the log by the digests of their root images. What the log
// does not know is not in the result. Records are read from the newest of the state on
// until all are found, so a digest that was never published costs the whole log. Errors are
// those of [Project.History].
func (p *Project) Places(ctx context.Context, s State, digests ...string) (map[string]versioning.Place, error) {
	found := map[string]versioning.Place{}
	for sealed, err := range p.reader().log.Back(ctx, s.Newest) {
		if err != nil {
			return nil, err
		}
		for _, table := range []records.Table{sealed.Record.After, sealed.Record.Before} {
			for _, place := range table {
				if slices.Contains(digests, place.Digest) && !place.Empty() {
					found[place.Digest] = place
				}
			}
		}
		if !slices.ContainsFunc(digests, func(digest string) bool { return found[digest].Empty() }) {
			break
		}
	}
	return found, nil
}

// History reads the newest records of the log, newest first, at most n (1 or more);
// none for a project without a log. What the registry has lost is left out, which the
// numbers show; what comes before that is vouched for by no record, but for its tag. It
// writes nothing: tags may have to follow the newest record yet. Errors are a
// [*registry.RequestError], a [*records.ForkError], or say which record is broken.
func (p *Project) History(ctx context.Context, n int) ([]records.Sealed, error) {
	log := p.reader().log
	from, err := log.Newest(ctx)
	if err != nil {
		return nil, err
	}
	var history []records.Sealed
	for from.Digest != "" {
		var gone *records.GoneError
		for sealed, err := range log.Back(ctx, from) {
			if errors.As(err, &gone) {
				break
			}
			if err != nil {
				return nil, err
			}
			if history = append(history, sealed); len(history) >= n {
				return history, nil
			}
		}
		from = records.Sealed{}
		if gone != nil {
			if from, err = p.below(ctx, log, gone.Record); err != nil {
				return nil, err
			}
		}
	}
	return history, nil
}

// below is the newest record of a lower number that has its tag, one without a digest if
// there is none.
func (p *Project) below(ctx context.Context, log *records.Log, number uint64) (records.Sealed, error) {
	tags, err := registry.AllTags(ctx, p.at.Repository(records.Repository))
	if err != nil {
		return records.Sealed{}, err
	}
	found := uint64(0)
	for _, tag := range tags {
		if name, ok := records.ParseName(tag); ok && name.Mark == records.Decided && name.Sequence < number {
			found = max(found, name.Sequence)
		}
	}
	if found == 0 {
		return records.Sealed{}, nil
	}
	return log.Record(ctx, found)
}

// missing is the error for a manifest that was not pushed, or is gone.
func missing(from registry.Repository, digest string) error {
	return fmt.Errorf("%s is not in the registry: run the build again, and it is pushed", from.Reference(digest))
}
