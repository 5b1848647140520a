package look

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/quoitbuild/quoit/registry"
)

// TestAFullDiskUnderTheCaches: what cannot be kept is not, what was there stays as it is,
// and nothing else is left.
func TestAFullDiskUnderTheCaches(t *testing.T) {
	base := t.TempDir()
	if err := syscall.Mount("none", base, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("a small disk needs root: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(base, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	t.Setenv("XDG_CACHE_HOME", base)
	dir := t.TempDir()
	c, contents := openCompiles(dir), KnownContents()
	c.Put(keyOf(0), []byte("before"))
	c.save()
	small := []byte("before")
	contents.Keep(registry.DigestOf(small), small)

	large := make([]byte, 256<<10)
	c = openCompiles(dir)
	c.Put(keyOf(1), large)
	c.save()
	contents.Keep(registry.DigestOf(large), large)
	if value, ok := c.Get(keyOf(1)); !ok || len(value) != len(large) {
		t.Error("who has put something does not know it")
	}
	c = openCompiles(dir)
	if value, ok := c.Get(keyOf(0)); !ok || string(value) != "before" {
		t.Errorf("of what was there it has %q, %t", value, ok)
	}
	if _, ok := c.Get(keyOf(1)); ok {
		t.Error("there was no room, and it is kept")
	}
	if data, ok := contents.Blob(registry.DigestOf(small)); !ok || string(data) != "before" {
		t.Errorf("of contents that were there it has %q, %t", data, ok)
	}
	if _, ok := contents.Blob(registry.DigestOf(large)); ok {
		t.Error("there was no room, and contents are kept")
	}
	for _, folder := range []string{"compiles", "images"} {
		if left, err := os.ReadDir(filepath.Join(base, "quoit", folder)); len(left) != 1 || err != nil {
			t.Errorf("%s has %v, error %v", folder, left, err)
		}
	}
}
