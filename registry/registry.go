// Package registry is the wire: repositories of a container registry, and nothing
// of what is kept in them.
//
// A [Namespace] is the repositories below one name, and a [Repository] is one of
// them. [Open] connects to a registry; registry/layout has the same over a folder
// and registry/memory in memory, and registry/conformance is what all of them pass.
//
// The layers of a [Client], from the outside: a repository's methods say what is
// asked (manifest.go, blob.go, upload.go, tags.go); [Pace] repeats what may be
// repeated and bounds what runs at a time; a session has the right token; a request
// is sent once and its answer read up to a limit; the transport sends nothing in the
// clear to another machine. What registries do differently is in quirks.go, and
// nowhere else.
//
// "Absent" is only what a registry clearly says; every other answer that is not the
// expected one is a [*RequestError], which names the reference and the next step,
// and holds no credentials.
package registry

import (
	"bytes"
	"context"
	"io"
)

// Namespace is the repositories below one name, like acme/shop in a registry. It
// may be used by several goroutines.
type Namespace interface {
	// String is what the namespace is called, like registry.example.com/acme/shop.
	// Two with the same name are the same.
	String() string
	// Repository returns the repository of a name below that of the namespace. It
	// makes no request, and asks for the right to write when it first writes.
	Repository(name string) Repository
	// Writable is Repository for who reads and writes: it asks for both rights at
	// once, which spares a token.
	Writable(name string) Repository
	// Elsewhere returns the repository of a full reference in whatever registry;
	// nil if this namespace leads to no other.
	Elsewhere(reference string) (Repository, error)
	// Pace is how it wants to be asked.
	Pace() Pace
	// Commit ends a series of writes. Tags are seen by others then at the latest.
	Commit() error
}

// Repository is manifests, by digest and by tag, and the blobs that they name. An
// identifier is a tag or a digest.
type Repository interface {
	// Reference is a tag or digest of it, for people.
	Reference(identifier string) string

	// Head returns the digest that a tag names, and whether it is there.
	Head(ctx context.Context, identifier string) (digest string, found bool, err error)
	// Get returns the manifest that a tag or digest names. It has the digest that it
	// says.
	Get(ctx context.Context, identifier string) (manifest Manifest, found bool, err error)
	// Put writes a manifest, whose parts are there, under a tag or its digest. It
	// makes one attempt: a second one could hit what somebody else wrote after the
	// first. An error may mean that the tag was written.
	Put(ctx context.Context, identifier string, manifest Manifest) (Receipt, error)
	// Replace is Put of a tag that names what was says ("": nothing), or of a digest.
	// It makes several attempts and looks before each but the first. What it finds
	// there instead is an [*OtherError].
	Replace(ctx context.Context, identifier, was string, manifest Manifest) (Receipt, error)
	// Delete deletes a tag, and reports whether the registry does that. A tag that is
	// not there counts as deleted.
	Delete(ctx context.Context, tag string) (bool, error)

	// Has reports whether a blob is there.
	Has(ctx context.Context, blob Descriptor) (bool, error)
	// Blob returns the contents of a small blob, which have its digest.
	Blob(ctx context.Context, blob Descriptor) ([]byte, error)
	// Open reads a blob of any size. Its digest is not verified.
	Open(ctx context.Context, blob Descriptor) (io.ReadCloser, error)
	// Upload writes a blob. If another repository of the namespace has it ("": none
	// is known), it is mounted from there where the registry can, and open is not
	// called. Contents that do not have the blob's digest are not written.
	Upload(ctx context.Context, blob Descriptor, from string, open Opener) (mounted bool, err error)

	// Tags returns a page of the tags: the one that next of the page before names,
	// else the first one after a tag ("": of all). The last page has no next. A
	// repository that is not there has no tags. See [AllTags].
	Tags(ctx context.Context, after, page string) (tags []string, next string, err error)
	// Referrers are the digests of manifests that refer to one, as far as the
	// registry keeps a list of its own.
	Referrers(ctx context.Context, digest string) ([]string, error)
}

// Receipt is what a registry says that it has stored.
type Receipt struct {
	Digest string // "" if it says nothing
	Listed bool   // the manifest is in the registry's list of its subject's referrers
}

// Opener opens a blob at its source. It may be called again when sending it has to
// be repeated.
type Opener func(context.Context) (io.ReadCloser, error)

// Bytes opens what is in memory.
func Bytes(data []byte) Opener {
	return func(context.Context) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }
}
