package llb

import (
	"maps"
	"path"
	"slices"
	"strings"

	bk "github.com/moby/buildkit/client/llb"
)

// maxPatterns bounds the patterns of the project's context, which travel in
// headers of limited size.
const maxPatterns = 200

// Selection is what of the project's tree the build transfers: all that some
// image's context may hold.
type Selection struct {
	// Include and Exclude are patterns as in an ignore file; no Include means
	// everything.
	Include, Exclude []string
	applied          map[string]bool
}

// Select computes what the images' contexts need together. Ignore files are
// applied here where no other image looks at the same files differently.
func Select(sources map[string]Source) Selection {
	s := Selection{applied: map[string]bool{}}
	ignores := map[string][]string{}
	shared := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(sources)) {
		source := sources[name]
		patterns, seen := ignores[source.Context]
		if seen && !slices.Equal(patterns, source.Ignore) {
			shared[source.Context] = true
		}
		ignores[source.Context] = source.Ignore
	}
	folders := slices.Sorted(maps.Keys(ignores))
	nested := nestedOf(ignores)
	for _, folder := range folders {
		patterns, ok := prefixed(folder, ignores[folder])
		if ok && !nested[folder] && !shared[folder] && len(s.Exclude)+len(patterns) <= maxPatterns {
			s.applied[folder] = true
			s.Exclude = append(s.Exclude, patterns...)
		}
	}
	s.Include = cover(folders)
	return s
}

// State is the context of one image, given the project's tree as selected.
func (s Selection) State(project bk.State, source Source) bk.State {
	if source.Context == "." && (s.applied["."] || len(source.Ignore) == 0) {
		return project
	}
	info := &bk.CopyInfo{
		CopyDirContentsOnly: true,
		FollowSymlinks:      true,
		CreateDestPath:      true,
		ExcludePatterns:     source.Ignore,
	}
	return bk.Scratch().File(
		bk.Copy(project, path.Join("/", source.Context), "/", info),
		bk.WithCustomName("["+source.Name+" internal] context "+source.Context),
	)
}

// within tells whether folder is parent or lies below it.
func within(folder, parent string) bool {
	return parent == "." || folder == parent || strings.HasPrefix(folder, parent+"/")
}

// nestedOf tells which of the folders lie in another or hold one.
func nestedOf[T any](folders map[string]T) map[string]bool {
	nested := map[string]bool{}
	for folder := range folders {
		for parent := folder; parent != path.Dir(parent); {
			parent = path.Dir(parent)
			if _, ok := folders[parent]; ok {
				nested[parent], nested[folder] = true, true
			}
		}
	}
	return nested
}

// cover returns patterns that include all folders: themselves without those
// that lie in another, or fewer of their parents if they are too many.
func cover(folders []string) []string {
	for depth := -1; ; depth-- {
		var patterns []string
		last := ""
		for _, folder := range trimmed(folders, depth) {
			if folder == "." {
				return nil
			}
			if last == "" || !within(folder, last) {
				patterns = append(patterns, Escape(folder))
				last = folder
			}
		}
		if len(patterns) <= maxPatterns {
			return patterns
		}
	}
}

// trimmed shortens the deepest folders: depth -1 keeps them all, each step
// further takes one more level off the longest.
func trimmed(folders []string, depth int) []string {
	longest := 0
	for _, folder := range folders {
		longest = max(longest, strings.Count(folder, "/")+1)
	}
	keep := longest + depth + 1
	var out []string
	for _, folder := range folders {
		parts := strings.Split(folder, "/")
		if len(parts) > keep {
			parts = parts[:max(keep, 0)]
		}
		out = append(out, path.Join(append([]string{"."}, parts...)...))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// prefixed moves an ignore file's patterns from a folder to the project's root.
// It is not ok if one of them would mean something else there.
func prefixed(folder string, patterns []string) (moved []string, ok bool) {
	if folder == "." {
		return patterns, true
	}
	for _, pattern := range patterns {
		rest, except := strings.CutPrefix(pattern, "!")
		rest = path.Clean(strings.TrimPrefix(rest, "/"))
		if rest == "." || rest == ".." || strings.HasPrefix(rest, "../") {
			continue // no file of the folder has such a name
		}
		if starred, ok := strings.CutPrefix(rest, "**"); ok && starred != "" && starred[0] != '/' {
			return nil, false // at the start of a pattern only, "**" matches a part of a name
		}
		rest = Escape(folder) + "/" + rest
		if except {
			rest = "!" + rest
		}
		moved = append(moved, rest)
	}
	return moved, true
}

var escaper = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`)

// Escape makes a pattern of a path that matches just that path.
func Escape(name string) string { return escaper.Replace(name) }
