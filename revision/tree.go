package revision

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"
)

// Tree is a project's tree as a builder has it, or would get it. Its paths are
// relative to the project's root, clean and with slashes; "." is the root. None that
// is asked for has a link on its way.
type Tree interface {
	// List returns what is in a folder, in any order. The error is fs.ErrNotExist if
	// there is no such folder. Every name is looked up in a list, because asked for one
	// file by name a disk may answer with another, of the same letters in another case.
	List(folder string) ([]*File, error)
	// Digest sets the Digest of regular files, which it gets by folder. It leaves that
	// of a file empty that is gone since it was listed.
	Digest(ctx context.Context, folders map[string][]*File) error
	// Read returns the contents of a regular file. The error is fs.ErrNotExist if there is
	// no such file any more; one that has more bytes than limit is an error too.
	Read(name string, limit int64) ([]byte, error)
}

// File is an entry of a folder.
type File struct {
	Name string
	// Mode has the type and the permission bits, with setuid, setgid and sticky.
	Mode fs.FileMode
	// Target is where a link leads.
	Target string
	// Digest is that of a regular file's contents, once [Tree.Digest] has set it.
	Digest digest.Digest
	// Sys is what the Tree wants to know of the file later.
	Sys any
}

func (f *File) executable() bool { return f.Mode.IsRegular() && f.Mode&0o100 != 0 }

// lists are the folders of a tree, each listed once: the files do not change
// meanwhile. All images share them, also at the same time.
type lists struct {
	tree    Tree
	mu      sync.Mutex
	folders map[string]*list
}

type list struct {
	once  sync.Once
	files []*File // by name
	err   error
}

func newLists(tree Tree) *lists { return &lists{tree: tree, folders: map[string]*list{}} }

// in lists a folder by name.
func (l *lists) in(folder string) ([]*File, error) {
	l.mu.Lock()
	known, ok := l.folders[folder]
	if !ok {
		known = &list{}
		l.folders[folder] = known
	}
	l.mu.Unlock()
	known.once.Do(func() {
		known.files, known.err = l.tree.List(folder)
		slices.SortFunc(known.files, func(a, b *File) int { return strings.Compare(a.Name, b.Name) })
	})
	return known.files, known.err
}

// root stands for the folder that is not in a list.
var root = &File{Name: ".", Mode: fs.ModeDir}

// find returns a file by its path. The error is fs.ErrNotExist if there is none.
func (l *lists) find(name string) (*File, error) {
	if name == "." {
		return root, nil
	}
	files, err := l.in(path.Dir(name))
	if err != nil {
		return nil, err
	}
	i, ok := slices.BinarySearchFunc(files, path.Base(name), func(f *File, name string) int { return strings.Compare(f.Name, name) })
	if !ok {
		return nil, &fs.PathError{Op: "find", Path: name, Err: fs.ErrNotExist}
	}
	return files[i], nil
}

// absent tells whether err says that there is no such file.
func absent(err error) bool { return errors.Is(err, fs.ErrNotExist) }
