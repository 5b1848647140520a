package disk

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/quoitbuild/quoit/revision"
)

// A process that may not write as much as a cache has is what a full disk is.
func TestAFullDiskCostsTimeAtMost(t *testing.T) {
	const child = "QUOIT_TEST_FULL_DISK"
	if dir := os.Getenv(child); dir != "" {
		signal.Ignore(syscall.SIGXFSZ)
		limit := syscall.Rlimit{Cur: uint64(len(cacheHead)) + 10, Max: uint64(len(cacheHead)) + 10}
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
			t.Fatal(err)
		}
		cache := filepath.Join(dir, "cache")
		c := openCache(cache, later())
		c.put(stamp{Inode: 1}, make([]byte, 32), later())
		if err := c.save(later()); !errors.Is(err, syscall.EFBIG) {
			t.Errorf("got error %v, want one about room", err)
		}
		project := filepath.Join(dir, "project")
		if got, want := treeOf(t, project, whole, Options{Cache: cache, now: later}), treeOf(t, project, whole, Options{}); got != want {
			t.Error("the answer is another")
		}
		return
	}
	dir := plant(t, files{"project/a": "a", "project/b": "b", "cache": "what was there before"})
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), child+"="+dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(filepath.Join(dir, "cache")); len(entries) != 2 || string(data) != "what was there before" || err != nil {
		t.Errorf("%v are left, in the cache %q, error %v", entries, data, err)
	}
}

// A client sends a file that it may not read as one without contents, and nothing at all
// if it may not list a folder. A builder can read what it was sent.
func TestWhatMayNotBeRead(t *testing.T) {
	dir := plant(t, files{"secret": "s", "folder/below": "b"})
	if err := errors.Join(os.Chmod(filepath.Join(dir, "secret"), 0), os.Chmod(filepath.Join(dir, "folder"), 0)); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	asNobody(t)
	file := &revision.File{Name: "secret"}
	if err := treeIn(root).digest(t.Context(), newReader(root, &progress{}), file); file.Digest != emptyFile || err != nil {
		t.Errorf("the file has digest %s, error %v", file.Digest, err)
	}
	builder := treeIn(root)
	builder.sent = true
	if err := builder.digest(t.Context(), newReader(root, &progress{}), file); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("a builder gets error %v", err)
	}
	if _, err := treeIn(root).List("folder"); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("the folder gives error %v", err)
	}
}

// asNobody takes root's rights from this test, which must not start goroutines.
func asNobody(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		return
	}
	runtime.LockOSThread()
	t.Cleanup(func() {
		_ = syscall.Setfsuid(0)
		runtime.UnlockOSThread()
	})
	if err := syscall.Setfsuid(65534); err != nil {
		t.Fatal(err)
	}
}

// While files are looked at they may become anything: nothing but a regular file is
// opened, or what is there blocks or notices.
func TestAPipeInPlaceOfAFileIsNotWaitedFor(t *testing.T) {
	root, err := os.OpenRoot(plant(t, files{"file": pipe{}}))
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	done := make(chan error, 1)
	go func() {
		done <- treeIn(root).digest(t.Context(), newReader(root, &progress{}), &revision.File{Name: "file"})
	}()
	select {
	case err := <-done:
		if err == nil {
			t.Error("no error")
		}
	case <-time.After(time.Minute):
		t.Error("it waits for somebody who writes")
	}
}
