package tools

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestProduceOnce(t *testing.T) {
	t.Run("of many at once one fills the folder", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "made")
		var filled atomic.Int32
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				got, err := Once(dir, func(tmp string) error {
					filled.Add(1)
					return os.WriteFile(filepath.Join(tmp, "file"), nil, 0o644)
				})
				if err != nil || !Exists(filepath.Join(got, "file")) {
					t.Errorf("%s, %v", got, err)
				}
			})
		}
		all.Wait()
		if n := filled.Load(); n != 1 {
			t.Errorf("filled %d times", n)
		}
	})
	t.Run("a failure leaves no folder and the next try fills it", func(t *testing.T) {
		parent := t.TempDir()
		dir := filepath.Join(parent, "made")
		broken := errors.New("broken")
		if _, err := Once(dir, func(string) error { return broken }); !errors.Is(err, broken) {
			t.Errorf("error %v", err)
		}
		if diff := cmp.Diff([]string{"made.lock"}, names(t, parent)); diff != "" {
			t.Errorf("left (-want +got):\n%s", diff)
		}
		if err := os.Mkdir(dir+".tmp1", 0o755); err != nil {
			t.Fatal(err)
		}
		if _, err := Once(dir, func(string) error { return nil }); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff([]string{"made", "made.lock"}, names(t, parent)); diff != "" {
			t.Errorf("left (-want +got):\n%s", diff)
		}
	})
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, e := range entries {
		found = append(found, e.Name())
	}
	return found
}

func TestTryLockFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	first, err := Lock(path)
	if err != nil {
		t.Fatal(err)
	}
	if second, err := TryLock(path); second != nil || err != nil {
		t.Errorf("a held lock: %v, %v", second, err)
	}
	first.Close()
	third, err := TryLock(path)
	if third == nil || err != nil {
		t.Fatalf("a free lock: %v, %v", third, err)
	}
	third.Close()
}
