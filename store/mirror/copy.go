// Package mirror copies releases with all that belongs to them from one
// [registry.Namespace] to another, byte for byte: between registries, into a folder
// (registry/layout), and from there on. [Copy] is all of it.
//
// A copy plans first and then writes, in an order in which it may be stopped anywhere:
// log.go reads both logs, choose.go finds the releases, walk.go and sign.go what they
// consist of and what the target lacks, write.go writes that.
package mirror

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/store/records"
)

// Request says what is copied.
type Request struct {
	// Releases are rings, whose release and tag are copied, and versions of the
	// root image. Duplicates do no harm.
	Releases []string
	// DryRun looks at both sides and writes nothing.
	DryRun bool
	// Progress is told how many of how many bytes of blobs are there, one call at
	// a time; nil: not at all.
	Progress func(done, total int64)
}

// Copied is what a copy did, or with DryRun would do. Next to an error it is what
// was done until then.
type Copied struct {
	From     string    `json:"from"`
	To       string    `json:"to"`
	DryRun   bool      `json:"dryRun,omitempty"`
	Releases []Release `json:"releases"` // never null
	// Written are the tags that were written, in order, without those of
	// records; never null.
	Written []store.Tag `json:"written"`
	Records int         `json:"records"` // written
	// Gap is the number of a record that the source has lost, 0 for none: neither it nor
	// those before it were copied.
	Gap     uint64 `json:"gap,omitempty"`
	Copied  Amount `json:"copied"`  // what crossed
	Mounted Amount `json:"mounted"` // blobs that the target had in another repository
	Existed Amount `json:"existed"` // what was there
	// Kept are signatures that were left as they are, because the target has
	// others under the same tag; never null.
	Kept []store.Tag `json:"kept"`
}

// Release is one of the releases that were asked for.
type Release struct {
	Name    string `json:"name"` // as it was asked for
	Version string `json:"version"`
	Digest  string `json:"digest"` // of the root image
	Images  int    `json:"images"`
}

// Amount counts blobs, of records too, and manifests that get no tag of their own.
type Amount struct {
	Manifests int   `json:"manifests"`
	Blobs     int   `json:"blobs"`
	Bytes     int64 `json:"bytes"`
}

func (a *Amount) add(manifests, blobs int, bytes int64) {
	a.Manifests, a.Blobs, a.Bytes = a.Manifests+manifests, a.Blobs+blobs, a.Bytes+bytes
}

// Copy copies releases with all their images, externals, attestations and
// signatures, and the log, to another registry or layout, byte for byte: every
// digest stays. What is there already is not sent again, so a copy that was
// stopped anywhere continues when it is made again, and the copy of the next
// release sends what is new.
//
// The target becomes a mirror: its log is the source's up to its newest record,
// nobody publishes there, and store/verify misses nothing that was not copied.
// The first write says so. Then come blobs, manifests, signatures, version tags,
// dependencies first, records, and the rings last, each its tag and then a tag of the
// log that names the record by which it was copied: a ring at the target has what that
// record says, and its tag names a release that is there with all its images.
//
// The error is a [*CopyError]. It wraps a [*TakenError], before the first write, where a
// version's tag has other contents, which are never overwritten, and a [*NotMirrorError]
// where the target's log is another one.
func Copy(ctx context.Context, from, to registry.Namespace, request Request) (Copied, error) {
	c := &copier{
		from: from, to: to, request: request, pace: slower(from.Pace().Filled(), to.Pace().Filled()),
		blobs: map[string]*holders{}, manifests: map[string]registry.Manifest{}, listed: map[string]bool{},
	}
	c.outcome = Copied{
		From: c.from.String(), To: c.to.String(), DryRun: request.DryRun,
		Releases: []Release{}, Written: []store.Tag{}, Kept: []store.Tag{},
	}
	err := c.copy(ctx)
	if err != nil {
		err = &CopyError{From: c.from.String(), To: c.to.String(), Written: c.written.Load(), Err: err}
	}
	return c.outcome, err
}

func (c *copier) copy(ctx context.Context) error {
	if c.from.String() == c.to.String() {
		return errors.New("these are the same: name another place to copy to")
	}
	for _, step := range []func(context.Context) error{c.read, c.compare, c.keep, c.choose, c.free, c.walk, c.weigh} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	if c.request.DryRun {
		c.pretend()
		return nil
	}
	for _, step := range []func(context.Context) error{c.declare, c.sendBlobs, c.sendManifests, c.sendTags, c.sendRecords, c.sendRings} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// copier carries out one copy: it plans all of it, and then writes.
type copier struct {
	from, to registry.Namespace
	request  Request
	pace     registry.Pace // at which both sides are asked
	origin   string        // what the mirror is of

	mu sync.Mutex

	log     *records.Log   // of the source
	newest  records.Sealed // so too
	lacking []records.Sealed
	common  records.Sealed // the newest that the target has too
	marked  bool           // the target says that it is a mirror

	releases  []releaseCopy
	images    []imageCopy                  // of all of them, each once
	manifests map[string]registry.Manifest // of sources, by reference
	listed    map[string]bool              // referrers that the target lists itself
	found     []*walker
	subjects  []subjectCopy
	tags      []tagCopy // in order, without the rings'
	rings     []tagCopy
	marks     []tagCopy // of the log, which say by which records these were copied
	unmarked  []tagCopy // so too, by an older quoit
	signs     []tagCopy // of signatures
	todo      []manifestCopy
	wants     []blobCopy

	blobs   map[string]*holders
	total   int64
	done    int64
	outcome Copied
	written atomic.Bool // something, or perhaps
}

// releaseCopy is one that is copied.
type releaseCopy struct {
	name   string
	ring   bool
	place  records.Place
	by     records.Sealed // of a ring: the record that says so
	images []imageCopy    // in an order in which they can be tagged
}

// imageCopy is one image of a release, or an external.
type imageCopy struct {
	name, tag, digest string
	from              registry.Repository
}

// tagCopy is a tag to write, and what the target has under it.
type tagCopy struct {
	store.Tag
	was      string
	from     imageCopy         // what to read at the source …
	contents registry.Manifest // … if it is not this
}

// TakenError says that the target has other contents under a tag that never
// changes. It is not overwritten.
type TakenError struct{ Reference, Wanted, Got string }

// Error names the tag, both digests, and what to do.
func (e *TakenError) Error() string {
	return fmt.Sprintf("%s is %s there, and %s here; versions are never overwritten: somebody pushed it past quoit, take that tag away or copy to another place", e.Reference, e.Got, e.Wanted)
}

// pretend fills in what a dry run would have written.
func (c *copier) pretend() {
	c.outcome.Records = len(c.lacking)
	for _, sealed := range c.lacking {
		c.outcome.Copied.add(0, 1, int64(len(sealed.Config)))
	}
	for _, tag := range slices.Concat(c.signs, c.tags, c.rings) {
		if tag.was != tag.Digest {
			c.outcome.Written = append(c.outcome.Written, tag.Tag)
		}
	}
	for _, manifest := range c.todo {
		c.outcome.Copied.add(1, 0, int64(len(manifest.contents.Bytes)))
	}
	sent := map[string]bool{}
	for _, blob := range c.wants {
		amount := &c.outcome.Copied
		if c.blobs[blob.Digest].known() != "" || sent[blob.Digest] {
			amount = &c.outcome.Mounted
		}
		sent[blob.Digest] = true
		amount.add(0, 1, blob.Size)
	}
}
