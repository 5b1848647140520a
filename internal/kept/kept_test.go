package kept

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

const head = "quoit test 1\n"

var (
	body = []byte("what is known\n\x00")
	when = time.Unix(1e9, 0)
)

func TestAFileHasWhatWasWritten(t *testing.T) {
	file := filepath.Join(t.TempDir(), "some", "folder", "file")
	for _, body := range [][]byte{body, {}, []byte("more than before, or less")} {
		if err := Write(file, head, when, body); err != nil {
			t.Fatal(err)
		}
		if got := Read(file, head, 1000, when); !bytes.Equal(got, body) {
			t.Errorf("it has %q, want %q", got, body)
		}
	}
	if got := Read(file, head, int64(len(head)+Overhead), when); got != nil {
		t.Errorf("beyond the limit: %q", got)
	}
}

func TestADamagedFileIsNotBelieved(t *testing.T) {
	data := Seal(head, when, body)
	refused := func(t *testing.T, what string, data []byte, now time.Time) {
		t.Helper()
		if got, ok := Unseal(head, now, data); ok || got != nil {
			t.Errorf("%s: it has %q", what, got)
		}
	}
	for i := range data {
		damaged := bytes.Clone(data)
		for _, bit := range []byte{1, 0x80, 0xff} {
			damaged[i] = data[i] ^ bit
			refused(t, fmt.Sprintf("byte %d is damaged", i), damaged, when)
		}
		refused(t, fmt.Sprintf("it ends at byte %d", i), data[:i], when)
	}
	refused(t, "it is longer", append(bytes.Clone(data), 0), when)
	refused(t, "it is there twice", append(bytes.Clone(data), data...), when)
	refused(t, "the clock has gone back", data, when.Add(-1))
	refused(t, "it is of another kind", Seal("quoit test 2\n", when, body), when)
	if got, ok := Unseal(head, when, data); !ok || !bytes.Equal(got, body) {
		t.Errorf("undamaged it has %q", got)
	}
}

// TestOddFiles: whatever is in the place of a file, it is none; and what can be replaced
// is.
func TestOddFiles(t *testing.T) {
	for name, plant := range map[string]func(string) error{
		"a folder":          func(file string) error { return os.MkdirAll(filepath.Join(file, "x"), 0o755) },
		"a link to nowhere": func(file string) error { return os.Symlink("none/x", file) },
		"a device":          func(file string) error { return os.Symlink("/dev/zero", file) },
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			file := filepath.Join(folder, "file")
			if err := plant(file); err != nil {
				t.Skip(err)
			}
			if got := Read(file, head, 1000, when); got != nil {
				t.Errorf("it has %q", got)
			}
			err := Write(file, head, when, body)
			if got := Read(file, head, 1000, when); err == nil && !bytes.Equal(got, body) {
				t.Errorf("then it has %q", got)
			}
			if left, err := filepath.Glob(filepath.Join(folder, "*"+temporaryMark+"*")); len(left) > 0 || err != nil {
				t.Errorf("%q is left, error %v", left, err)
			}
		})
	}
}

func TestManyWriteOneFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	var eg errgroup.Group
	for writer := range 8 {
		eg.Go(func() error {
			own := bytes.Repeat([]byte{byte('a' + writer)}, 1000*(writer+1))
			for range 50 {
				if err := Write(file, head, when, own); err != nil {
					return err
				}
				got := Read(file, head, 1<<20, when)
				if len(got) == 0 || !bytes.Equal(got, bytes.Repeat(got[:1], 1000*int(got[0]-'a'+1))) {
					return errors.New("somebody finds what nobody wrote")
				}
			}
			return nil
		})
	}
	if err := eg.Wait(); err != nil {
		t.Error(err)
	}
}

func TestASweepLeavesWhatIsUsed(t *testing.T) {
	folder := t.TempDir()
	now := time.Now()
	for name, age := range map[string]time.Duration{
		"old": maxAge + time.Hour, "new": maxAge - time.Hour,
		"old" + temporaryMark + "1": maxAgeTemporary + time.Hour, "new" + temporaryMark + "1": 0,
	} {
		file := filepath.Join(folder, name)
		if err := errors.Join(os.WriteFile(file, nil, 0o600), os.Chtimes(file, now.Add(-age), now.Add(-age))); err != nil {
			t.Fatal(err)
		}
	}
	dir := filepath.Join(folder, "dir")
	if err := errors.Join(os.Mkdir(dir, 0o755), os.Chtimes(dir, when, when)); err != nil {
		t.Fatal(err)
	}
	sweep(folder, now)
	left, err := filepath.Glob(filepath.Join(folder, "*"))
	for i := range left {
		left[i] = filepath.Base(left[i])
	}
	if want := []string{"dir", "new", "new" + temporaryMark + "1"}; !slices.Equal(left, want) || err != nil {
		t.Errorf("%q is left, want %q, error %v", left, want, err)
	}
}

func TestAFileIsThatOfItsFolder(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	dir := t.TempDir()
	one, err := Of("kind", dir)
	t.Chdir(dir)
	same, errSame := Of("kind", ".")
	other, errOther := Of("kind", "other")
	kind, errKind := Of("other", ".")
	if err := errors.Join(err, errSame, errOther, errKind); err != nil {
		t.Fatal(err)
	}
	if one != same || one == other || one == kind || filepath.Dir(one) != filepath.Dir(other) {
		t.Errorf("%s, %s, %s and %s", one, same, other, kind)
	}
}

func FuzzUnseal(f *testing.F) {
	f.Add(Seal(head, when, body))
	f.Add([]byte(head))
	f.Fuzz(func(t *testing.T, data []byte) {
		if body, ok := Unseal(head, when, data); ok && !bytes.Contains(data, body) {
			t.Errorf("it has %q", body)
		}
	})
}
