package disk

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/quoitbuild/quoit/internal/trees"
	"github.com/quoitbuild/quoit/revision"
)

// later is the time when all that was written by now has settled.
func later() time.Time { return time.Now().Add(time.Hour) }

// look is an answer with a cache, some time after all was written, and how many bytes
// were read for it.
func look(t testing.TB, dir, cache string) (answer string, read int64) {
	t.Helper()
	answer = treeOf(t, dir, whole, Options{Cache: cache, now: later, Progress: func(n, _ int64) { read = n }})
	return answer, read
}

// rewrite writes a file until the system says that it is another one, which it does not
// within a tick of its clock; then what was put on it is put back.
func rewrite(t *testing.T, name, content string) {
	t.Helper()
	before, err := os.Stat(name)
	for err == nil {
		var after fs.FileInfo
		if err = os.WriteFile(name, []byte(content), 0o644); err != nil {
			break
		}
		if after, err = os.Stat(name); err == nil && stampOf(after).Changed != stampOf(before).Changed {
			err = os.Chtimes(name, time.Time{}, before.ModTime())
			break
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

func skipWithoutInodes(t testing.TB) {
	info, err := os.Stat(".")
	if err != nil {
		t.Fatal(err)
	}
	if stampOf(info).Inode == 0 {
		t.Skip("nothing is remembered on this system")
	}
}

func TestWhatIsKnownIsNotReadAgain(t *testing.T) {
	skipWithoutInodes(t)
	dir, cache := plant(t, files{"a": "aa", "sub/b": "b", "link": link("a"), "socket": socket{}}), filepath.Join(t.TempDir(), "new", "cache")
	without := treeOf(t, dir, whole, Options{})
	for i, want := range []int64{3, 0, 0} {
		if got, read := look(t, dir, cache); got != without || read != want {
			t.Errorf("look %d: %d bytes are read, want %d; the answer is right: %t", i, read, want, got == without)
		}
	}
	t.Run("but it is if somebody wants all to be read", func(t *testing.T) {
		read := int64(0)
		if got := treeOf(t, dir, whole, Options{Cache: cache, Fresh: true, now: later, Progress: func(n, _ int64) { read = n }}); got != without || read != 3 {
			t.Errorf("%d bytes are read; the answer is right: %t", read, got == without)
		}
	})
	t.Run("nor is a hard link to it", func(t *testing.T) {
		if err := os.Link(filepath.Join(dir, "a"), filepath.Join(dir, "again")); err != nil {
			t.Fatal(err)
		}
		look(t, dir, cache) // the link has changed what is said of the file
		if _, read := look(t, dir, cache); read != 0 {
			t.Errorf("%d bytes are read", read)
		}
	})
}

// Whatever is done to a file that is known, its new contents count.
func TestEditsAreSeen(t *testing.T) {
	for name, edit := range map[string]func(dir string) error{
		"other contents of the same size and time": nil, // see rewrite
		"a file of the same size and time in its place": func(dir string) error {
			return os.Rename(filepath.Join(dir, "twin"), filepath.Join(dir, "a"))
		},
		"two files that change places": func(dir string) error {
			a, b, c := filepath.Join(dir, "a"), filepath.Join(dir, "b"), filepath.Join(dir, "c")
			for _, move := range [][2]string{{a, c}, {b, a}, {c, b}} {
				if err := os.Rename(move[0], move[1]); err != nil {
					return err
				}
			}
			return nil
		},
		"another file in its place, through its inode": func(dir string) error {
			if err := os.Remove(filepath.Join(dir, "a")); err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(dir, "a"), []byte("new"), 0o644)
		},
		"more at its end": func(dir string) error {
			f, err := os.OpenFile(filepath.Join(dir, "a"), os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			defer f.Close()
			_, err = f.WriteString("more")
			return err
		},
		"an executable now": func(dir string) error { return os.Chmod(filepath.Join(dir, "a"), 0o755) },
	} {
		t.Run(name, func(t *testing.T) {
			dir, cache := plant(t, files{"a": "old", "b": "abc", "twin": "new"}), filepath.Join(t.TempDir(), "cache")
			for _, name := range []string{"a", "b", "twin"} {
				if err := os.Chtimes(filepath.Join(dir, name), time.Time{}, time.Unix(1e9, 0)); err != nil {
					t.Fatal(err)
				}
			}
			before, _ := look(t, dir, cache)
			if edit == nil {
				rewrite(t, filepath.Join(dir, "a"), "new")
			} else if err := edit(dir); err != nil {
				t.Fatal(err)
			}
			got, _ := look(t, dir, cache)
			if want := treeOf(t, dir, whole, Options{}); got != want || got == before {
				t.Errorf("the answer is that of what was there before: %t, of what is there: %t", got == before, got == want)
			}
		})
	}
}

// Edits within one step of a clock leave no trace: so nothing may be remembered then.
func TestWhatWasJustWrittenIsNotRemembered(t *testing.T) {
	dir, cache := plant(t, files{"a": "0"}), filepath.Join(t.TempDir(), "cache")
	for i := range 200 {
		content := fmt.Sprint(i % 10)
		if err := os.WriteFile(filepath.Join(dir, "a"), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(filepath.Join(dir, "a"), time.Time{}, time.Unix(1e9, 0)); err != nil {
			t.Fatal(err)
		}
		got := treeOf(t, dir, whole, Options{Cache: cache})
		if want := treeOf(t, plant(t, files{"a": content}), whole, Options{}); got != want {
			t.Fatalf("edit %d is not seen", i)
		}
	}
}

func TestSettled(t *testing.T) {
	at := func(seconds float64) int64 { return int64((1e9 + seconds) * 1e9) }
	for _, c := range []struct {
		name              string
		modified, changed float64
		inode             uint64
		want              bool
	}{
		{"long ago", -100, -100, 1, true},
		{"just before a step of a coarse clock", -2, -2, 1, false},
		{"changed now, with an old time put on it", -100, 0, 1, false},
		{"with a time put on it that is to come", 100, -100, 1, false},
		{"by a clock that is ahead", 100, 100, 1, false},
		{"on a system that does not tell inodes", -100, 0, 0, false},
		{"a little more than a step ago", -3.001, -3.001, 1, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := stamp{Inode: c.inode, Modified: at(c.modified), Changed: at(c.changed)}
			if got := s.settled(time.Unix(1e9, 0)); got != c.want {
				t.Errorf("settled: %t, want %t", got, c.want)
			}
		})
	}
}

// What a command finds in place of its cache does not matter to the answer.
func TestOddCaches(t *testing.T) {
	dir := plant(t, files{"a": "a"})
	want := treeOf(t, dir, whole, Options{})
	for name, odd := range map[string]any{"a damaged file": "x", "a folder": folder{}, "a pipe": pipe{}, "a link to nowhere": link("none/x"), "a device": link("/dev/zero")} {
		t.Run(name, func(t *testing.T) {
			in := t.TempDir()
			trees.Plant(t, in, files{"cache": odd})
			if got, _ := look(t, dir, filepath.Join(in, "cache")); got != want {
				t.Error("the answer is another")
			}
			if left, err := filepath.Glob(filepath.Join(in, "?*.new-*")); len(left) > 0 || err != nil {
				t.Errorf("%q is left, error %v", left, err)
			}
		})
	}
	t.Run("a folder that is a file", func(t *testing.T) {
		if got, _ := look(t, dir, filepath.Join(dir, "a", "cache")); got != want {
			t.Error("the answer is another")
		}
	})
}

// Commands that look at the same time write whole caches, one after the other.
func TestManyWriteOneCache(t *testing.T) {
	file := filepath.Join(t.TempDir(), "cache")
	caches := map[int]*cache{}
	for writer := range 8 {
		caches[writer] = openCache(file, later())
		for i := range uint64(10 * (writer + 1)) { // as many as nobody else
			caches[writer].put(stamp{Device: uint64(writer), Inode: i + 1}, make([]byte, 32), later())
		}
	}
	var eg errgroup.Group
	for writer, c := range caches {
		eg.Go(func() error {
			for range 50 {
				if err := c.save(time.Now()); err != nil {
					return err
				}
				known := openCache(file, later()).known
				for s := range known {
					if len(known) != 10*int(s.Device+1) {
						return fmt.Errorf("writer %d finds %d files, of writer %d", writer, len(known), s.Device)
					}
				}
				if len(known) == 0 {
					return fmt.Errorf("writer %d finds nothing", writer)
				}
			}
			return nil
		})
	}
	if err := eg.Wait(); err != nil {
		t.Error(err)
	}
}

func TestWhatNobodyUsesGoes(t *testing.T) {
	skipWithoutInodes(t)
	dir, cache := plant(t, files{"a": "a", "b": "b"}), filepath.Join(t.TempDir(), "cache")
	look(t, dir, cache)
	for i := range maxUnused + 1 {
		// Each look learns something, so it writes.
		rewrite(t, filepath.Join(dir, "a"), strings.Repeat("a", i))
		treeOf(t, dir, revision.ImageInputs{Reads: []revision.Read{copied("/a")}}, Options{Cache: cache, now: later})
		known := openCache(cache, later().Add(time.Hour)).known
		if has := hasSum(known, "b"); has != (i < maxUnused-1) || !hasSum(known, strings.Repeat("a", i)) {
			t.Errorf("after %d writes without it a file is known: %t", i+1, has)
		}
	}
}

func hasSum(known map[stamp]remembered, content string) bool {
	want := sha256.Sum256([]byte(content))
	return slices.ContainsFunc(slices.Collect(maps.Values(known)), func(r remembered) bool { return r.sum == want })
}

func TestACacheFileHasWhatWasRemembered(t *testing.T) {
	known := map[stamp]remembered{}
	for i := range uint64(4) {
		known[stamp{1, i, 3, -4, 5e18, 0o100644}] = remembered{[32]byte{byte(i), 7}, 1}
	}
	data := encodeCache(known)
	got := decodeCache(data)
	for s, r := range known {
		r.unused++
		if got[s] != r {
			t.Errorf("%v has %v, want %v", s, got[s], r)
		}
	}
	if len(got) != len(known) {
		t.Errorf("%d files are known, want %d", len(got), len(known))
	}
	if got := decodeCache(data[1:]); len(got) > 0 {
		t.Errorf("of what is no whole records %d files are known", len(got))
	}
}
