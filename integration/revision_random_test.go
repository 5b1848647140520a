//go:build stack

package integration

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/quoitbuild/quoit/internal/dose"
)

// Random trees, container files and changes: where the revision stays, stock BuildKit builds
// the same, but for the group's write bit; where it changes, something else, but for a
// container file that says the same otherwise. QUOIT_TEST_SEED replays a run.
func TestRevisionsOfRandomTrees(t *testing.T) {
	t.Parallel()
	samples, seed := dose.Of(40, 40, 1200), seed(t) // of seven six can be built
	p := newRevisionProject(t)
	cases, changes := make([]revisionCase, samples), make([]change, samples)
	for i := range cases {
		g := &generator{rand.New(rand.NewPCG(seed, uint64(i))), 0}
		cases[i] = g.revisionCase()
		changes[i] = g.change(cases[i])
		p.add(t, fmt.Sprintf("c%d", i), cases[i], cases[i].files)
		after, changed := cases[i], fmt.Sprintf("c%d-changed", i)
		if changes[i].file != "" {
			after.file = changes[i].file
		}
		p.add(t, changed, after, changes[i].files)
		if strings.HasSuffix(changes[i].path, "/") {
			p.salted(t, changed, after, changes[i].files)
		}
	}
	revisions, results := p.revisions(t), p.results(t)
	built, same, late, needless := 0, 0, 0, 0
	for i, c := range cases {
		before, after := fmt.Sprintf("c%d", i), fmt.Sprintf("c%d-changed", i)
		if results[before].err != nil {
			continue // a container file that fits no file
		}
		built++
		ours, stocks := revisions[before] != revisions[after], results[before].String() != results[after].String()
		switch {
		case !ours && !stocks:
			same++
		case !ours && strings.HasPrefix(changes[i].name, "group"):
			late++
		case ours && !stocks && (changes[i].file != "" || strings.Contains(c.file, "--mount") && strings.HasSuffix(changes[i].path, "/")):
			needless++ // the program shows nothing of the folder that is mounted
		case ours != stocks:
			t.Errorf("%s: the revision changes: %t, what BuildKit copies: %t (%v)\ncontainer file:\n%safterwards:\n%sfiles: %q\nimages: %q\n%q",
				changes[i].name, ours, stocks, results[after].err, c.file, changes[i].file, c.files, results[before].files, results[after].files)
		}
	}
	t.Logf("of %d changes %d are none for both, %d for stock BuildKit only by the group's write bit, and %d for Quoit only by the container file or a mount", built, same, late, needless)
	if built < samples/3 {
		t.Errorf("only %d of %d container files can be built", built, samples)
	}
	if needless > samples/10 {
		t.Errorf("%d of %d images change for nothing", needless, built)
	}
}

// seed is where a random test begins: it is logged, and QUOIT_TEST_SEED sets it.
func seed(t *testing.T) uint64 {
	t.Helper()
	seed := uint64(2188917284686573225) // which has found something
	if os.Getenv("QUOIT_TEST_LONG") == "1" {
		seed = rand.Uint64()
	}
	if text := os.Getenv("QUOIT_TEST_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("QUOIT_TEST_SEED=%d", seed)
	return seed
}

// generator draws cases. No two files have the same base name, so that none
// hides another in an image.
type generator struct {
	*rand.Rand
	count int
}

func pick[T any](g *generator, among ...T) T { return among[g.IntN(len(among))] }

func (g *generator) name(kind string) string {
	g.count++
	return fmt.Sprintf(pick(g, "%s%d", "%s%d", "%s %d", "[%s]%d", "%s*%d", ".%s%d", "%sä%d"), kind, g.count)
}

func (g *generator) revisionCase() revisionCase {
	files := sources{}
	g.tree(files, "", 3)
	for len(files) < 3 {
		files[g.name("f")] = "more"
	}
	c := revisionCase{files: files, file: g.containerFile(slices.Sorted(maps.Keys(files)))}
	if g.IntN(2) == 0 {
		var patterns, exceptions string
		for range 1 + g.IntN(3) {
			to := &patterns
			if pick(g, "", "", "!") == "!" {
				to = &exceptions // last: before a folder's pattern they would be a mistake
				*to += "!"
			}
			*to += g.pattern(slices.Sorted(maps.Keys(files))) + "\n"
		}
		files[".dockerignore"] = patterns + exceptions
	}
	return c
}

func (g *generator) tree(files sources, dir string, depth int) {
	for range 1 + g.IntN(4) {
		switch g.IntN(4) {
		case 0:
			if depth > 1 {
				g.tree(files, path.Join(dir, g.name("d")), depth-1)
			}
		case 1:
			files[path.Join(dir, g.name("l"))] = "-> " + g.target(files)
		default:
			name := path.Join(dir, g.name("f"))
			files[name] = pick(g, "", "", "+x ") + name
		}
	}
}

// target is where a link leads: to a file or a folder, by any way, or nowhere.
func (g *generator) target(files sources) string {
	if len(files) == 0 || g.IntN(6) == 0 {
		return "nowhere"
	}
	to := pick(g, slices.Sorted(maps.Keys(files))...)
	if g.IntN(3) == 0 {
		to = path.Dir(to)
	}
	return pick(g, "/", "../../../../", "", "./") + to
}

// pattern is a file, a folder, or what fits some of them.
func (g *generator) pattern(names []string) string {
	// "[*]" would be right, too, but what a client sends for it lacks the file.
	escape := strings.NewReplacer(`[`, `[[]`, `*`, `?`)
	name := pick(g, names...)
	switch g.IntN(6) {
	case 0:
		return path.Join(path.Dir(escape.Replace(name)), "*")
	case 1:
		return pick(g, "*", "f*", "d*", "*/f*", "*/*", "[df]?", ".*")
	case 2:
		return pick(g, "**/f*", "**/d*", "*/**", "**/*1")
	case 3:
		return escape.Replace(path.Dir(name))
	default:
		return escape.Replace(name)
	}
}

func (g *generator) containerFile(names []string) string {
	quoted := func(path string) string { return fmt.Sprintf("[%q, \"/to/\"]", path) }
	show := func(mount string) string {
		return "FROM busybox AS b\nRUN --mount=" + mount + " mkdir /out && cp -a /s/. /out/\nFROM scratch\nCOPY --from=b /out /\n"
	}
	switch g.IntN(9) {
	case 0:
		return "FROM scratch\nCOPY . /\n"
	case 1:
		return show("target=/s")
	case 2:
		if dir := path.Dir(pick(g, names...)); !strings.ContainsAny(dir, " ,") {
			return show("target=/s,source=" + dir)
		}
		return show("target=/s")
	case 3:
		return "FROM scratch\nCOPY --parents " + quoted(g.pattern(names)) + "\n"
	case 4:
		return "FROM scratch AS unused\nCOPY . /\nFROM scratch\nCOPY " + quoted(g.pattern(names)) + "\n"
	case 5:
		if pattern := g.pattern(names); !strings.Contains(pattern, " ") {
			return "FROM scratch\nCOPY --exclude=" + pattern + " . /\n"
		}
		return "FROM scratch\nCOPY --exclude=**/f* . /\n"
	case 6:
		return "FROM scratch\nADD --link " + quoted(g.pattern(names)) + "\n"
	default:
		return "FROM scratch\nCOPY " + quoted(g.pattern(names)) + "\n"
	}
}

// change draws a single change of a tree or of its container file. Folders stay.
func (g *generator) change(c revisionCase) change {
	if g.IntN(8) == 0 {
		return g.rewritten(c)
	}
	names := slices.Sorted(maps.Keys(c.files))
	name := pick(g, names...)
	files := maps.Clone(c.files)
	content := files[name]
	if folders := c.folders(); len(folders) > 0 && g.IntN(8) == 0 {
		folder := pick(g, folders...)
		files[folder] = pick(g, "%700 ", "%711 ", "%1755 ")
		return change{name: "mode of " + folder, path: folder, files: files}
	}
	_, isLink := strings.CutPrefix(content, "-> ")
	remove := func() {
		delete(files, name)
		if dir := path.Dir(name); dir != "." {
			files[dir+"/"] = ""
		}
	}
	kind := pick(g, "removal", "rename", "addition", "content", "content", "mode", "group", "type")
	switch kind {
	case "removal":
		remove()
	case "rename":
		remove()
		files[name+"x"] = content
	case "addition":
		files[path.Join(path.Dir(name), g.name("f"))] = "added"
	case "content":
		if files[name] += "\n"; isLink {
			files[name] = "-> changed"
		}
	case "mode":
		plain, executable := strings.CutPrefix(content, "+x ")
		if files[name] = plain; !executable {
			files[name] = pick(g, "+x ", "%600 ", "%4644 ") + plain
		}
		if isLink {
			files[name] = "now a file"
		}
	case "group":
		if plain, executable := strings.CutPrefix(content, "+x "); executable {
			files[name] = "%775 " + plain
		} else if !isLink {
			files[name] = "%664 " + content
		}
	case "type":
		if files[name] = "-> type"; isLink {
			remove()
			files[name+"/"+g.name("f")] = "now in a folder"
		}
	}
	return change{name: kind + " of " + name, path: name, files: files}
}

// rewritten draws a change of a container file.
func (g *generator) rewritten(c revisionCase) change {
	kind := pick(g, "a comment", "a blank line", "an unused stage", "an argument", "a folder", "one more file")
	file := c.file
	switch kind {
	case "a comment":
		file = strings.ReplaceAll(file, "\n", "\n# comment\n")
	case "a blank line":
		file = "\n" + strings.ReplaceAll(file, "\n", "\n \n")
	case "an unused stage":
		file = "ARG UNUSED=1\nFROM busybox AS none\nCOPY . /\n" + file
	case "an argument":
		file += "ARG NEW=1\n"
	case "a folder":
		file = strings.ReplaceAll(file, "/to/", "/other/")
	case "one more file":
		file += "COPY Dockerfile /more\n"
	}
	return change{name: kind, files: c.files, file: file}
}
