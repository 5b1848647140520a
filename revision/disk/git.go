package disk

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/quoitbuild/quoit/internal/input"
)

// The bounds of what is read of git: an entry of an index has about a hundred bytes.
const (
	maxIndex   = 1 << 29 // bytes of an index
	maxGitFile = 1 << 16 // of a file that says where a work tree's repository is
	maxIndexes = 1000    // of a work tree and its submodules
)

// Executables tells which files of a project's folder count as executable, by path in the
// folder with slashes, as [Options] wants it. It is nil where the disk says it. Windows does not:
// there a file is what git's index says of it, as with core.fileMode off. One that git
// does not know, and would add as not executable, is none; without an index every file is
// executable, as Docker's and BuildKit's own clients send them.
func Executables(dir string) (func(name string) bool, error) {
	if runtime.GOOS != "windows" {
		return nil, nil
	}
	return executables(dir)
}

func executables(dir string) (func(name string) bool, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	g := gitTree{executable: map[string]bool{}, seen: map[string]bool{}}
	for top := dir; ; top = filepath.Dir(top) {
		file, err := indexFile(top)
		if err == nil && file != "" {
			err = g.read(top, file, "")
		}
		if err != nil {
			return nil, err
		}
		prefix, err := filepath.Rel(top, dir)
		switch {
		case err != nil:
			return nil, err
		case len(g.seen) > 0:
			return func(name string) bool { return g.executable[key(filepath.ToSlash(prefix), name)] }, nil
		case file != "" || top == filepath.Dir(top):
			return func(string) bool { return true }, nil
		}
	}
}

// gitTree is a git work tree with its submodules.
type gitTree struct {
	executable map[string]bool // by key
	seen       map[string]bool // indexes
}

// key is a path on a disk that does not tell the case of letters.
func key(folder, name string) string { return strings.ToLower(path.Join(folder, name)) }

// read adds what the index of a work tree says, which lies at a path in the whole. It adds
// nothing if there is no index.
func (g gitTree) read(top, index, at string) error {
	if g.seen[index] || len(g.seen) == maxIndexes {
		return nil
	}
	data, err := input.Read(index, maxIndex)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	g.seen[index] = true
	var entries []indexEntry
	if err == nil {
		entries, err = decodeIndex(data)
	}
	if err != nil {
		return fmt.Errorf("reading git's index %s, which says what is executable: %w", index, err)
	}
	for _, entry := range entries {
		switch {
		case entry.mode == gitExecutable && (entry.stage == 0 || entry.stage == ours):
			g.executable[key(at, entry.name)] = true
		case entry.mode == gitLink && filepath.IsLocal(filepath.FromSlash(entry.name)):
			module := filepath.Join(top, filepath.FromSlash(entry.name))
			file, err := indexFile(module)
			if err == nil && file != "" {
				err = g.read(module, file, path.Join(at, entry.name))
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// indexFile is where the index of a work tree is, "" if top is none. A submodule, and a
// second work tree of a repository, has a file that names the folder.
func indexFile(top string) (string, error) {
	git := filepath.Join(top, ".git")
	text, err := input.Read(git, maxGitFile)
	if kind := new(input.NotRegularError); errors.As(err, &kind) && kind.Mode.IsDir() {
		return filepath.Join(git, "index"), nil
	}
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errNotDir) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	folder, ok := strings.CutPrefix(string(text), "gitdir: ")
	folder = filepath.FromSlash(strings.TrimRight(folder, "\r\n"))
	if !ok || folder == "" || strings.HasPrefix(filepath.VolumeName(folder), `\\`) {
		return "", nil // no work tree, or one of another machine, which is not called
	}
	if !filepath.IsAbs(folder) {
		folder = filepath.Join(top, folder)
	}
	return filepath.Join(folder, "index"), nil
}

// Modes of entries, and the side of a merge that the work tree had.
const (
	gitLink       = 0o160000
	gitExecutable = 0o100755
	ours          = 2
)

type indexEntry struct {
	name  string
	mode  uint32
	stage uint16
}

var errIndex = errors.New("it is damaged: see what git status says")

// decodeIndex reads git's index, in the versions 2 to 4 as in gitformat-index(5).
func decodeIndex(data []byte) ([]indexEntry, error) {
	if len(data) < 12 || string(data[:4]) != "DIRC" {
		return nil, errIndex
	}
	version, count := binary.BigEndian.Uint32(data[4:]), binary.BigEndian.Uint32(data[8:])
	if version < 2 || version > 4 {
		return nil, fmt.Errorf("version %d is not known: run git update-index --index-version 4", version)
	}
	// It does not say how long its names of objects are: those of SHA-1, or of SHA-256.
	entries, err := decodeEntries(data, version, count, 20)
	if err != nil {
		if longer, other := decodeEntries(data, version, count, 32); other == nil {
			return longer, nil
		}
	}
	return entries, err
}

// fixedSize is what an entry has before the object's name: times, numbers, mode, owner, size.
const fixedSize = 40

func decodeEntries(data []byte, version, count uint32, object int) ([]indexEntry, error) {
	var entries []indexEntry
	name, at := "", 12 // a split index has entries without a name
	for range count {
		start, flagsAt := at, at+fixedSize+object
		if flagsAt+4 > len(data) {
			return nil, errIndex
		}
		mode, flags := binary.BigEndian.Uint32(data[start+24:]), binary.BigEndian.Uint16(data[flagsAt:])
		at = flagsAt + 2
		if version > 2 && flags&0x4000 != 0 {
			at += 2
		}
		kept := 0
		if version == 4 {
			cut, size := decodeOffset(data[at:])
			if size == 0 || cut > uint64(len(name)) {
				return nil, errIndex
			}
			kept, at = len(name)-int(cut), at+size
		}
		length := bytes.IndexByte(data[min(at, len(data)):], 0)
		if length < 0 {
			return nil, errIndex
		}
		name = name[:kept] + string(data[at:at+length])
		if at += length + 1; version != 4 {
			at = start + (at-1-start+8)/8*8
		}
		if !validEntry(name, mode, flags) {
			return nil, errIndex
		}
		entries = append(entries, indexEntry{name, mode, flags >> 12 & 3})
	}
	return entries, checkExtensions(data, at, object)
}

// validEntry tells whether an entry can be one.
func validEntry(name string, mode uint32, flags uint16) bool {
	if length := int(flags & 0xfff); length != min(len(name), 0xfff) {
		return false
	}
	switch mode >> 12 {
	case 0o4, 0o10, 0o12, 0o16: // a folder that is not checked out, a file, a link, a submodule
		return mode <= math.MaxUint16 && !strings.HasPrefix(name, "/")
	}
	return false
}

// decodeOffset reads a number as git's packs have it; size is 0 if there is none.
func decodeOffset(data []byte) (value uint64, size int) {
	for i, b := range data[:min(len(data), 9)] {
		value = value<<7 | uint64(b&0x7f)
		if b&0x80 == 0 {
			return value, i + 1
		}
		value++
	}
	return 0, 0
}

// checkExtensions refuses an index that cannot be read without what comes after its
// entries, as if these are in another file.
func checkExtensions(data []byte, at, object int) error {
	for at < len(data)-object {
		if at+8 > len(data)-object {
			return errIndex
		}
		switch name := string(data[at : at+4]); {
		case name == "link":
			return errors.New("it is a split one: run git update-index --no-split-index")
		case name != "sdir" && (name[0] < 'A' || name[0] > 'Z'):
			return errIndex // what would have to be understood
		}
		at += 8 + int(binary.BigEndian.Uint32(data[at+4:]))
	}
	if at != len(data)-object {
		return errIndex
	}
	return nil
}
