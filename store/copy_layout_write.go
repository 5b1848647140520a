package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

func (l *Layout) write(ctx context.Context, image string, blob descriptor, _ string, open opener) (bool, error) {
	if there, err := l.has(ctx, image, blob); err != nil || there {
		return true, err
	}
	source, err := open(ctx)
	if err != nil {
		return false, err
	}
	_, still := watch(ctx, time.Hour) // the source has a deadline of its own
	contents := &verified{ReadCloser: source, stall: still, blob: blob, hash: sha256.New()}
	defer still.stop()
	defer contents.Close()
	return false, l.save(l.file(blob.Digest), contents)
}

// save writes a file, whole or not at all.
func (l *Layout) save(file string, contents io.Reader) (err error) {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	temporary, err := os.CreateTemp(filepath.Dir(file), ".quoit-")
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

// put writes a manifest. A tag is seen by others from [Layout.flush] on.
func (l *Layout) put(_ context.Context, image, identifier, _ string, manifest stored) (bool, error) {
	if info, err := os.Stat(l.file(manifest.digest)); err != nil || info.Size() != int64(len(manifest.bytes)) {
		if err := l.save(l.file(manifest.digest), bytes.NewReader(manifest.bytes)); err != nil {
			return false, fmt.Errorf("writing %s: %w", l.reference(image, identifier), err)
		}
	}
	if digestForm.MatchString(identifier) {
		return false, nil
	}
	hash, err := v1.NewHash(manifest.digest)
	if err != nil {
		return false, err
	}
	named := l.full(image) + ":" + identifier
	entry := v1.Descriptor{
		MediaType: manifest.mediaType, Digest: hash, Size: int64(len(manifest.bytes)), Annotations: map[string]string{refName: named},
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if at, found := l.at[named]; found {
		entry.Annotations = maps.Clone(l.index.Manifests[at].Annotations)
		l.index.Manifests[at] = entry
	} else {
		l.at[named] = len(l.index.Manifests)
		l.index.Manifests = append(l.index.Manifests, entry)
	}
	return false, nil
}

// flush writes the tags, sorted, and takes away what killed copies have left.
func (l *Layout) flush() error {
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
	left, _ := filepath.Glob(filepath.Join(string(l.path), "blobs", "sha256", ".quoit-*"))
	for _, file := range left {
		_ = os.Remove(file) // only room is lost
	}
	return nil
}
