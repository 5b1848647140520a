package store

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
)

// refName is where a layout says what a manifest is called. Here it is the full
// name, like acme/shop/api:1.4.2.
const refName = "org.opencontainers.image.ref.name"

const maxIndex = 256 << 20

// Layout is a folder with releases, an OCI image layout. Tags are written all at
// once when a copy ends, so it has a whole release or only some blobs of it. Two
// copies at the same time to one folder lose the tags of one.
type Layout struct {
	path    layout.Path
	project string

	mu    sync.Mutex
	index layoutIndex
	at    map[string]int // of what has a name
}

// layoutIndex is index.json. What others have put there stays.
type layoutIndex struct {
	SchemaVersion int             `json:"schemaVersion"`
	MediaType     types.MediaType `json:"mediaType,omitempty"`
	Manifests     []v1.Descriptor `json:"manifests"`
}

// refForm is what a name in a layout may be: paths do not leave it.
var refForm = regexp.MustCompile(`^[A-Za-z0-9](?:[A-Za-z0-9._:@+/-]*[A-Za-z0-9._-])?$`)

// OpenLayout opens a folder for the releases of a project. It need not exist, if
// it is written to; then it is made by the first write. The error says what is
// wrong with the folder.
func OpenLayout(path, project string) (*Layout, error) {
	l := &Layout{path: layout.Path(path), project: project, at: map[string]int{}, index: layoutIndex{SchemaVersion: 2, MediaType: types.OCIImageIndex}}
	file, err := os.Open(filepath.Join(path, "index.json"))
	if errors.Is(err, fs.ErrNotExist) {
		entries, err := os.ReadDir(path)
		if err == nil && slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() != "blobs" && e.Name() != "oci-layout" }) {
			return nil, fmt.Errorf("%s has files, and is no OCI image layout: name an empty folder", path)
		}
		return l, nil
	}
	if err != nil {
		return nil, fmt.Errorf("opening the layout %s: %w", path, err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxIndex+1))
	if err == nil && len(data) > maxIndex {
		err = fmt.Errorf("its index.json has more than %d MiB", maxIndex>>20)
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

func (l *Layout) check() error {
	for i, d := range l.index.Manifests {
		named, found := d.Annotations[refName]
		switch {
		case !digestForm.MatchString(d.Digest.String()):
			return fmt.Errorf("its index.json names %.80q, which is no digest", d.Digest.String())
		case !found:
			continue
		case !refForm.MatchString(named) || slices.Contains(strings.FieldsFunc(named, func(r rune) bool { return r == '/' || r == ':' }), ".."):
			return fmt.Errorf("its index.json has the name %.80q, which is none: somebody made this to do harm", named)
		}
		if other, twice := l.at[named]; twice && l.index.Manifests[other].Digest != d.Digest {
			return fmt.Errorf("its index.json has two manifests of the name %.80q", named)
		}
		l.at[named] = i
	}
	return nil
}

func (l *Layout) store() store { return l }

func (l *Layout) name() string { return "oci:" + string(l.path) }

func (l *Layout) reference(image, identifier string) string {
	if digestForm.MatchString(identifier) {
		return fmt.Sprintf("oci:%s:%s@%s", l.path, l.full(image), identifier)
	}
	return fmt.Sprintf("oci:%s:%s:%s", l.path, l.full(image), identifier)
}

func (l *Layout) full(image string) string { return l.project + "/" + image }

func (l *Layout) head(_ context.Context, image, identifier string) (string, bool, error) {
	if digestForm.MatchString(identifier) {
		_, err := os.Stat(l.file(identifier))
		return identifier, err == nil, ignore(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	at, found := l.at[l.full(image)+":"+identifier]
	if !found {
		return "", false, nil
	}
	return l.index.Manifests[at].Digest.String(), true, nil
}

func ignore(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func (l *Layout) file(digest string) string {
	return filepath.Join(string(l.path), "blobs", "sha256", strings.TrimPrefix(digest, "sha256:"))
}

func (l *Layout) get(ctx context.Context, image, identifier string) (stored, bool, error) {
	digest, found, err := l.head(ctx, image, identifier)
	if err != nil || !found {
		return stored{}, false, err
	}
	reader, err := l.blob(digest)
	if errors.Is(err, fs.ErrNotExist) && digest == identifier {
		return stored{}, false, nil
	}
	if err != nil {
		return stored{}, false, fmt.Errorf("reading %s: %w", l.reference(image, identifier), err)
	}
	defer reader.Close()
	data, err := io.ReadAll(io.LimitReader(reader, maxManifest+1))
	switch {
	case err != nil:
		return stored{}, false, fmt.Errorf("reading %s: %w", l.reference(image, identifier), err)
	case len(data) > maxManifest:
		return stored{}, false, fmt.Errorf("reading %s: it has more than %d MiB", l.reference(image, identifier), maxManifest>>20)
	case digestOf(data) != digest:
		return stored{}, false, fmt.Errorf("reading %s: the contents have another digest, %s: copy it anew", l.reference(image, digest), digestOf(data))
	}
	var typed struct {
		MediaType types.MediaType `json:"mediaType"`
		Manifests json.RawMessage `json:"manifests"`
	}
	if err := json.Unmarshal(data, &typed); err != nil {
		return stored{}, false, fmt.Errorf("reading %s: it is no manifest: %w", l.reference(image, identifier), err)
	}
	if typed.MediaType == "" { // which is allowed
		typed.MediaType = types.OCIManifestSchema1
		if typed.Manifests != nil {
			typed.MediaType = types.OCIImageIndex
		}
	}
	if !slices.Contains(acceptable, typed.MediaType) {
		return stored{}, false, fmt.Errorf("reading %s: it is of type %.80q, not an index or image manifest", l.reference(image, identifier), typed.MediaType)
	}
	return stored{digest, typed.MediaType, data}, true, nil
}

// blob opens a blob; a link that leads out of the folder is refused.
func (l *Layout) blob(digest string) (io.ReadCloser, error) {
	hash, err := v1.NewHash(digest)
	if err != nil {
		return nil, err
	}
	return l.path.Blob(hash)
}

func (l *Layout) tags(_ context.Context, image string) ([]string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var tags []string
	for named := range l.at {
		if tag, found := strings.CutPrefix(named, l.full(image)+":"); found {
			tags = append(tags, tag)
		}
	}
	return tags, nil
}

func (l *Layout) referrers(context.Context, string, string) ([]string, error) { return nil, nil }

func (l *Layout) has(_ context.Context, _ string, blob descriptor) (bool, error) {
	info, err := os.Stat(l.file(blob.Digest))
	return err == nil && info.Size() == blob.Size, ignore(err)
}

func (l *Layout) open(_ context.Context, image string, blob descriptor) (io.ReadCloser, error) {
	reader, err := l.blob(blob.Digest)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", l.reference(image, blob.Digest), err)
	}
	return reader, nil
}
