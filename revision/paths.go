package revision

import (
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/moby/patternmatcher"
)

// Paths say what of a folder has to be sent so that reads find there what they select.
// They are patterns as in an ignore file, clean and relative to the folder; "." is all of it.
type Paths struct {
	// Entries are wanted by themselves: folders on the way, which may be links.
	Entries []string `json:"entries,omitempty"`
	// Trees are wanted with all below them.
	Trees []string `json:"trees,omitempty"`
}

// Wanted is what reads need of a context if no link is on their way. Where links lead is
// known to whoever has the files: see [Response.Beyond].
func Wanted(reads []Read) Paths {
	w := newWants()
	for _, r := range reads {
		place, wild := r.Path, ""
		if r.Wildcard {
			place, wild = splitWildcards(r.Path)
		}
		w.read(relative(place), wild, r.Include)
	}
	return w.paths()
}

// Join is all that several Paths say.
func Join(all ...Paths) Paths {
	w := newWants()
	for _, p := range all {
		w.add(p)
	}
	return w.paths()
}

// Without leaves out what is in other, too.
func (p Paths) Without(other Paths) Paths {
	known := newWants()
	known.add(other)
	rest := newWants()
	for _, entry := range p.Entries {
		if !known.entries[entry] && !known.within(entry) {
			rest.entries[entry] = true
		}
	}
	for _, tree := range p.Trees {
		if !known.within(tree) {
			rest.trees[tree] = true
		}
	}
	return rest.paths()
}

// Empty tells whether nothing is wanted.
func (p Paths) Empty() bool { return len(p.Entries)+len(p.Trees) == 0 }

// Below is the same seen from the folder that has this one at a path.
func (p Paths) Below(folder string) Paths {
	w := newWants()
	w.way(folder)
	w.entry(folder)
	for _, entry := range p.Entries {
		w.entries[path.Join(Pattern(folder), entry)] = true
	}
	for _, tree := range p.Trees {
		w.trees[path.Join(Pattern(folder), tree)] = true
	}
	return w.paths()
}

// Patterns are the include patterns of a transfer of nothing else; none are for everything.
// That of an entry is taken back for what is below it, so the trees come last.
func (p Paths) Patterns() []string {
	if slices.Contains(p.Trees, ".") {
		return nil
	}
	var patterns []string
	entries := p.outside()
	wild := slices.ContainsFunc(entries, isWild)
	for _, entry := range byDepth(entries) {
		patterns = append(patterns, entry, "!"+entry+"/**")
	}
	for _, tree := range p.Trees {
		if patterns = append(patterns, tree); wild {
			patterns = append(patterns, tree+"/**") // see outside
		}
	}
	return patterns
}

// Outside are exclude patterns for a transfer by Patterns. They take nothing away; where a
// client would look into every folder for what a pattern with wildcards matches, they tell it
// where nothing does.
func (p Paths) Outside() []string {
	if !slices.ContainsFunc(p.Patterns(), func(pattern string) bool { return pattern[0] != '!' && isWild(pattern) }) {
		return nil
	}
	bases := newWants()
	for _, tree := range p.Trees {
		for isWild(tree) {
			tree = path.Dir(tree)
		}
		bases.trees[tree] = true
	}
	bases.add(Paths{Entries: p.Entries})
	below := bases.paths()
	if slices.Contains(below.Trees, ".") || slices.ContainsFunc(below.Entries, isWild) {
		return nil
	}
	patterns := []string{"*"}
	for _, entry := range byDepth(below.Entries) {
		patterns = append(patterns, "!"+entry, entry+"/*")
	}
	for _, tree := range below.Trees {
		patterns = append(patterns, "!"+tree)
	}
	return patterns
}

// outside are the entries that no tree matches. Of a folder that one pattern has matched,
// a matcher forgets that another does, too.
func (p Paths) outside() []string {
	trees, err := patternmatcher.New(slices.DeleteFunc(slices.Clone(p.Trees), func(tree string) bool { return !isWild(tree) }))
	if err != nil || len(trees.Patterns()) == 0 {
		return p.Entries
	}
	return slices.DeleteFunc(slices.Clone(p.Entries), func(entry string) bool {
		matched, err := trees.MatchesOrParentMatches(entry)
		return matched && err == nil && !isWild(entry)
	})
}

func isWild(pattern string) bool { return strings.ContainsAny(pattern, `*?[\`) }

func byDepth(paths []string) []string {
	paths = slices.Clone(paths)
	slices.SortStableFunc(paths, func(a, b string) int { return strings.Count(a, "/") - strings.Count(b, "/") })
	return paths
}

// Pattern is a pattern for a path. What has a meaning in patterns, or cannot be sent
// among them, stands for any character: what escapes it on one system does not on another.
func Pattern(name string) string {
	return printable(strings.Map(func(r rune) rune {
		if strings.ContainsRune(`*?[]\^`, r) {
			return '?'
		}
		return r
	}, name))
}

// Moved are the patterns of an ignore file, for the folder that has the one with that file
// where a pattern without wildcards says.
func Moved(folder string, patterns []string) []string {
	if folder == "." {
		return patterns
	}
	var moved []string
	for _, pattern := range patterns {
		rest, except := strings.CutPrefix(pattern, "!")
		rest = path.Clean(strings.TrimPrefix(rest, "/"))
		if rest == "." || rest == ".." || strings.HasPrefix(rest, "../") {
			continue // no file of the folder has such a name
		}
		rest = folder + "/" + notFirst(rest)
		if except {
			rest = "!" + rest
		}
		moved = append(moved, rest)
	}
	return moved
}

// notFirst is a pattern that means the same behind others: at the start, "**" matches a part
// of a name, unless there is more in the pattern.
func notFirst(pattern string) string {
	rest, ok := strings.CutPrefix(pattern, "**")
	switch {
	case !ok || rest == "" || rest[0] == '/':
		return pattern
	case strings.ContainsAny(rest, `*?[]\`):
		return "**/" + rest
	}
	return "**/*" + rest
}

// wants collects Paths. Nobody has to collect: nil does nothing.
type wants struct{ entries, trees map[string]bool }

func newWants() *wants { return &wants{map[string]bool{}, map[string]bool{}} }

func (w *wants) add(p Paths) {
	for _, entry := range p.Entries {
		w.entries[entry] = true
	}
	for _, tree := range p.Trees {
		w.trees[tree] = true
	}
}

// entry wants a path by itself.
func (w *wants) entry(name string) {
	if w != nil && name != "." {
		w.entries[Pattern(name)] = true
	}
}

// way wants what is on the way to a path.
func (w *wants) way(name string) {
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		w.entry(dir)
	}
}

// read wants what a read selects at a place, by wildcards that begin there or by the
// include patterns of a copy.
func (w *wants) read(place, wild string, include []string) {
	if w == nil {
		return
	}
	var patterns []string
	for _, pattern := range include {
		if pattern = strings.TrimSpace(pattern); pattern != "" { // as a matcher reads it
			patterns = append(patterns, pattern)
		}
	}
	w.way(place)
	switch {
	case wild != "":
		w.entry(place)
		w.trees[path.Join(Pattern(place), wildPattern(wild))] = true
	case len(patterns) > 0 && !slices.ContainsFunc(patterns, func(p string) bool { return strings.HasPrefix(p, "!") }):
		w.entry(place)
		for _, moved := range Moved(Pattern(place), patterns) {
			w.trees[printable(path.Clean(strings.TrimPrefix(moved, "/")))] = true
		}
	default:
		w.trees[Pattern(place)] = true
	}
}

// plainClasses is a name in which lists of characters mean the same to those who expand
// wildcards and to those who match patterns.
var plainClasses = regexp.MustCompile(`^([^\[\\^]|\[([A-Za-z0-9](-[A-Za-z0-9])?)+\])*$`)

// wildPattern is a pattern for what a path with wildcards matches, or for more.
func wildPattern(wild string) string {
	components := strings.Split(wild, "/")
	for i, component := range components {
		if !plainClasses.MatchString(component) {
			component = "*"
		}
		for strings.Contains(component, "**") {
			component = strings.ReplaceAll(component, "**", "*")
		}
		components[i] = component
	}
	return printable(strings.Join(components, "/"))
}

// printable is a pattern that matches no less, without what cannot be sent, and without
// what is not a part of a pattern at its ends.
func printable(text string) string {
	text = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || unicode.IsControl(r) {
			return '?'
		}
		return r
	}, text)
	if strings.HasPrefix(text, "!") || strings.TrimLeftFunc(text, unicode.IsSpace) != text {
		_, size := utf8.DecodeRuneInString(text)
		text = "?" + text[size:]
	}
	if strings.TrimRightFunc(text, unicode.IsSpace) != text {
		_, size := utf8.DecodeLastRuneInString(text)
		text = text[:len(text)-size] + "?"
	}
	return text
}

// within tells whether a path is in a tree that is wanted.
func (w *wants) within(name string) bool {
	for ; ; name = path.Dir(name) {
		if w.trees[name] {
			return true
		}
		if name == "." || name == "/" {
			return false
		}
	}
}

// paths are what is wanted, sorted and without what lies in others.
func (w *wants) paths() Paths {
	var p Paths
	for _, entry := range slices.Sorted(maps.Keys(w.entries)) {
		if !w.within(entry) {
			p.Entries = append(p.Entries, entry)
		}
	}
	for _, tree := range slices.Sorted(maps.Keys(w.trees)) {
		if tree == "." || !w.within(path.Dir(tree)) {
			p.Trees = append(p.Trees, tree)
		}
	}
	return p
}
