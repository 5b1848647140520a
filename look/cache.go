package look

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/quoitbuild/quoit/internal/input"
	"github.com/quoitbuild/quoit/registry"
)

// The bounds of the cache: a manifest or config has a few kilobytes.
const (
	maxCached     = 4096    // files
	maxCachedSize = 4 << 20 // of one, in bytes
)

// Contents remembers manifests and configs by digest in a folder, "" for none, and what
// servers said of files. Several commands may use it at a time. What is in it is verified,
// and what goes wrong with it costs a request.
type Contents string

// KnownContents are those in the user's folder for caches.
func KnownContents() Contents {
	base, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return Contents(filepath.Join(base, "quoit", "images"))
}

// Blob returns a blob that has a digest.
func (c Contents) Blob(digest string) ([]byte, bool) {
	_, data, ok := c.get(digest)
	return data, ok
}

// Keep remembers a blob.
func (c Contents) Keep(digest string, data []byte) { c.put(digest, "", data) }

func (c Contents) file(digest string) string {
	return filepath.Join(string(c), strings.ReplaceAll(digest, ":", "-"))
}

// get returns what has a digest, and its media type.
func (c Contents) get(digest string) (mediaType string, data []byte, ok bool) {
	if c == "" || !registry.IsDigest(digest) {
		return "", nil, false
	}
	all, err := input.Read(c.file(digest), maxCachedSize+1<<10)
	if err != nil {
		return "", nil, false
	}
	head, data, cut := bytes.Cut(all, []byte("\n"))
	if !cut || registry.DigestOf(data) != digest {
		return "", nil, false
	}
	now := time.Now()
	_ = os.Chtimes(c.file(digest), now, now) // so that it goes later
	return string(head), data, true
}

// put remembers it, and keeps the bound. A file is complete or not there, whoever else
// writes it.
func (c Contents) put(digest, mediaType string, data []byte) {
	if c == "" || !registry.IsDigest(digest) || registry.DigestOf(data) != digest || len(data) > maxCachedSize || strings.Contains(mediaType, "\n") {
		return
	}
	c.write(c.file(digest), append([]byte(mediaType+"\n"), data...))
}

// write writes a file of the cache.
func (c Contents) write(file string, data []byte) {
	if os.MkdirAll(string(c), 0o700) != nil {
		return
	}
	temporary, err := os.CreateTemp(string(c), "new-")
	if err != nil {
		return
	}
	_, err = temporary.Write(data)
	if closed := temporary.Close(); err != nil || closed != nil || os.Rename(temporary.Name(), file) != nil {
		_ = os.Remove(temporary.Name())
	}
	c.trim()
}

// validated returns what was remembered of the file at an address, nothing if nothing was.
func (c Contents) validated(address string) (v validated) {
	if c == "" {
		return v
	}
	data, err := input.Read(c.addressed(address), maxCachedSize)
	if err != nil || json.Unmarshal(data, &v) != nil || !registry.IsDigest(v.Digest) || v.Address != address {
		return validated{}
	}
	return v
}

// remember remembers it.
func (c Contents) remember(v validated) {
	if data, err := json.Marshal(v); c != "" && err == nil {
		c.write(c.addressed(v.Address), data)
	}
}

func (c Contents) addressed(address string) string {
	return filepath.Join(string(c), "address-"+strings.TrimPrefix(registry.DigestOf([]byte(address)), "sha256:"))
}

// trim removes the half that was not used longest if there are too many.
func (c Contents) trim() {
	entries, err := os.ReadDir(string(c))
	if err != nil || len(entries) <= maxCached {
		return
	}
	used := func(e os.DirEntry) time.Time {
		info, err := e.Info()
		if err != nil {
			return time.Time{}
		}
		return info.ModTime()
	}
	times := map[string]time.Time{}
	for _, e := range entries {
		times[e.Name()] = used(e)
	}
	slices.SortFunc(entries, func(a, b os.DirEntry) int { return times[a.Name()].Compare(times[b.Name()]) })
	for _, e := range entries[:len(entries)/2] {
		_ = os.Remove(filepath.Join(string(c), e.Name()))
	}
}
