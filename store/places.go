package store

import (
	"context"
	"fmt"
	"slices"

	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/versioning"
)

// Places finds releases in the log by the digests of their root images. What
// the log does not know is not in the result. Records are read from the newest
// on until all are found, so a digest that was never published costs the whole
// log. Errors are those of [Project.History].
func (p *Project) Places(ctx context.Context, digests ...string) (map[string]versioning.Place, error) {
	log := newReader(p).log
	newest, err := log.Newest(ctx)
	if err != nil || newest.Digest == "" {
		return nil, err
	}
	found := map[string]versioning.Place{}
	for sealed, err := range log.Back(ctx, newest) {
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

// Release reads what a root image says of its release; digest is that of the
// root image. Errors are those of [Project.Ring], or say that it is gone.
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
