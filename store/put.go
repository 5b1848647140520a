package store

import (
	"context"
	"errors"
	"time"

	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/store/records"
)

// put lets a tag name a manifest. Versions and rings are read back, unless the
// registry says what it has stored.
func (d *driver) put(ctx context.Context, request records.Request) (records.Response, error) {
	manifest, err := d.contents(ctx, request)
	if err != nil {
		return records.Response{}, &undoneError{err}
	}
	said, err := d.write(ctx, request, manifest)
	if !undone(request, err) && !vote(request) {
		d.project.wrote.Store(true)
	}
	switch {
	case registry.Immutable(err):
		d.mu.Lock()
		d.refusal = err
		d.mu.Unlock()
		return records.Response{Refused: true}, nil
	case errors.Is(err, errOther):
		return records.Response{Refused: true}, nil
	case err != nil && request.Register && registry.Repeatable(err):
		return d.unanswered(ctx, request, err)
	case err != nil:
		if d.lost != nil && !registry.Answered(err) {
			d.lost(contentOf(request))
		}
		return records.Response{}, err
	case request.Repository == records.Repository:
		d.mu.Lock()
		d.wrote = true
		d.mu.Unlock()
		return records.Response{}, nil
	}
	d.tell(request, records.Response{})
	if said == request.Digest {
		return records.Response{}, nil
	}
	return d.readBack(ctx, request)
}

// undone reports whether a write was certainly not carried out.
func undone(request records.Request, err error) bool {
	return errors.As(err, new(*undoneError)) || request.Register && registry.Undone(err)
}

// vote reports whether a write is a vote, which by itself does nothing.
func vote(request records.Request) bool {
	name, _ := records.ParseName(request.Tag)
	return request.Repository == records.Repository && name.Round > 0
}

// undoneError says that a write was certainly not carried out.
type undoneError struct{ error }

func (e *undoneError) Unwrap() error { return e.error }

// errOther says that somebody else wrote a version's tag.
var errOther = errors.New("the tag has other contents")

// write sends the write: of a tag that may move once, else until it has an
// answer. What may have been done is looked for first, so that no attempt hits
// what somebody else wrote meanwhile.
func (d *driver) write(ctx context.Context, request records.Request, manifest registry.Manifest) (said string, err error) {
	repository := d.repository(request.Repository)
	if request.Register {
		receipt, err := repository.Put(ctx, request.Tag, manifest)
		return receipt.Digest, err
	}
	again, doubtful := false, false
	err = d.project.pace.Retry(ctx, func(ctx context.Context) error {
		if again && request.Repository != records.Repository {
			switch digest, found, err := repository.Head(ctx, request.Tag); {
			case err != nil:
				return err
			case found && digest == request.Digest:
				said = digest
				return nil
			case found:
				return errOther
			}
		}
		again = true
		receipt, err := repository.Put(ctx, request.Tag, manifest)
		said, doubtful = receipt.Digest, doubtful || !registry.Undone(err)
		return err
	})
	if err != nil && !doubtful {
		err = &undoneError{err}
	}
	return said, err
}

func contentOf(r records.Request) records.Content {
	return records.Content{Repository: r.Repository, Tag: r.Tag, Digest: r.Digest}
}

// unanswered is for a write of a tag that may move, which nobody may repeat
// without looking: the machine looks, a few times and for a minute at most.
func (d *driver) unanswered(ctx context.Context, request records.Request, err error) (records.Response, error) {
	key := contentOf(request)
	d.mu.Lock()
	tries := d.tries[key]
	if tries.count == 0 {
		tries.since = time.Now()
	}
	tries.count++
	d.tries[key] = tries
	d.mu.Unlock()
	if d.lost != nil {
		d.lost(key)
	}
	if tries.count >= d.project.pace.Attempts || time.Since(tries.since) >= d.project.pace.Timeout {
		return records.Response{}, err
	}
	return records.Response{Lost: true}, d.project.pace.Pause(ctx, tries.count, err)
}

// tries is how often a tag was written without an answer, and since when.
type tries struct {
	count int
	since time.Time // of the first that had none
}

// readBack looks whether a tag names what was written to it.
func (d *driver) readBack(ctx context.Context, request records.Request) (records.Response, error) {
	repository := d.repository(request.Repository)
	digest, found, err := repository.Head(ctx, request.Tag)
	switch {
	case err != nil:
		return records.Response{}, err
	case !found:
		return records.Response{}, &registry.ReadBackError{Reference: repository.Reference(request.Tag), Wanted: request.Digest}
	case digest == request.Digest:
		return records.Response{}, nil
	case request.Register:
		return d.unanswered(ctx, request, &registry.ReadBackError{Reference: repository.Reference(request.Tag), Wanted: request.Digest, Got: digest})
	}
	return records.Response{Refused: true}, nil // somebody else wrote it, so look
}

// contents are what a put writes; what it refers to is pushed first.
func (d *driver) contents(ctx context.Context, request records.Request) (registry.Manifest, error) {
	repository := d.repository(request.Repository)
	if sealed := request.Sealed; sealed != nil {
		manifest := registry.NewManifest(records.ManifestType, sealed.Manifest)
		d.keep(records.Content{Repository: request.Repository, Digest: sealed.Digest}, manifest)
		return manifest, d.pushConfig(ctx, repository, *sealed)
	}
	manifest, found, err := d.manifest(ctx, request.Repository, request.Digest)
	if err == nil && !found {
		err = missing(repository, request.Digest)
	}
	return manifest, err
}

// pushConfig pushes the config of a record, once. One of our own, whose id is
// random, cannot be there already.
func (d *driver) pushConfig(ctx context.Context, repository registry.Repository, sealed records.Sealed) (err error) {
	digest := registry.DigestOf(sealed.Config)
	d.mu.Lock()
	pushed := d.pushed[digest]
	d.mu.Unlock()
	if pushed {
		return nil
	}
	if sealed.Record.ID == "" {
		err = registry.Ensure(ctx, repository, sealed.Config)
	} else {
		_, err = repository.Upload(ctx, registry.BlobOf(sealed.Config), "", registry.Bytes(sealed.Config))
	}
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.pushed[digest] = true
	return nil
}
