package tools

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// ModulePath is this repository's module.
const ModulePath = "github.com/quoitbuild/quoit"

// CacheDir is where built programs, base images and BuildKit's persistent
// roots live: $QUOIT_CACHE, else $XDG_CACHE_HOME/quoit, else ~/.cache/quoit.
func CacheDir() (string, error) {
	if dir := os.Getenv("QUOIT_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	base, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("finding the cache folder: %w", err)
	}
	return filepath.Join(base, "quoit"), nil
}

// RepoRoot is the folder of the module's go.mod, looked for from the working
// directory upwards.
func RepoRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("finding the repository: %w", err)
	}
	for {
		if isModuleRoot(dir) {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("finding the repository: no go.mod of %s above the working directory", ModulePath)
		}
		dir = parent
	}
}

func isModuleRoot(dir string) bool {
	f, err := os.Open(filepath.Join(dir, "go.mod"))
	if err != nil {
		return false
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	return lines.Scan() && strings.TrimSpace(lines.Text()) == "module "+ModulePath
}

// Once returns dir, after fill has filled it if it did not exist. Of
// several processes one makes it; a folder left half filled is never
// seen under this name.
func Once(dir string, fill func(tmp string) error) (string, error) {
	if Exists(dir) {
		return dir, nil
	}
	lock, err := Lock(dir + ".lock")
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if Exists(dir) {
		return dir, nil
	}
	// What a killed process left; its children may still write there.
	old, _ := filepath.Glob(dir + ".tmp*")
	for _, left := range old {
		_ = os.RemoveAll(left)
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dir), filepath.Base(dir)+".tmp")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp)
	if err := os.Chmod(tmp, 0o755); err != nil {
		return "", err
	}
	if err := fill(tmp); err != nil {
		return "", err
	}
	return dir, os.Rename(tmp, dir)
}

// Lock waits for the exclusive lock of path. Closing the file frees it,
// once every process that inherited the file has closed it too.
func Lock(path string) (*os.File, error) {
	return flock(path, syscall.LOCK_EX)
}

// LockShared is Lock of a lock that others may have in the same way.
func LockShared(path string) (*os.File, error) {
	return flock(path, syscall.LOCK_SH)
}

// TryLock is Lock without waiting; it returns nil when the lock is
// held by someone else.
func TryLock(path string) (*os.File, error) {
	f, err := flock(path, syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, nil
	}
	return f, err
}

func flock(path string, how int) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("locking: %w", err)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("locking: %w", err)
	}
	for {
		err = syscall.Flock(int(f.Fd()), how)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("locking %s: %w", path, err)
	}
	return f, nil
}

// LinkTree copies the folder src to dst, as hard links where both are on one
// file system. Only for files that nobody changes in place, as the registry's:
// it writes a new file and renames it.
func LinkTree(src, dst string) error {
	return filepath.WalkDir(src, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(src, path)
		if err != nil {
			return err
		}
		target := filepath.Join(dst, rel)
		if d.IsDir() {
			return os.MkdirAll(target, 0o755)
		}
		if err := os.Link(path, target); err == nil {
			return nil
		}
		return copyFile(path, target)
	})
}

func copyFile(src, dst string) error {
	in, err := os.Open(src)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(dst)
	if err != nil {
		return err
	}
	if _, err := out.ReadFrom(in); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}

// Exists tells whether there is a file or folder.
func Exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
