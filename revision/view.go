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

// maxLinks bounds the links on the way to one file, as the kernel does.
const maxLinks = 255

// view is an image's context as its build sees it: a folder whose links cannot
// leave it, without what the ignore file names. Its paths are relative and
// clean; "." is the folder itself.
type view struct {
	root   *os.Root
	ignore *patternmatcher.PatternMatcher
	dirs   map[string]patternmatcher.MatchInfo
}

func newView(root *os.Root, ignore []string) (*view, error) {
	v := &view{root: root, dirs: map[string]patternmatcher.MatchInfo{}}
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
func (v *view) readDir(name string) ([]fs.DirEntry, error) {
	dir, err := v.root.Open(name)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	all, err := dir.ReadDir(-1)
	if err != nil {
		return nil, err
	}
	var visible []fs.DirEntry
	for _, entry := range all {
		ignored, err := v.ignored(path.Join(name, entry.Name()))
		if err != nil {
			return nil, err
		}
		if !ignored || entry.IsDir() && !v.prune() {
			visible = append(visible, entry)
		}
	}
	slices.SortFunc(visible, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return visible, nil
}

// resolve follows the links in name, the last one too if follow is set, and
// returns the path without links and the links that were on the way. Links are
// read as in a container: an absolute target starts at the view's root, and
// ".." stops there. A missing file is resolved as far as it exists.
func (v *view) resolve(name string, follow bool) (resolved string, links []string, err error) {
	rest := strings.Split(path.Clean("/" + name)[1:], "/")
	resolved = "."
	for len(rest) > 0 {
		component := rest[0]
		rest = rest[1:]
		switch component {
		case "", ".":
			continue
		case "..":
			resolved = path.Dir(resolved)
			continue
		}
		next := path.Join(resolved, component)
		target, isLink, err := v.link(next)
		if err != nil {
			return "", nil, err
		}
		if !isLink || len(rest) == 0 && !follow {
			resolved = next
			continue
		}
		if links = append(links, next); len(links) > maxLinks {
			return "", nil, fmt.Errorf("resolving %q: too many links", name)
		}
		if path.IsAbs(target) {
			resolved = "."
		}
		rest = append(strings.Split(target, "/"), rest...)
	}
	return resolved, links, nil
}

func (v *view) link(name string) (target string, isLink bool, err error) {
	info, err := v.lstat(name)
	if absent(err) || err == nil && info.Mode()&fs.ModeSymlink == 0 {
		return "", false, nil
	}
	if err != nil {
		return "", false, err
	}
	target, err = v.root.Readlink(name)
	return target, true, err
}

// absent tells whether err says that there is no such file, also because a
// file stands where a folder would have to be.
func absent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, errNotDir)
}
