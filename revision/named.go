package revision

import (
	"maps"
	"path"
	"slices"
	"unicode/utf8"

	"github.com/quoitbuild/quoit/overlay"
)

// named are the places where the files of an image name images. What cannot be read has
// none, and what is beyond the bounds of [overlay] is not looked at: this is help, and
// never decides a revision.
func named(tree Tree, read imageTree) (uses []overlay.Use) {
	files := 0
	for _, name := range slices.Sorted(maps.Keys(read.entries)) {
		if !overlay.Is(name) || !utf8.ValidString(name) || !read.entries[name].Mode.IsRegular() {
			continue
		}
		if files++; files > overlay.MaxFiles {
			return uses
		}
		name = path.Join(read.context, name)
		data, err := tree.Read(path.Join(read.root, name), overlay.MaxFile)
		if err != nil {
			continue
		}
		uses = append(uses, overlay.Find(name, data)...)
	}
	return uses
}
