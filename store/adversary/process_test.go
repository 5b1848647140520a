package adversary

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/registry/memory"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/versioning"
)

// log is the repository of the log.
const log = records.Repository

// errDead is what a process gets for an answer that died.
var errDead = errors.New("the process died")

// process is one run of an honest command: its way to the registry, on which others may
// do something before each request, and on which it may die.
type process struct {
	number int
	inner  *memory.Namespace
	// before is called before each request, but for looks at single tags of the log, of
	// which who waits makes any number; nil: nobody.
	before func(request)
	// overwrites is told of a version that is written where the process has seen another.
	overwrites func(records.Content)
	blind      bool // a planted mistake: it sees no version that has a tag
	unlisted   bool // a planted mistake: it cannot list the tags of images

	left  int  // requests until it dies, negative: it does not
	after bool // it dies after the last one was carried out
	dead  bool
	seen  map[records.Content]string // what tags named, without digests in the keys
}

// request is one of a process.
type request struct {
	repository string
	list       bool // of all tags
}

// author is who runs it.
func (p *process) author() store.Author { return store.Author{Actor: fmt.Sprint("process ", p.number)} }

// String implements [registry.Namespace].
func (p *process) String() string { return p.inner.String() }

// Repository implements [registry.Namespace].
func (p *process) Repository(name string) registry.Repository {
	return repository{p.inner.Repository(name), p, name}
}

// Writable implements [registry.Namespace].
func (p *process) Writable(name string) registry.Repository { return p.Repository(name) }

// Elsewhere implements [registry.Namespace].
func (p *process) Elsewhere(string) (registry.Repository, error) { return nil, nil }

// Pace implements [registry.Namespace]: one request at a time, so that a seed says all.
func (p *process) Pace() registry.Pace { return registry.Pace{Jobs: 1} }

// Commit implements [registry.Namespace].
func (p *process) Commit() error { return nil }

// do carries out a request, if the process lives that long.
func (p *process) do(r request, counts bool, carry func() error) error {
	if p.dead {
		return errDead
	}
	if counts {
		if p.before != nil {
			p.before(r)
		}
		if p.left--; p.left == -1 {
			p.dead = true
			if !p.after {
				return errDead
			}
		}
	}
	err := carry()
	if p.dead {
		return errDead
	}
	return err
}

// repository is one as a process sees it.
type repository struct {
	registry.Repository
	process *process
	name    string
}

func (r repository) do(carry func() error) error {
	return r.process.do(request{repository: r.name}, true, carry)
}

func isVersion(tag string) bool {
	_, err := versioning.Parse(tag)
	return err == nil
}

// Head implements [registry.Repository].
func (r repository) Head(ctx context.Context, identifier string) (digest string, found bool, err error) {
	err = r.process.do(request{repository: r.name}, r.name != log, func() error {
		digest, found, err = r.Repository.Head(ctx, identifier)
		r.process.seen[records.Content{Repository: r.name, Tag: identifier}] = digest
		return err
	})
	if r.process.blind && r.name != log && isVersion(identifier) {
		return "", false, err
	}
	return digest, found, err
}

// Get implements [registry.Repository].
func (r repository) Get(ctx context.Context, identifier string) (manifest registry.Manifest, found bool, err error) {
	err = r.do(func() error {
		manifest, found, err = r.Repository.Get(ctx, identifier)
		return err
	})
	return manifest, found, err
}

// Put implements [registry.Repository].
func (r repository) Put(ctx context.Context, identifier string, manifest registry.Manifest) (receipt registry.Receipt, err error) {
	err = r.do(func() error {
		if was := r.process.seen[records.Content{Repository: r.name, Tag: identifier}]; was != "" && was != manifest.Digest && r.name != log && isVersion(identifier) {
			r.process.overwrites(records.Content{Repository: r.name, Tag: identifier, Digest: was})
		}
		receipt, err = r.Repository.Put(ctx, identifier, manifest)
		return err
	})
	return receipt, err
}

// Replace implements [registry.Repository].
func (r repository) Replace(ctx context.Context, identifier, was string, manifest registry.Manifest) (receipt registry.Receipt, err error) {
	err = r.do(func() error {
		receipt, err = r.Repository.Replace(ctx, identifier, was, manifest)
		return err
	})
	return receipt, err
}

// Delete implements [registry.Repository].
func (r repository) Delete(ctx context.Context, tag string) (deleted bool, err error) {
	err = r.do(func() error {
		deleted, err = r.Repository.Delete(ctx, tag)
		return err
	})
	return deleted, err
}

// Has implements [registry.Repository].
func (r repository) Has(ctx context.Context, blob registry.Descriptor) (found bool, err error) {
	err = r.do(func() error {
		found, err = r.Repository.Has(ctx, blob)
		return err
	})
	return found, err
}

// Blob implements [registry.Repository].
func (r repository) Blob(ctx context.Context, blob registry.Descriptor) (data []byte, err error) {
	err = r.do(func() error {
		data, err = r.Repository.Blob(ctx, blob)
		return err
	})
	return data, err
}

// Open implements [registry.Repository].
func (r repository) Open(ctx context.Context, blob registry.Descriptor) (reader io.ReadCloser, err error) {
	err = r.do(func() error {
		reader, err = r.Repository.Open(ctx, blob)
		return err
	})
	return reader, err
}

// Upload implements [registry.Repository].
func (r repository) Upload(ctx context.Context, blob registry.Descriptor, from string, open registry.Opener) (mounted bool, err error) {
	err = r.do(func() error {
		mounted, err = r.Repository.Upload(ctx, blob, from, open)
		return err
	})
	return mounted, err
}

// Tags implements [registry.Repository].
func (r repository) Tags(ctx context.Context, after, page string) (tags []string, next string, err error) {
	if r.process.unlisted && r.name != log {
		return nil, "", errors.New("it does not list tags")
	}
	err = r.process.do(request{r.name, true}, true, func() error {
		tags, next, err = r.Repository.Tags(ctx, after, page)
		return err
	})
	return tags, next, err
}

// Referrers implements [registry.Repository].
func (r repository) Referrers(ctx context.Context, digest string) (digests []string, err error) {
	err = r.do(func() error {
		digests, err = r.Repository.Referrers(ctx, digest)
		return err
	})
	return digests, err
}
