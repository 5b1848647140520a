package layout

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/quoitbuild/quoit/internal/scratch"
	"github.com/quoitbuild/quoit/registry"
)

// Upload implements [registry.Repository]. A blob that is there counts as mounted.
func (r *repository) Upload(ctx context.Context, blob registry.Descriptor, _ string, open registry.Opener) (bool, error) {
	if there, err := r.Has(ctx, blob); err != nil || there {
		return true, err
	}
	source, err := open(ctx)
	if err != nil {
		return false, err
	}
	contents := registry.Verified(source, blob)
	defer contents.Close()
	return false, r.layout.save(r.layout.file(blob.Digest), contents)
}

// halfWritten begins the names of folders in a layout for what is half written.
const halfWritten = ".quoit-"

// half is the folder for what this process has half written. What killed processes have
// left is removed when it is made.
func (l *Layout) half() (*scratch.Folder, error) {
	l.writing.Lock()
	defer l.writing.Unlock()
	if l.scratch != nil {
		return l.scratch, nil
	}
	if err := os.MkdirAll(string(l.path), 0o755); err != nil {
		return nil, err
	}
	var err error
	l.scratch, err = scratch.New(string(l.path), halfWritten)
	return l.scratch, err
}

// save writes a file, whole or not at all.
func (l *Layout) save(file string, contents io.Reader) (err error) {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	half, err := l.half()
	if err != nil {
		return err
	}
	temporary, err := os.CreateTemp(half.Path, "")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(temporary.Name())
		}
	}()
	_, err = io.Copy(temporary, contents)
	if err == nil {
		err = temporary.Chmod(0o644)
	}
	if err == nil {
		err = temporary.Sync()
	}
	if closed := temporary.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	return os.Rename(temporary.Name(), file)
}

// Put implements [registry.Repository]. A tag is seen by others from [Layout.Commit] on.
func (r *repository) Put(_ context.Context, identifier string, manifest registry.Manifest) (registry.Receipt, error) {
	l := r.layout
	if err := registry.CheckIdentifier(identifier); err != nil {
		return registry.Receipt{}, fmt.Errorf("writing %s: %w", r.Reference(identifier), err)
	}
	if info, err := os.Stat(l.file(manifest.Digest)); err != nil || info.Size() != int64(len(manifest.Bytes)) {
		if err := l.save(l.file(manifest.Digest), bytes.NewReader(manifest.Bytes)); err != nil {
			return registry.Receipt{}, fmt.Errorf("writing %s: %w", r.Reference(identifier), err)
		}
	}
	if !registry.IsDigest(identifier) {
		l.mu.Lock()
		defer l.mu.Unlock()
		if err := l.tag(r.name+":"+identifier, manifest); err != nil {
			return registry.Receipt{}, err
		}
	}
	return registry.Receipt{Digest: manifest.Digest}, nil
}

func (l *Layout) tag(named string, manifest registry.Manifest) error {
	hash, err := v1.NewHash(manifest.Digest)
	if err != nil {
		return err
	}
	entry := v1.Descriptor{
		MediaType: types.MediaType(manifest.MediaType), Digest: hash, Size: int64(len(manifest.Bytes)),
		Annotations: map[string]string{refName: named},
	}
	if at, found := l.at[named]; found {
		entry.Annotations = maps.Clone(l.index.Manifests[at].Annotations)
		l.index.Manifests[at] = entry
	} else {
		l.at[named] = len(l.index.Manifests)
		l.index.Manifests = append(l.index.Manifests, entry)
	}
	return nil
}

// Replace implements [registry.Repository].
func (r *repository) Replace(ctx context.Context, identifier, _ string, manifest registry.Manifest) (registry.Receipt, error) {
	return r.Put(ctx, identifier, manifest)
}

// Delete implements [registry.Repository].
func (r *repository) Delete(_ context.Context, tag string) (bool, error) {
	l := r.layout
	l.mu.Lock()
	defer l.mu.Unlock()
	if at, found := l.at[r.name+":"+tag]; found {
		l.index.Manifests = slices.Delete(l.index.Manifests, at, at+1)
		l.at = map[string]int{}
		return true, l.check()
	}
	return true, nil
}

// Commit implements [registry.Namespace]: it writes the tags, sorted.
func (l *Layout) Commit() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	sorted := l.index
	sorted.Manifests = slices.Clone(l.index.Manifests)
	slices.SortStableFunc(sorted.Manifests, func(a, b v1.Descriptor) int {
		return strings.Compare(a.Annotations[refName], b.Annotations[refName])
	})
	data, err := json.MarshalIndent(sorted, "", "  ")
	if err != nil {
		return err
	}
	if err := l.save(filepath.Join(string(l.path), "oci-layout"), strings.NewReader("{\"imageLayoutVersion\":\"1.0.0\"}")); err != nil {
		return fmt.Errorf("writing the layout %s: %w", l.path, err)
	}
	if err := l.save(filepath.Join(string(l.path), "index.json"), bytes.NewReader(data)); err != nil {
		return fmt.Errorf("writing the layout %s: %w", l.path, err)
	}
	l.writing.Lock()
	defer l.writing.Unlock()
	if l.scratch != nil {
		_ = l.scratch.Close() // only room is lost
		l.scratch = nil
	}
	return nil
}
