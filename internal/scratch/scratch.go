// Package scratch is folders for as long as a process needs them. What a process leaves
// that was killed is removed by the next one: each folder has a lock, which ends with
// its process.
package scratch

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
)

const (
	lockName = "lock"
	filesDir = "files"
)

// abandoned is how old a folder without a lock has to be that is removed: its process
// was killed while it made it, or could not lock it.
const abandoned = 24 * time.Hour

// Folder is a folder of this process.
type Folder struct {
	Path string // empty at first
	top  string
	lock *flock.Flock
}

// New makes a folder in another one, "" for the system's for temporary files. Its name
// begins with a prefix, like quoit-root-, which has to be nobody else's: what gone
// processes have left there under it is removed first.
func New(parent, prefix string) (*Folder, error) {
	if parent == "" {
		parent = os.TempDir()
	}
	sweep(parent, prefix)
	top, err := os.MkdirTemp(parent, prefix)
	if err != nil {
		return nil, err
	}
	f := &Folder{Path: filepath.Join(top, filesDir), top: top}
	if err := os.Mkdir(f.Path, 0o700); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	// Nobody may see the lock before it is held.
	fresh := filepath.Join(top, lockName+".new")
	f.lock = flock.New(fresh, flock.SetPermissions(0o600))
	held, err := f.lock.TryLock()
	if err == nil && held {
		err = os.Rename(fresh, filepath.Join(top, lockName))
	}
	if err != nil || !held { // as on file systems without locks
		_ = f.lock.Unlock()
		f.lock = nil
	}
	return f, nil
}

// Close removes the folder and what is in it.
func (f *Folder) Close() error {
	var unlocked error
	if f.lock != nil {
		unlocked = f.lock.Unlock()
	}
	return errors.Join(unlocked, os.RemoveAll(f.top))
}

// sweep removes what gone processes have left. Only room is lost by what it cannot.
func sweep(parent, prefix string) {
	left, _ := filepath.Glob(filepath.Join(parent, prefix+"*"))
	for _, top := range left {
		if info, err := os.Lstat(top); err == nil && info.IsDir() && dead(top, info) {
			_ = os.RemoveAll(top)
		}
	}
}

// dead reports whether nobody uses a folder any more.
func dead(top string, info fs.FileInfo) bool {
	path := filepath.Join(top, lockName)
	switch lock, err := os.Lstat(path); {
	case errors.Is(err, fs.ErrNotExist):
		return time.Since(info.ModTime()) > abandoned
	case err != nil || !lock.Mode().IsRegular():
		return false
	}
	lock := flock.New(path, flock.SetFlag(os.O_RDWR))
	held, err := lock.TryLock()
	if err != nil || !held {
		return false
	}
	_ = lock.Unlock() // whoever had it is gone, and nobody takes it anew
	return true
}
