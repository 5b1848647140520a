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
)

// Random trees, container files and changes: the revision changes if and only
// if what stock BuildKit builds does. QUOIT_TEST_SEED replays a run.
func TestRevisionsOfRandomTrees(t *testing.T) {
	t.Parallel()
	samples, seed := 40, seed(t)
	if os.Getenv("QUOIT_TEST_LONG") == "1" {
		samples = 400
	}
	p := newRevisionProject(t)
	cases, changes := make([]revisionCase, samples), make([]change, samples)
	for i := range cases {
		g := &generator{rand.New(rand.NewPCG(seed, uint64(i))), 0}
		cases[i] = g.revisionCase()
		changes[i] = g.change(cases[i].files)
		p.add(t, fmt.Sprintf("c%d", i), cases[i], cases[i].files)
		p.add(t, fmt.Sprintf("c%d-changed", i), cases[i], changes[i].files)
	}
	revisions, results := p.revisions(t), p.results(t)
	built := 0
	for i, c := range cases {
		before, after := fmt.Sprintf("c%d", i), fmt.Sprintf("c%d-changed", i)
		if results[before].err != nil {
			continue // a container file that fits no file
		}
		built++
		ours, stocks := revisions[before] != revisions[after], results[before].String() != results[after].String()
		if ours != stocks {
			t.Errorf("%s: the revision changes: %t, what BuildKit copies: %t (%v)\ncontainer file:\n%sfiles: %q\nimages: %q\n%q",
				changes[i].name, ours, stocks, results[after].err, c.file, c.files, results[before].files, results[after].files)
		}
	}
	if built < samples/3 {
		t.Errorf("only %d of %d container files can be built", built, samples)
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
		var text string
		for range 1 + g.IntN(3) {
			text += pick(g, "", "", "!") + g.pattern(slices.Sorted(maps.Keys(files))) + "\n"
		}
		files[".dockerignore"] = text
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

// change draws a single change of a tree. Folders stay.
func (g *generator) change(files sources) change {
	names := slices.Sorted(maps.Keys(files))
	name := pick(g, names...)
	files = maps.Clone(files)
	content := files[name]
	_, isLink := strings.CutPrefix(content, "-> ")
	remove := func() {
		delete(files, name)
		if dir := path.Dir(name); dir != "." {
			files[dir+"/"] = ""
		}
	}
	kind := pick(g, "removal", "rename", "addition", "content", "content", "mode", "type")
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
	case "type":
		if files[name] = "-> type"; isLink {
			remove()
			files[name+"/"+g.name("f")] = "now in a folder"
		}
	}
	return change{name: kind + " of " + name, path: name, files: files}
}
