// Package layout is a [registry.Namespace] over a folder: an OCI image layout, whose
// names are full ones, like acme/shop/api:1.4.2. So it has the images of any number of
// projects, and a blob that several of them need once.
//
// Tags are written all at once, by [Layout.Commit]: others see a whole release, or
// none of it. Two that write to one folder at the same time lose the tags of one.
package layout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/quoitbuild/quoit/internal/input"
	"github.com/quoitbuild/quoit/internal/scratch"
	"github.com/quoitbuild/quoit/registry"
)

// refName is where a layout says what a manifest is called.
const refName = "org.opencontainers.image.ref.name"

const maxIndex = 256 << 20

// Layout is the repositories below one name in a folder.
type Layout struct {
	path layout.Path
	name string

	mu    sync.Mutex
	index index
	at    map[string]int // of what has a name

	writing sync.Mutex
	scratch *scratch.Folder // nil if nothing is being written
}

// index is index.json. What others have put there stays.
type index struct {
	SchemaVersion int             `json:"schemaVersion"`
	MediaType     types.MediaType `json:"mediaType,omitempty"`
	Manifests     []v1.Descriptor `json:"manifests"`
}

// refForm is what a name in a layout may be: paths do not leave it.
var refForm = regexp.MustCompile(`^[A-Za-z0-9](?:[A-Za-z0-9._:@+/-]*[A-Za-z0-9._-])?$`)

// Open opens a folder for the repositories below a name, like acme/shop. The folder
// need not exist, if it is written to; then it is made by the first write. The error
// says what is wrong with it.
func Open(path, name string) (*Layout, error) {
	l := &Layout{path: layout.Path(path), name: name, at: map[string]int{}, index: index{SchemaVersion: 2, MediaType: types.OCIImageIndex}}
	data, err := input.Read(filepath.Join(path, "index.json"), maxIndex)
	if errors.Is(err, fs.ErrNotExist) {
		entries, err := os.ReadDir(path)
		if err == nil && slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return !ours(e.Name()) }) {
			return nil, fmt.Errorf("%s has files, and is not an OCI image layout: name an empty folder", path)
		}
		return l, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &l.index)
	}
	if err == nil {
		err = l.check()
	}
	if err != nil {
		return nil, fmt.Errorf("opening the layout %s: %w", path, err)
	}
	return l, nil
}

// ours reports whether a copy that did not come to its end may have left a name.
func ours(name string) bool {
	return name == "blobs" || name == "oci-layout" || strings.HasPrefix(name, halfWritten)
}

func (l *Layout) check() error {
	for i, d := range l.index.Manifests {
		named, found := d.Annotations[refName]
		switch {
		case !registry.IsDigest(d.Digest.String()):
			return fmt.Errorf("its index.json names %.80q, which is not a digest", d.Digest.String())
		case !found:
			continue
		case !refForm.MatchString(named) || slices.Contains(strings.FieldsFunc(named, func(r rune) bool { return r == '/' || r == ':' }), ".."):
			return fmt.Errorf("its index.json has the invalid name %.80q: somebody made this to do harm", named)
		}
		if other, twice := l.at[named]; twice && l.index.Manifests[other].Digest != d.Digest {
			return fmt.Errorf("its index.json has two manifests of the name %.80q", named)
		}
		l.at[named] = i
	}
	return nil
}

// String implements [registry.Namespace].
func (l *Layout) String() string { return "oci:" + string(l.path) }

// Repository implements [registry.Namespace].
func (l *Layout) Repository(name string) registry.Repository {
	return &repository{layout: l, name: l.name + "/" + name}
}

// Writable implements [registry.Namespace].
func (l *Layout) Writable(name string) registry.Repository { return l.Repository(name) }

// Elsewhere implements [registry.Namespace]: a folder leads nowhere.
func (l *Layout) Elsewhere(string) (registry.Repository, error) { return nil, nil }

// Pace implements [registry.Namespace].
func (l *Layout) Pace() registry.Pace { return registry.Pace{} }

func (l *Layout) file(digest string) string {
	return filepath.Join(string(l.path), "blobs", "sha256", strings.TrimPrefix(digest, "sha256:"))
}

// blob opens a blob; a link that leads out of the folder is refused.
func (l *Layout) blob(digest string) (io.ReadCloser, error) {
	hash, err := v1.NewHash(digest)
	if err != nil {
		return nil, err
	}
	return l.path.Blob(hash)
}

func ignore(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// repository is what a layout has under one name. Blobs belong to all.
type repository struct {
	layout *Layout
	name   string // with that of the namespace
}

// Reference implements [registry.Repository].
func (r *repository) Reference(identifier string) string {
	if registry.IsDigest(identifier) {
		return fmt.Sprintf("oci:%s:%s@%s", r.layout.path, r.name, identifier)
	}
	return fmt.Sprintf("oci:%s:%s:%s", r.layout.path, r.name, identifier)
}

// Head implements [registry.Repository].
func (r *repository) Head(_ context.Context, identifier string) (string, bool, error) {
	l := r.layout
	if err := registry.CheckIdentifier(identifier); err != nil {
		return "", false, fmt.Errorf("reading %s: %w", r.Reference(identifier), err)
	}
	if registry.IsDigest(identifier) {
		if _, err := os.Stat(l.file(identifier)); err != nil {
			return "", false, ignore(err)
		}
		return identifier, true, nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	at, found := l.at[r.name+":"+identifier]
	if !found {
		return "", false, nil
	}
	return l.index.Manifests[at].Digest.String(), true, nil
}

// Get implements [registry.Repository].
func (r *repository) Get(ctx context.Context, identifier string) (registry.Manifest, bool, error) {
	digest, found, err := r.Head(ctx, identifier)
	if err != nil || !found {
		return registry.Manifest{}, false, err
	}
	manifest, err := r.manifest(digest)
	if errors.Is(err, fs.ErrNotExist) && digest == identifier {
		return registry.Manifest{}, false, nil
	}
	if err != nil {
		return registry.Manifest{}, false, fmt.Errorf("reading %s: %w", r.Reference(identifier), err)
	}
	return manifest, true, nil
}

func (r *repository) manifest(digest string) (registry.Manifest, error) {
	data, err := r.whole(digest, registry.MaxManifest)
	if err != nil {
		return registry.Manifest{}, err
	}
	var typed struct {
		MediaType string          `json:"mediaType"`
		Manifests json.RawMessage `json:"manifests"`
	}
	if err := json.Unmarshal(data, &typed); err != nil {
		return registry.Manifest{}, fmt.Errorf("it is not a manifest: %w", err)
	}
	if typed.MediaType == "" { // which is allowed
		typed.MediaType = registry.ManifestType
		if typed.Manifests != nil {
			typed.MediaType = registry.IndexType
		}
	}
	if !slices.Contains(registry.Acceptable, typed.MediaType) {
		return registry.Manifest{}, fmt.Errorf("it is of type %.80q, not an index or image manifest", typed.MediaType)
	}
	return registry.Manifest{Digest: digest, MediaType: typed.MediaType, Bytes: data}, nil
}

// whole reads contents, whose digest it verifies.
func (r *repository) whole(digest string, limit int) ([]byte, error) {
	reader, err := r.layout.blob(digest)
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	data, err := io.ReadAll(io.LimitReader(reader, int64(limit)+1))
	switch {
	case err != nil:
		return nil, err
	case len(data) > limit:
		return nil, fmt.Errorf("it has more than %d MiB", limit>>20)
	case registry.DigestOf(data) != digest:
		return nil, fmt.Errorf("the contents have another digest, %s: copy it again", registry.DigestOf(data))
	}
	return data, nil
}

// Tags implements [registry.Repository]. All are on the first page.
func (r *repository) Tags(_ context.Context, after, _ string) ([]string, string, error) {
	r.layout.mu.Lock()
	defer r.layout.mu.Unlock()
	var tags []string
	for named := range r.layout.at {
		if tag, found := strings.CutPrefix(named, r.name+":"); found && tag > after {
			tags = append(tags, tag)
		}
	}
	slices.Sort(tags)
	return tags, "", nil
}

// Referrers implements [registry.Repository]. A layout keeps no list of them.
func (r *repository) Referrers(context.Context, string) ([]string, error) { return nil, nil }

// Has implements [registry.Repository].
func (r *repository) Has(_ context.Context, blob registry.Descriptor) (bool, error) {
	info, err := os.Stat(r.layout.file(blob.Digest))
	return err == nil && info.Size() == blob.Size, ignore(err)
}

// Blob implements [registry.Repository].
func (r *repository) Blob(_ context.Context, blob registry.Descriptor) ([]byte, error) {
	data, err := r.whole(blob.Digest, registry.MaxBlob)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", r.Reference(blob.Digest), err)
	}
	return data, nil
}

// Open implements [registry.Repository].
func (r *repository) Open(_ context.Context, blob registry.Descriptor) (io.ReadCloser, error) {
	reader, err := r.layout.blob(blob.Digest)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", r.Reference(blob.Digest), err)
	}
	return reader, nil
}
