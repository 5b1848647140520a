package revision

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/moby/patternmatcher"
)

// maxLinks bounds the links on the way to one file, maxPath the bytes of its path
// and maxName those of each name in it, as BuildKit and the kernel do.
const (
	maxLinks = 255
	maxPath  = 4096
	maxName  = 255
)

// view is an image's context as its build sees it: a folder whose links cannot
// leave it, without what the ignore file names. Its paths are relative and
// clean; "." is the folder itself. What was looked at is remembered: the files do
// not change meanwhile.
type view struct {
	lists   *lists
	context string // the folder in the tree
	ignore  *patternmatcher.PatternMatcher
	dirs    map[string]patternmatcher.MatchInfo
	visible map[string][]*File
	wants   *wants // gets what is looked for and not there; may be nil
}

func newView(lists *lists, context string, ignore []string) (*view, error) {
	v := &view{lists: lists, context: context, dirs: map[string]patternmatcher.MatchInfo{}, visible: map[string][]*File{}}
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
func (v *view) ignored(name string, mode fs.FileMode) (bool, error) {
	if v.ignore == nil || name == "." {
		return false, nil
	}
	matched, _, err := v.match(name)
	if err != nil || matched || !mode.IsRegular() || !v.ignore.Exclusions() {
		return matched, err
	}
	// Clients walk by the one rule and open files by the other.
	unopened, err := v.ignore.MatchesOrParentMatches(name)
	if err == nil && unopened {
		err = fmt.Errorf("the ignore file excepts %s (!), and a later pattern ignores the folder again that it lies in: clients send such a file without its contents; let the exception be the last pattern", name)
	}
	return false, err
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

// gone tells whether a folder is ignored with all that is in it: clients do not send it.
func (v *view) gone(name string) (bool, error) {
	ignored, err := v.ignored(name, fs.ModeDir)
	if err != nil || !ignored {
		return false, err
	}
	files, err := v.readDir(name)
	if err != nil {
		return false, err
	}
	for _, file := range files {
		if !file.Mode.IsDir() {
			return false, nil
		}
		if gone, err := v.gone(path.Join(name, file.Name)); err != nil || !gone {
			return false, err
		}
	}
	return true, nil
}

// lstat describes a visible file; a missing or ignored one is fs.ErrNotExist.
func (v *view) lstat(name string) (*File, error) {
	file, err := v.lists.find(path.Join(v.context, name))
	if absent(err) {
		v.wants.entry(name)
	}
	if err != nil || file.Mode.IsDir() {
		return file, err
	}
	ignored, err := v.ignored(name, file.Mode)
	if err != nil {
		return nil, err
	}
	if ignored {
		return nil, &fs.PathError{Op: "lstat", Path: name, Err: fs.ErrNotExist}
	}
	return file, nil
}

// readDir lists a folder's entries by name, without ignored files and without
// ignored folders that cannot hold anything visible.
func (v *view) readDir(name string) ([]*File, error) {
	if visible, ok := v.visible[name]; ok {
		return visible, nil
	}
	all, err := v.lists.in(path.Join(v.context, name))
	if err != nil {
		return nil, err
	}
	visible := all
	if v.ignore != nil {
		visible = nil
		for _, file := range all {
			ignored, err := v.ignored(path.Join(name, file.Name), file.Mode)
			if err != nil {
				return nil, err
			}
			if !ignored || file.Mode.IsDir() && !v.prune() {
				visible = append(visible, file)
			}
		}
	}
	v.visible[name] = visible
	return visible, nil
}

// resolve follows the links in name, the last one too if follow is set, and
// returns the path without links and the links that were on the way. It finds
// the file that BuildKit's copies and mounts find, whose rules are those of
// continuity's fs.RootPath: an absolute target starts at the view's root, ".."
// stops there, and in a relative target it takes away the name before it even
// if that is a link. If there is no such file the path is "".
func (v *view) resolve(name string, follow bool) (resolved string, found bool, links []string, err error) {
	if len(name) > maxPath {
		return "", false, nil, fmt.Errorf("resolving %.40q…: the path is too long", name)
	}
	for component := range strings.SplitSeq(name, "/") {
		if len(component) > maxName {
			return "", false, nil, fmt.Errorf("resolving %.40q…: the name is too long", component)
		}
	}
	t := trail{view: v, seen: map[string]bool{}}
	dir, last := path.Clean("/"+name), ""
	if !follow {
		dir, last = path.Split(dir)
	}
	for again := true; again; {
		if dir, again, err = t.pass(dir); err != nil {
			return "", false, nil, fmt.Errorf("resolving %q: %w", name, err)
		}
	}
	resolved = relative(path.Join(dir, last))
	mode, _, err := t.look(resolved, false)
	if found = err == nil && mode != missing; !found {
		v.wants.read(resolved, "", nil)
	}
	return resolved, found, t.links, err
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
	file, err := t.view.lstat(name)
	if absent(err) {
		return missing, "", nil
	}
	if err != nil {
		return missing, "", err
	}
	if file.Mode&fs.ModeSymlink == 0 {
		return file.Mode.Type(), "", nil
	}
	if !t.seen[name] {
		t.seen[name] = true
		t.links = append(t.links, name)
	}
	return file.Mode.Type(), file.Target, nil
}

// relative makes a path that begins at the view's root one of the view's.
func relative(name string) string {
	return path.Join(".", strings.TrimPrefix(path.Clean("/"+name), "/"))
}
