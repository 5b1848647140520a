// Package memory is a [registry.Namespace] in memory, for tests and examples. It does
// what a good registry does: it takes a manifest only when its parts are there, mounts
// blobs, lists referrers, and deletes single tags.
package memory

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"

	"github.com/quoitbuild/quoit/registry"
)

// Namespace is repositories in memory. It may be used by several goroutines.
type Namespace struct {
	name string

	mu           sync.Mutex
	repositories map[string]*contents
}

// contents are those of one repository.
type contents struct {
	tags      map[string]string // to digests
	manifests map[string]registry.Manifest
	blobs     map[string][]byte
	referrers map[string][]string // of a digest, in the order in which they came
}

// New returns an empty namespace of that name.
func New(name string) *Namespace {
	return &Namespace{name: name, repositories: map[string]*contents{}}
}

// String implements [registry.Namespace].
func (n *Namespace) String() string { return n.name }

// Repository implements [registry.Namespace].
func (n *Namespace) Repository(name string) registry.Repository { return repository{n, name} }

// Writable implements [registry.Namespace].
func (n *Namespace) Writable(name string) registry.Repository { return n.Repository(name) }

// Elsewhere implements [registry.Namespace]: memory leads nowhere.
func (n *Namespace) Elsewhere(string) (registry.Repository, error) { return nil, nil }

// Pace implements [registry.Namespace].
func (n *Namespace) Pace() registry.Pace { return registry.Pace{} }

// Commit implements [registry.Namespace]: every write is seen at once.
func (n *Namespace) Commit() error { return nil }

// at is what a repository has; the caller has the lock.
func (n *Namespace) at(name string) *contents {
	if n.repositories[name] == nil {
		n.repositories[name] = &contents{
			tags: map[string]string{}, manifests: map[string]registry.Manifest{}, blobs: map[string][]byte{}, referrers: map[string][]string{},
		}
	}
	return n.repositories[name]
}

type repository struct {
	namespace *Namespace
	name      string
}

func (r repository) lock() (c *contents, unlock func()) {
	r.namespace.mu.Lock()
	return r.namespace.at(r.name), r.namespace.mu.Unlock
}

// Reference implements [registry.Repository].
func (r repository) Reference(identifier string) string {
	separator := ":"
	if registry.IsDigest(identifier) {
		separator = "@"
	}
	return r.namespace.name + "/" + r.name + separator + identifier
}

// Head implements [registry.Repository].
func (r repository) Head(ctx context.Context, identifier string) (string, bool, error) {
	manifest, found, err := r.Get(ctx, identifier)
	return manifest.Digest, found, err
}

// Get implements [registry.Repository].
func (r repository) Get(_ context.Context, identifier string) (registry.Manifest, bool, error) {
	if err := registry.CheckIdentifier(identifier); err != nil {
		return registry.Manifest{}, false, fmt.Errorf("reading %s: %w", r.Reference(identifier), err)
	}
	c, unlock := r.lock()
	defer unlock()
	digest := identifier
	if !registry.IsDigest(identifier) {
		digest = c.tags[identifier]
	}
	manifest, found := c.manifests[digest]
	manifest.Bytes = bytes.Clone(manifest.Bytes)
	return manifest, found, nil
}

// Put implements [registry.Repository].
func (r repository) Put(_ context.Context, identifier string, manifest registry.Manifest) (registry.Receipt, error) {
	c, unlock := r.lock()
	defer unlock()
	return r.put(c, identifier, manifest)
}

// Replace implements [registry.Repository].
func (r repository) Replace(_ context.Context, identifier, was string, manifest registry.Manifest) (registry.Receipt, error) {
	c, unlock := r.lock()
	defer unlock()
	if is := c.tags[identifier]; is != was && is != manifest.Digest && !registry.IsDigest(identifier) {
		return registry.Receipt{}, &registry.OtherError{Reference: r.Reference(identifier), Wanted: manifest.Digest, Got: is}
	}
	return r.put(c, identifier, manifest)
}

func (r repository) put(c *contents, identifier string, manifest registry.Manifest) (registry.Receipt, error) {
	subject, err := c.check(identifier, manifest)
	if err != nil {
		return registry.Receipt{}, fmt.Errorf("writing %s: %w", r.Reference(identifier), err)
	}
	manifest.Bytes = bytes.Clone(manifest.Bytes)
	c.manifests[manifest.Digest] = manifest
	if !registry.IsDigest(identifier) {
		c.tags[identifier] = manifest.Digest
	}
	if subject != "" && !slices.Contains(c.referrers[subject], manifest.Digest) {
		c.referrers[subject] = append(c.referrers[subject], manifest.Digest)
	}
	return registry.Receipt{Digest: manifest.Digest, Listed: subject != ""}, nil
}

// check says what is wrong with a manifest, and returns what it refers to.
func (c *contents) check(identifier string, manifest registry.Manifest) (subject string, err error) {
	if err := registry.CheckIdentifier(identifier); err != nil {
		return "", err
	}
	if digest := registry.DigestOf(manifest.Bytes); digest != manifest.Digest || registry.IsDigest(identifier) && identifier != digest {
		return "", fmt.Errorf("the contents have the digest %s", digest)
	}
	if !slices.Contains(registry.Acceptable, manifest.MediaType) {
		return "", fmt.Errorf("it is of type %.80q, not an index or image manifest", manifest.MediaType)
	}
	for _, child := range manifest.Children() {
		if _, found := c.manifests[child]; !found {
			return "", fmt.Errorf("it names %s, which is not there", child)
		}
	}
	blobs, err := manifest.Blobs()
	if err != nil {
		return "", err
	}
	for _, blob := range blobs {
		if _, found := c.blobs[blob.Digest]; !found {
			return "", fmt.Errorf("it names %s, which is not there", blob.Digest)
		}
	}
	var parsed struct{ Subject registry.Descriptor }
	if err := json.Unmarshal(manifest.Bytes, &parsed); err != nil {
		return "", err
	}
	return parsed.Subject.Digest, nil
}

// Delete implements [registry.Repository].
func (r repository) Delete(_ context.Context, tag string) (bool, error) {
	c, unlock := r.lock()
	defer unlock()
	delete(c.tags, tag)
	return true, nil
}

// Has implements [registry.Repository].
func (r repository) Has(_ context.Context, blob registry.Descriptor) (bool, error) {
	c, unlock := r.lock()
	defer unlock()
	_, found := c.blobs[blob.Digest]
	return found, nil
}

// Blob implements [registry.Repository].
func (r repository) Blob(_ context.Context, blob registry.Descriptor) ([]byte, error) {
	c, unlock := r.lock()
	defer unlock()
	data, found := c.blobs[blob.Digest]
	switch {
	case !found:
		return nil, fmt.Errorf("reading %s: it is not there", r.Reference(blob.Digest))
	case len(data) > registry.MaxBlob:
		return nil, fmt.Errorf("reading %s: it has more than %d MiB", r.Reference(blob.Digest), registry.MaxBlob>>20)
	}
	return bytes.Clone(data), nil
}

// Open implements [registry.Repository].
func (r repository) Open(_ context.Context, blob registry.Descriptor) (io.ReadCloser, error) {
	c, unlock := r.lock()
	defer unlock()
	data, found := c.blobs[blob.Digest]
	if !found {
		return nil, fmt.Errorf("reading %s: it is not there", r.Reference(blob.Digest))
	}
	return io.NopCloser(bytes.NewReader(data)), nil // nobody writes to it
}

// Upload implements [registry.Repository].
func (r repository) Upload(ctx context.Context, blob registry.Descriptor, from string, open registry.Opener) (bool, error) {
	if r.mount(blob, from) {
		return true, nil
	}
	source, err := open(ctx)
	if err != nil {
		return false, err
	}
	contents := registry.Verified(source, blob)
	defer contents.Close()
	data, err := io.ReadAll(contents)
	if err != nil {
		return false, err
	}
	c, unlock := r.lock()
	defer unlock()
	c.blobs[blob.Digest] = data
	return false, nil
}

func (r repository) mount(blob registry.Descriptor, from string) bool {
	c, unlock := r.lock()
	defer unlock()
	if from == "" {
		return false
	}
	data, found := r.namespace.at(from).blobs[blob.Digest]
	if found {
		c.blobs[blob.Digest] = data
	}
	return found
}

// Tags implements [registry.Repository]. All are on the first page.
func (r repository) Tags(_ context.Context, after, _ string) ([]string, string, error) {
	c, unlock := r.lock()
	defer unlock()
	tags := slices.Sorted(maps.Keys(c.tags))
	return slices.DeleteFunc(tags, func(tag string) bool { return tag <= after }), "", nil
}

// Referrers implements [registry.Repository].
func (r repository) Referrers(_ context.Context, digest string) ([]string, error) {
	c, unlock := r.lock()
	defer unlock()
	return slices.Clone(c.referrers[digest]), nil
}
