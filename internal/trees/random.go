package trees

import (
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Random draws trees, and patterns that fit some of their files.
type Random struct {
	*rand.Rand
	// Names are those of files and folders.
	Names []string
}

// OddNames are names that somebody has.
var OddNames = []string{
	"a", "b", "c", "d", "A", "ab", "a b", "[x]", ".h", "x*", "größe", "gro\u0308ße", "caf\xe9", "new\nline", `back\slash`, "-rf", "...", "!y", "#x",
	strings.Repeat("n", 200), "Dockerfile", ".git", ".dockerignore",
}

// Pick is one of several.
func Pick[T any](r *Random, among ...T) T { return among[r.IntN(len(among))] }

// Tree adds files to a folder of a tree, and to folders in it so deep.
func (r *Random) Tree(all Files, dir string, depth int) {
	for range 1 + r.IntN(5) {
		name := path.Join(dir, Pick(r, r.Names...))
		if _, ok := all[name]; ok || slices.ContainsFunc(slices.Collect(maps.Keys(all)), func(other string) bool { return strings.HasPrefix(other, name+"/") }) {
			continue
		}
		switch kind := r.IntN(20); {
		case kind < 6 && depth > 1:
			r.Tree(all, name, depth-1)
		case kind < 8:
			all[name] = Script(name)
		case kind < 11:
			all[name] = Link(r.target(all))
		case kind == 11:
			all[name] = Folder{}
		case kind == 12:
			all[name] = Pipe{}
		case kind == 13:
			all[name] = Socket{}
		default:
			all[name] = strings.Repeat(name, r.IntN(3))
		}
	}
}

// target is where a link leads: to a file or nowhere, by any way.
func (r *Random) target(all Files) string {
	to := path.Join(Pick(r, r.Names...), Pick(r, "", Pick(r, r.Names...)))
	if names := slices.Sorted(maps.Keys(all)); len(names) > 0 && r.IntN(3) > 0 {
		to = Pick(r, names...)
	}
	return Pick(r, "", "", "/", "../", "../../../", "./", "a/../") + to
}

// HardLinks gives some files of a folder a second name.
func (r *Random) HardLinks(t testing.TB, dir string, all Files) {
	for _, name := range slices.Sorted(maps.Keys(all)) {
		_, isFolder := all[name].(Folder)
		other := path.Join(path.Dir(name), "hard")
		if _, ok := all[other]; ok || isFolder || r.IntN(8) > 0 {
			continue
		}
		if err := os.Link(filepath.Join(dir, name), filepath.Join(dir, other)); err != nil {
			t.Fatal(err)
		}
		all[other] = all[name]
	}
}

// Pattern is a file of a tree, a folder, or what fits some of them.
func (r *Random) Pattern(all Files) string {
	name := Pick(r, slices.Sorted(maps.Keys(all))...)
	switch r.IntN(7) {
	case 0:
		return path.Join(path.Dir(name), "*")
	case 1:
		return path.Dir(name)
	case 2:
		return Pick(r, "*", "**", "a*", "*/b", "**/a", "*/*", "[a-c]", "**/.*", "?")
	case 3:
		return strings.NewReplacer("[", "[[]", "*", "?", `\`, "?").Replace(name)
	default:
		return name
	}
}

// Patterns are at most so many, with exceptions, as in an ignore file.
func (r *Random) Patterns(all Files, most int) []string {
	var list []string
	for range r.IntN(most + 1) {
		list = append(list, strings.ToValidUTF8(Pick(r, "", "", "!")+strings.Trim(r.Pattern(all), "/!"), "?"))
	}
	return list
}
