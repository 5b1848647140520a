package revision

import (
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"strings"

	"github.com/moby/patternmatcher"
)

// walker collects the entries of one image, each path once.
type walker struct {
	view    *view
	entries map[string]*File
	folders map[string]bool        // that are copied, also where nothing is in them
	modes   map[string]fs.FileMode // of entries, and of folders with some, whose permission bits count
	noGit   bool                   // .git is left out
	git     []int                  // reads that would take something of it

	chmod   bool     // of the read that is walked: permission bits do not count
	content bool     // of the read that is walked: nor do those of the folder that it names
	met     bool     // it has met .git
	missing []string // paths of reads that need something to be there
}

// collect returns all that reads select in the view.
func collect(v *view, reads []Read) (map[string]*File, error) {
	w, err := walk(v, reads, false)
	return w.entries, err
}

func walk(v *view, reads []Read, noGit bool) (*walker, error) {
	w := &walker{view: v, entries: map[string]*File{}, folders: map[string]bool{}, modes: map[string]fs.FileMode{}, noGit: noGit}
	for i, read := range reads {
		w.chmod, w.content, w.met = read.Chmod, read.Contents, false
		if err := w.read(read); err != nil {
			return w, fmt.Errorf("reading %q: %w", read.Path, err)
		}
		if w.met {
			w.git = append(w.git, i)
		}
	}
	return w, nil
}

// take adds an entry. It is not taken if it is part of what is left out.
func (w *walker) take(name string, file *File) (taken bool) {
	if w.left(name) {
		w.met = true
		return false
	}
	w.entries[name] = file
	if !w.chmod && file.Mode&fs.ModeSymlink == 0 {
		w.modes[name] = file.Mode
	}
	return true
}

// left tells whether a path is left out.
func (w *walker) left(name string) bool {
	return w.noGit && (name == gitFolder || strings.HasPrefix(name, gitFolder+"/"))
}

// gitFolder is what git knows of a project; in a work tree it may be a file.
const gitFolder = ".git"

// needed tells whether a build fails where there is nothing at the path of a read: wildcards
// may name nothing.
func needed(read Read) bool {
	_, wild := splitWildcards(read.Path)
	return !read.Wildcard || wild == ""
}

func (w *walker) read(read Read) error {
	places := []string{read.Path}
	if read.Wildcard {
		var err error
		if places, err = w.expand(read.Path, read.Follow); err != nil {
			return err
		}
	}
	filter, err := newFilter(read.Include, read.Exclude)
	if err != nil {
		return err
	}
	for _, place := range places {
		resolved, err := w.follow(place, read.Follow)
		if err != nil {
			return err
		}
		var file *File
		if resolved != "" {
			file, err = w.view.lstat(resolved)
		}
		gone := resolved == "" || absent(err)
		if !gone && err == nil && file.Mode.IsDir() {
			gone, err = w.view.gone(resolved)
		}
		if gone {
			if needed(read) {
				w.missing = append(w.missing, read.Path)
			}
			continue
		}
		if err != nil {
			return err
		}
		if file.Mode.IsDir() && !(read.Wildcard && resolved == relative(place)) {
			w.view.wants.read(resolved, "", read.Include)
		}
		if _, err := w.tree(resolved, "", file, filter, filterState{}); err != nil {
			return err
		}
	}
	for _, place := range read.Required {
		there, err := w.there(place)
		if err != nil && !absent(err) {
			return err
		}
		if !there {
			w.missing = append(w.missing, place)
		}
	}
	return nil
}

// there tells whether something is at a place that a build can get.
func (w *walker) there(place string) (bool, error) {
	resolved, found, _, err := w.view.resolve(place, false)
	if err != nil || !found {
		return false, err
	}
	file, err := w.view.lstat(resolved)
	if err != nil || !file.Mode.IsDir() {
		return err == nil, err
	}
	gone, err := w.view.gone(resolved)
	return !gone, err
}

// follow resolves a place, "" for none, and notes the links on the way: they are read too.
func (w *walker) follow(place string, follow bool) (string, error) {
	resolved, found, links, err := w.view.resolve(place, follow)
	if err != nil {
		return "", err
	}
	for _, link := range links {
		file, err := w.view.lstat(link)
		if err != nil {
			return "", err
		}
		w.take(link, file)
	}
	if !found {
		return "", nil
	}
	return resolved, nil
}

// expand finds the places that a path with wildcards names, as BuildKit's copy
// does: the part before the first wildcard is resolved, the rest is matched
// against every path below it, and nothing is looked for below a match.
func (w *walker) expand(pattern string, follow bool) ([]string, error) {
	fixed, wild := splitWildcards(pattern)
	if wild == "" {
		return []string{fixed}, nil
	}
	base, err := w.follow(fixed, follow)
	if err != nil || base == "" {
		return nil, err
	}
	w.view.wants.read(base, wild, nil)
	var places []string
	var visit func(dir, rel string) error
	visit = func(dir, rel string) error {
		files, err := w.view.readDir(dir)
		if err != nil {
			return err
		}
		for _, file := range files {
			name, relName := path.Join(dir, file.Name), path.Join(rel, file.Name)
			if matched, _ := filepath.Match(wild, relName); matched {
				places = append(places, name)
			} else if file.Mode.IsDir() {
				if err := visit(name, relName); err != nil {
					return err
				}
			}
		}
		return nil
	}
	file, err := w.view.lstat(base)
	if err != nil || !file.Mode.IsDir() {
		return nil, err
	}
	return places, visit(base, "")
}

// tree adds name and all below it that the filter lets through. rel is the path
// that the filter sees, "" for the place itself, which is always taken. It tells whether
// anything was added; a folder counts where something in it does.
func (w *walker) tree(name, rel string, file *File, filter *filter, parent filterState) (some bool, err error) {
	included, state := true, filterState{}
	if rel != "" {
		if included, state, err = filter.match(rel, parent); err != nil {
			return false, err
		}
	}
	if !file.Mode.IsDir() {
		return included && w.take(name, file), nil
	}
	if state.excluded && filter.prunes() || w.met && w.left(name) {
		return false, nil
	}
	w.folders[name] = true
	files, err := w.view.readDir(name)
	if err != nil {
		return false, err
	}
	for _, file := range files {
		below, err := w.tree(path.Join(name, file.Name), path.Join(rel, file.Name), file, filter, state)
		if err != nil {
			return false, err
		}
		some = some || below
	}
	if some && !w.chmod && name != "." {
		w.permit(name, file, w.content && rel == "")
	}
	return some, nil
}

// permit notes a folder's mode. One whose contents alone are copied has a mode that most
// folders have, unless another read takes it as it is.
func (w *walker) permit(name string, folder *File, contents bool) {
	if !contents {
		w.modes[name] = folder.Mode
	} else if _, known := w.modes[name]; !known {
		w.modes[name] = fs.ModeDir | 0o755
	}
}

// filter is a copy's include and exclude patterns.
type filter struct {
	include, exclude *patternmatcher.PatternMatcher
}

type filterState struct {
	include, exclude patternmatcher.MatchInfo
	excluded         bool
}

func newFilter(include, exclude []string) (*filter, error) {
	f := &filter{}
	var err error
	if len(include) > 0 {
		if f.include, err = patternmatcher.New(include); err != nil {
			return nil, fmt.Errorf("reading include patterns: %w", err)
		}
	}
	if len(exclude) > 0 {
		if f.exclude, err = patternmatcher.New(exclude); err != nil {
			return nil, fmt.Errorf("reading exclude patterns: %w", err)
		}
	}
	return f, nil
}

func (f *filter) match(rel string, parent filterState) (included bool, state filterState, err error) {
	included = true
	if f.include != nil {
		if included, state.include, err = f.include.MatchesUsingParentResults(rel, parent.include); err != nil {
			return false, state, fmt.Errorf("matching include patterns: %w", err)
		}
	}
	if f.exclude != nil {
		if state.excluded, state.exclude, err = f.exclude.MatchesUsingParentResults(rel, parent.exclude); err != nil {
			return false, state, fmt.Errorf("matching exclude patterns: %w", err)
		}
	}
	return included && !state.excluded, state, nil
}

func (f *filter) prunes() bool { return f.exclude == nil || !f.exclude.Exclusions() }

// splitWildcards cuts a path before its first component with a wildcard.
func splitWildcards(name string) (fixed, wild string) {
	components := strings.Split(path.Clean("/" + name)[1:], "/")
	for i, component := range components {
		if hasWildcard(component) {
			return "/" + path.Join(components[:i]...), strings.Join(components[i:], "/")
		}
	}
	return path.Clean("/" + name), ""
}

func hasWildcard(name string) bool {
	for i := 0; i < len(name); i++ {
		switch name[i] {
		case '*', '?', '[':
			return true
		case '\\':
			i++
		}
	}
	return false
}
