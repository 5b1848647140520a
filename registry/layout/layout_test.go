//go:build unix

package layout_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/registry/layout"
)

// TestALayoutWithoutFiles: whoever gave it may have put anything there.
func TestALayoutWithoutFiles(t *testing.T) {
	for what, make := range map[string]func(name string) error{
		"a pipe":   func(name string) error { return syscall.Mkfifo(name, 0o644) },
		"a device": func(name string) error { return os.Symlink("/dev/zero", name) },
		"a folder": func(name string) error { return os.Mkdir(name, 0o755) },
	} {
		t.Run(what, func(t *testing.T) {
			dir := t.TempDir()
			if err := make(filepath.Join(dir, "index.json")); err != nil {
				t.Fatal(err)
			}
			if _, err := layout.Open(dir, "acme/shop"); err == nil || !strings.Contains(err.Error(), "index.json is "+what) {
				t.Errorf("error %v", err)
			}

			dir = t.TempDir()
			digest := registry.DigestOf(nil)
			blob := filepath.Join(dir, "blobs", "sha256", strings.TrimPrefix(digest, "sha256:"))
			if err := os.MkdirAll(filepath.Dir(blob), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := make(blob); err != nil {
				t.Fatal(err)
			}
			l, err := layout.Open(dir, "acme/shop")
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := l.Repository("api").Get(t.Context(), digest); err == nil {
				t.Error("a manifest is read from it")
			}
			if data, err := l.Repository("api").Blob(t.Context(), registry.BlobOf(nil)); err == nil {
				t.Errorf("%d bytes are read from it", len(data))
			}
		})
	}
}

// TestWhatAKilledCopyLeft is removed by the next one, which the folder is still good for;
// what another one is writing is not.
func TestWhatAKilledCopyLeft(t *testing.T) {
	path := filepath.Join(t.TempDir(), "media")
	dead := filepath.Join(path, ".quoit-1")
	if err := os.MkdirAll(filepath.Join(dead, "files"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"lock", "files/half"} {
		if err := os.WriteFile(filepath.Join(dead, file), []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var layouts [2]*layout.Layout
	for i := range layouts {
		l, err := layout.Open(path, "acme/shop")
		if err != nil {
			t.Fatal(err)
		}
		data := fmt.Append(nil, i)
		if _, err := l.Repository("api").Upload(t.Context(), registry.BlobOf(data), "", registry.Bytes(data)); err != nil {
			t.Fatal(err)
		}
		layouts[i] = l
		if left, _ := filepath.Glob(filepath.Join(path, ".quoit-*")); len(left) != i+1 || slices.Contains(left, dead) {
			t.Errorf("while %d write there are %v", i+1, left)
		}
	}
	for i := range layouts {
		if err := layouts[i].Commit(); err != nil {
			t.Error(err)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(path, ".quoit-*")); len(left) > 0 {
		t.Errorf("there are %v", left)
	}
}
