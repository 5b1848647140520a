package look

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

func keyOf(i int) [sha256.Size]byte { return sha256.Sum256(fmt.Append(nil, i)) }

// inCache is a folder for caches of a test's own, and a project's folder.
func inCache(t *testing.T) (dir string) {
	t.Helper()
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	return t.TempDir()
}

func TestCompilesAreRemembered(t *testing.T) {
	dir := inCache(t)
	c := openCompiles(dir)
	for i := range 3 {
		c.Put(keyOf(i), bytes.Repeat([]byte{byte(i)}, i))
	}
	c.save()
	c = openCompiles(dir)
	for i := range 3 {
		if value, ok := c.Get(keyOf(i)); !ok || !bytes.Equal(value, bytes.Repeat([]byte{byte(i)}, i)) {
			t.Errorf("of %d it has %q, %t", i, value, ok)
		}
	}
	if _, ok := c.Get(keyOf(3)); ok {
		t.Error("it knows what nobody has put")
	}
	if _, ok := openCompiles(t.TempDir()).Get(keyOf(0)); ok {
		t.Error("another project knows it")
	}
}

func TestCompilesThatNobodyUsesGo(t *testing.T) {
	dir := inCache(t)
	for i := range maxUnused + 2 {
		c := openCompiles(dir)
		_, used := c.Get(keyOf(-1))
		if i > 0 && !used {
			t.Fatalf("what is used is gone after %d writes", i)
		}
		c.Put(keyOf(-1), []byte("used"))
		c.Put(keyOf(i), []byte("once"))
		c.save()
	}
	c := openCompiles(dir)
	if _, ok := c.Get(keyOf(0)); ok {
		t.Error("what was used long ago is still there")
	}
	if _, ok := c.Get(keyOf(maxUnused + 1)); !ok {
		t.Error("what was put last is gone")
	}
}

func TestCompilesHaveABound(t *testing.T) {
	dir := inCache(t)
	c := openCompiles(dir)
	c.Put(keyOf(-1), make([]byte, maxCompileValue+1))
	large := make([]byte, maxCompileValue)
	for i := range maxCompiles/maxCompileValue + 3 {
		c.Put(keyOf(i), large)
	}
	c.save()
	c = openCompiles(dir)
	if got := len(c.known); got != maxCompiles/maxCompileValue-1 {
		t.Errorf("%d are kept", got)
	}
	if _, ok := c.Get(keyOf(-1)); ok {
		t.Error("one that is too large is kept")
	}
}

// TestDamagedCompiles: whatever happens to the file, it has what was put or nothing.
func TestDamagedCompiles(t *testing.T) {
	dir := inCache(t)
	c := openCompiles(dir)
	c.Put(keyOf(0), []byte("value"))
	c.save()
	data, err := os.ReadFile(c.file)
	if err != nil {
		t.Fatal(err)
	}
	for i := range data {
		for _, damaged := range [][]byte{data[:i], append(append(bytes.Clone(data[:i]), data[i]^1), data[i+1:]...)} {
			if err := os.WriteFile(c.file, damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			if value, ok := openCompiles(dir).Get(keyOf(0)); ok {
				t.Fatalf("damaged at byte %d it has %q", i, value)
			}
		}
	}
	if err := os.Remove(c.file); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(c.file, "x"), 0o755); err != nil {
		t.Fatal(err)
	}
	odd := openCompiles(dir)
	odd.Put(keyOf(0), []byte("value"))
	odd.save()
	if value, ok := odd.Get(keyOf(0)); !ok || string(value) != "value" {
		t.Errorf("with a folder in the file's place it has %q", value)
	}
}

// TestManyCommandsRememberCompiles: each that looks at a time finds what somebody has put.
func TestManyCommandsRememberCompiles(t *testing.T) {
	dir := inCache(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 30 {
				c := openCompiles(dir)
				if value, ok := c.Get(keyOf(i)); ok && string(value) != fmt.Sprint(i) {
					t.Errorf("of %d it has %q", i, value)
				}
				c.Put(keyOf(i), fmt.Append(nil, i))
				c.save()
			}
		})
	}
	wg.Wait()
	if c := openCompiles(dir); len(c.known) == 0 {
		t.Error("nothing is kept")
	}
}

func FuzzDecodeCompiles(f *testing.F) {
	f.Add(encodeCompiles(map[[sha256.Size]byte]compile{keyOf(0): {value: []byte("a")}, keyOf(1): {value: nil}}))
	f.Fuzz(func(t *testing.T, data []byte) {
		for key, one := range decodeCompiles(data) {
			if !bytes.Contains(data, one.value) || !bytes.Contains(data, key[:]) {
				t.Errorf("%x: %q", key, one.value)
			}
		}
	})
}
