package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/quoitbuild/quoit/store/records"
)

// Store has releases that can be copied: a [*Project] or a [*Layout].
type Store interface{ store() store }

// CopyRequest says what is copied.
type CopyRequest struct {
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
	From     string          `json:"from"`
	To       string          `json:"to"`
	DryRun   bool            `json:"dryRun,omitempty"`
	Releases []CopiedRelease `json:"releases"` // never null
	// Written are the tags that were written, in order, without those of
	// records; never null.
	Written []Tag  `json:"written"`
	Records int    `json:"records"` // written
	Copied  Amount `json:"copied"`  // what crossed
	Mounted Amount `json:"mounted"` // blobs that the target had in another repository
	Existed Amount `json:"existed"` // what was there
	// Kept are signatures that were left as they are, because the target has
	// others under the same tag; never null.
	Kept []Tag `json:"kept"`
}

// CopiedRelease is one of the releases that were asked for.
type CopiedRelease struct {
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
// nobody publishes there, and [Project.Verify] misses nothing that was not copied.
// The first write says so. Then come blobs, manifests, signatures, version tags,
// dependencies first, records, and the rings' tags last: a ring's tag at the
// target names a release that is there with all its images.
//
// A version's tag with other contents is never overwritten: that is a
// [*CopyTakenError], before the first write. A target whose log is another is a
// [*NotMirrorError].
func Copy(ctx context.Context, from, to Store, request CopyRequest) (Copied, error) {
	c := &copier{from: from.store(), to: to.store(), request: request, log: map[uint64]records.Sealed{}, blobs: map[string]*copyPlace{}, manifests: map[string]stored{}, listed: map[string]bool{}}
	if at, is := c.from.(*shelf); is {
		c.lead = at.project
	}
	c.outcome = Copied{
		From: c.from.name(), To: c.to.name(), DryRun: request.DryRun,
		Releases: []CopiedRelease{}, Written: []Tag{}, Kept: []Tag{},
	}
	err := c.copy(ctx)
	if err != nil {
		err = fmt.Errorf("copying from %s to %s: %w", c.from.name(), c.to.name(), err)
	}
	return c.outcome, err
}

func (c *copier) copy(ctx context.Context) error {
	if c.from.name() == c.to.name() {
		return errors.New("these are the same: name another place to copy to")
	}
	for _, step := range []func(context.Context) error{c.read, c.compare, c.choose, c.free, c.walk, c.weigh} {
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
	from, to store
	request  CopyRequest
	origin   string // what the mirror is of

	lead *Project // of the source, nil for a layout
	mu   sync.Mutex

	log           map[uint64]records.Sealed // of the source
	newest, known uint64                    // of the source; of the target
	marked        bool                      // the target says that it is a mirror

	releases  []copyRelease
	images    []copyImage       // of all of them, each once
	manifests map[string]stored // of sources, by reference
	listed    map[string]bool   // referrers that the target lists itself
	found     []*walker
	subjects  []copySubject
	tags      []copyTag // in order, without the rings'
	rings     []copyTag
	signs     []copyTag // of signatures
	todo      []copyManifest
	wants     []copyBlob

	blobs   map[string]*copyPlace
	total   int64
	done    int64
	outcome Copied
}

// copyRelease is one that is copied.
type copyRelease struct {
	name   string
	ring   bool
	place  records.Place
	images []copyImage // in an order in which they can be tagged
}

// copyImage is one image of a release, or an external.
type copyImage struct {
	name, tag, digest string
	from              store  // if not the copier's
	as                string // its name there
}

// copyTag is a tag to write, and what the target has under it.
type copyTag struct {
	Tag
	was      string
	from     copyImage // what to read at the source …
	contents stored    // … if it is not this
}

// CopyTakenError says that the target has other contents under a tag that never
// changes. It is not overwritten.
type CopyTakenError struct{ Reference, Wanted, Got string }

// Error names the tag, both digests, and what to do.
func (e *CopyTakenError) Error() string {
	return fmt.Sprintf("%s is %s there, and %s here; versions are never overwritten: somebody pushed it past quoit, take that tag away or copy to another place", e.Reference, e.Got, e.Wanted)
}

// pretend fills in what a dry run would have written.
func (c *copier) pretend() {
	c.outcome.Records = int(c.newest - c.known)
	for sequence := c.known + 1; sequence <= c.newest; sequence++ {
		c.outcome.Copied.add(0, 1, int64(len(c.log[sequence].Config)))
	}
	for _, tag := range slices.Concat(c.signs, c.tags, c.rings) {
		if tag.was != tag.Digest {
			c.outcome.Written = append(c.outcome.Written, tag.Tag)
		}
	}
	for _, manifest := range c.todo {
		c.outcome.Copied.add(1, 0, int64(len(manifest.contents.bytes)))
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
