package revision

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/moby/patternmatcher"
)

// maxLinks bounds the links on the way to one file, maxPath the bytes of its
// name, as BuildKit and the kernel do.
const (
	maxLinks = 255
	maxPath  = 4096
)

// view is an image's context as its build sees it: a folder whose links cannot
// leave it, without what the ignore file names. Its paths are relative and
// clean; "." is the folder itself. What was looked at is remembered: the files do
// not change meanwhile.
type view struct {
	root   *os.Root
	ignore *patternmatcher.PatternMatcher
	dirs   map[string]patternmatcher.MatchInfo
	listed map[string][]*dirEntry
	stat   map[string]stat
}

// stat is what is known of one file.
type stat struct {
	info fs.FileInfo
	err  error
}

// dirEntry is an entry of a folder whose info is asked for once.
type dirEntry struct {
	fs.DirEntry
	path string // in the view
	stat stat
}

// Info describes the file; a link is not followed.
func (e *dirEntry) Info() (fs.FileInfo, error) {
	if e.stat.info == nil && e.stat.err == nil {
		e.stat.info, e.stat.err = e.DirEntry.Info()
	}
	return e.stat.info, e.stat.err
}

func newView(root *os.Root, ignore []string) (*view, error) {
	v := &view{
		root: root, dirs: map[string]patternmatcher.MatchInfo{},
		listed: map[string][]*dirEntry{}, stat: map[string]stat{},
	}
	if len(ignore) == 0 {
		return v, nil
	}
	var err error
	if v.ignore, err = patternmatcher.New(ignore); err != nil {
		return nil, fmt.Errorf("reading ignore patterns: %w", err)
	}
	return v, nil
}

// ignored tells whether the ignore file takes name itself away. A folder that
// is ignored may hold files that are not ("!").
func (v *view) ignored(name string) (bool, error) {
	if v.ignore == nil || name == "." {
		return false, nil
	}
	matched, _, err := v.match(name)
	return matched, err
}

func (v *view) match(name string) (bool, patternmatcher.MatchInfo, error) {
	var parent patternmatcher.MatchInfo
	if dir := path.Dir(name); dir != "." {
		info, ok := v.dirs[dir]
		if !ok {
			var err error
			if _, info, err = v.match(dir); err != nil {
				return false, info, err
			}
			v.dirs[dir] = info
		}
		parent = info
	}
	matched, info, err := v.ignore.MatchesUsingParentResults(name, parent)
	if err != nil {
		return false, info, fmt.Errorf("matching ignore patterns: %w", err)
	}
	return matched, info, nil
}

// prune tells whether nothing below an ignored folder can be visible.
func (v *view) prune() bool { return v.ignore != nil && !v.ignore.Exclusions() }

// lstat describes a visible file; a missing or ignored one is fs.ErrNotExist.
func (v *view) lstat(name string) (fs.FileInfo, error) {
	known, ok := v.stat[name]
	if !ok {
		known.info, known.err = v.lookAt(name)
		v.stat[name] = known
	}
	return known.info, known.err
}

func (v *view) lookAt(name string) (fs.FileInfo, error) {
	info, err := v.root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return info, nil
	}
	ignored, err := v.ignored(name)
	if err != nil {
		return nil, err
	}
	if ignored {
		return nil, &fs.PathError{Op: "lstat", Path: name, Err: fs.ErrNotExist}
	}
	return info, nil
}

// readDir lists a folder's entries by name, without ignored files and without
// ignored folders that cannot hold anything visible.
func (v *view) readDir(name string) ([]*dirEntry, error) {
	if visible, ok := v.listed[name]; ok {
		return visible, nil
	}
	dir, err := v.root.Open(name)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	all, err := dir.ReadDir(-1)
	if err != nil {
		return nil, err
	}
	var visible []*dirEntry
	for _, entry := range all {
		e := &dirEntry{DirEntry: entry, path: path.Join(name, entry.Name())}
		ignored, err := v.ignored(e.path)
		if err != nil {
			return nil, err
		}
		if !ignored || entry.IsDir() && !v.prune() {
			visible = append(visible, e)
		}
	}
	slices.SortFunc(visible, func(a, b *dirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	v.listed[name] = visible
	return visible, nil
}

// resolve follows the links in name, the last one too if follow is set, and
// returns the path without links and the links that were on the way. It finds
// the file that BuildKit's copies and mounts find, whose rules are those of
// continuity's fs.RootPath: an absolute target starts at the view's root, ".."
// stops there, and in a relative target it takes away the name before it even
// if that is a link. If there is no such file the path is "".
func (v *view) resolve(name string, follow bool) (resolved string, links []string, err error) {
	if len(name) > maxPath {
		return "", nil, fmt.Errorf("resolving %.40q…: the path is too long", name)
	}
	t := trail{view: v, seen: map[string]bool{}}
	dir, last := path.Clean("/"+name), ""
	if !follow {
		dir, last = path.Split(dir)
	}
	for again := true; again; {
		if dir, again, err = t.pass(dir); err != nil {
			return "", nil, fmt.Errorf("resolving %q: %w", name, err)
		}
	}
	resolved = relative(path.Join(dir, last))
	if mode, _, err := t.look(resolved, false); err != nil || mode == missing {
		return "", t.links, err
	}
	return resolved, t.links, nil
}

// trail is what resolve meets on its way.
type trail struct {
	view  *view
	links []string // without repetition
	seen  map[string]bool
	count int // of links in passes
}

// pass goes along a path once and puts the target in place of each link, which
// may be, or lie behind, a link again.
func (t *trail) pass(name string) (result string, again bool, err error) {
	result = "/"
	plain, gone := true, false // result has no link on its way; does not exist
	for component := range strings.SplitSeq(name, "/") {
		next := path.Join(result, component)
		gone = gone && component != ".."
		if gone || next == "/" {
			result = next
			continue
		}
		mode, target, err := t.look(relative(next), plain)
		if err != nil {
			return "", false, err
		}
		plain, gone = plain && mode.IsDir(), mode == missing
		switch {
		case mode&fs.ModeSymlink == 0:
			result = next
			continue
		case path.IsAbs(target):
			result = target
		default:
			result = path.Join(result, target)
		}
		again = true
		if t.count++; t.count > maxLinks || len(result) > maxPath {
			return "", false, errLinks
		}
	}
	return result, again, nil
}

// missing is the mode of a file that does not exist.
const missing = fs.ModeIrregular

// look returns the type of a file and a link's target. If it may lie behind a
// link it is found as the kernel does it, which knows nothing of the view's
// root: what leads out of that leads to no file.
func (t *trail) look(name string, plain bool) (mode fs.FileMode, target string, err error) {
	if plain {
		return t.lookPlain(name)
	}
	at, count := ".", 0
	for rest := strings.Split(name, "/"); ; {
		component := rest[0]
		rest = rest[1:]
		if component == ".." && at == "." {
			return missing, "", nil
		}
		next := path.Join(at, component)
		if mode, target, err = t.lookPlain(next); err != nil || mode == missing || len(rest) == 0 {
			return mode, target, err
		}
		switch {
		case mode.IsDir():
			at = next
		case mode&fs.ModeSymlink == 0 || path.IsAbs(target):
			return missing, "", nil
		default:
			if count++; count > maxLinks {
				return missing, "", errLinks
			}
			rest = append(strings.Split(target, "/"), rest...)
		}
	}
}

var errLinks = errors.New("too many links")

// lookPlain is look for a path without links on the way.
func (t *trail) lookPlain(name string) (mode fs.FileMode, target string, err error) {
	info, err := t.view.lstat(name)
	if absent(err) {
		return missing, "", nil
	}
	if err != nil {
		return missing, "", err
	}
	mode = info.Mode().Type()
	if mode&fs.ModeSymlink == 0 {
		return mode, "", nil
	}
	if !t.seen[name] {
		t.seen[name] = true
		t.links = append(t.links, name)
	}
	target, err = t.view.root.Readlink(name)
	return mode, target, err
}

// relative makes a path that begins at the view's root one of the view's.
func relative(name string) string {
	return path.Join(".", strings.TrimPrefix(path.Clean("/"+name), "/"))
}

// absent tells whether err says that there is no such file, also because a
// file stands where a folder would have to be.
func absent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, errNotDir)
}
