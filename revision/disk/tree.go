package disk

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/opencontainers/go-digest"

	"github.com/quoitbuild/quoit/internal/input"
	"github.com/quoitbuild/quoit/revision"
)

// tree is a folder of this machine as a [revision.Tree]: what is in it as fsutil, by
// which clients send files, describes it to a builder.
type tree struct {
	root *os.Root
	Options
	// sent says that the files are a builder's: then each can be read.
	sent  bool
	cache *cache
}

// emptyFile is the digest of a file without contents.
var emptyFile = digest.FromBytes(nil)

// listedAtOnce bounds what the system tells of a folder before it is taken over.
const listedAtOnce = 1024

// List returns what is in a folder.
func (t *tree) List(folder string) ([]*revision.File, error) {
	// What is asked in an open folder is found without going its whole path again.
	inside, err := t.open(folder)
	if err != nil {
		return nil, err
	}
	defer inside.Close()
	dir, err := inside.Open(".")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	var files []*revision.File
	for {
		entries, err := dir.ReadDir(listedAtOnce)
		described, ours := t.describe(inside, folder, entries)
		files = append(files, described...)
		if ours == nil && err != nil && err != io.EOF {
			ours = err
		}
		if ours != nil {
			return nil, fmt.Errorf("listing %q: %w", folder, ours)
		}
		if err == io.EOF {
			return files, nil
		}
	}
}

// describe leaves out what is gone since it was listed.
func (t *tree) describe(inside *os.Root, folder string, entries []fs.DirEntry) ([]*revision.File, error) {
	files, stamps := make([]revision.File, len(entries)), make([]stamp, len(entries))
	var described []*revision.File
	for i, entry := range entries {
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		file := &files[i]
		file.Name = entry.Name()
		file.Mode = t.mode(folder, info)
		switch {
		case file.Mode&fs.ModeSocket != 0:
			// A client sends a socket as a file that it then cannot open.
			file.Mode &^= fs.ModeSocket
			file.Digest = emptyFile
		case file.Mode&fs.ModeSymlink != 0:
			target, err := inside.Readlink(file.Name)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return nil, err
			}
			file.Target = filepath.ToSlash(target)
		case file.Mode.IsRegular():
			stamps[i] = stampOf(info)
			file.Sys = &stamps[i]
		}
		described = append(described, file)
	}
	return described, nil
}

// countedBits are those of a mode that say what a file is, and what may be done with it.
const countedBits = fs.ModeType | fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky

// mode is what a client sends of a file's mode; where the disk does not know better, what
// git gives files and folders.
func (t *tree) mode(folder string, info fs.FileInfo) fs.FileMode {
	mode := info.Mode() & countedBits
	if t.Executable == nil {
		return mode
	}
	mode = mode.Type() | 0o644
	if mode.IsDir() || t.Executable(path.Join(folder, info.Name())) {
		mode |= 0o111
	}
	return mode
}

// open opens a folder. The error is fs.ErrNotExist if there is none, also because a
// file is in its place.
func (t *tree) open(folder string) (*os.Root, error) {
	inside, err := t.root.OpenRoot(folder)
	if err == nil {
		return inside, nil
	}
	if info, other := t.root.Stat(folder); errors.Is(err, errNotDir) || other == nil && !info.IsDir() {
		return nil, &fs.PathError{Op: "open", Path: folder, Err: fs.ErrNotExist}
	}
	return nil, err
}

// Read returns the contents of a file.
func (t *tree) Read(name string, limit int64) ([]byte, error) {
	return input.ReadIn(t.root, filepath.FromSlash(name), limit)
}
