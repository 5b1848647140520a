//go:build stack

package integration

import (
	"crypto/rand"
	"fmt"
	"io/fs"
	"maps"
	random "math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/quoitbuild/quoit/internal/dose"
	"github.com/quoitbuild/quoit/internal/trees"
	"github.com/quoitbuild/quoit/versioning"
)

// comparedProject is a project that is planned here and by a BuildKit.
type comparedProject struct {
	dir, name string
	images    map[string]string // what the manifest says of it, by image
	told      map[string]string // what a failure says of it, by image
}

func newCompared(t *testing.T) *comparedProject {
	t.Helper()
	p := &comparedProject{dir: t.TempDir(), name: "t" + strings.ToLower(rand.Text()[:10]) + "/equal", images: map[string]string{}, told: map[string]string{}}
	p.add(t, "root", "root", "", trees.Files{"Dockerfile": "FROM scratch\n"})
	return p
}

// add adds an image with its context; more is what else the manifest says of it.
func (p *comparedProject) add(t *testing.T, image, context, more string, files trees.Files) {
	t.Helper()
	trees.Plant(t, filepath.Join(p.dir, context), files)
	p.images[image] = fmt.Sprintf("{context: %q%s}", context, more)
	p.told[image] = fmt.Sprintf("%q", files)
}

func (p *comparedProject) manifest(images map[string]string) string {
	var m strings.Builder
	fmt.Fprintf(&m, "project: %s\nregistry: %s\nroot: root\nimages:\n", p.name, stack.Registry)
	for _, image := range slices.Sorted(maps.Keys(images)) {
		fmt.Fprintf(&m, "  %s: %s\n", image, images[image])
	}
	return m.String()
}

// planHere is the plan that quoit makes without a BuildKit, or what it refuses.
func planHere(t *testing.T, dir string, flags ...string) (versioning.Plan, string) {
	t.Helper()
	stdout, stderr, code := quoit(t, dir, append([]string{"plan", "-o", "json", "--addr", "unix:///nowhere/buildkitd.sock"}, flags...)...)
	if code != 0 {
		return versioning.Plan{}, stderr
	}
	return parsePlan(t, []byte(stdout)), ""
}

// planThere is the plan that the frontend image makes in BuildKit of a context, which is the
// last argument, or what it refuses.
func planThere(t *testing.T, dir string, args ...string) (versioning.Plan, string) {
	t.Helper()
	args = append([]string{
		"build", "--progress=plain", "--call=quoit.plan,format=json", "-f", "quoit.yaml",
		"--build-arg", "BUILDKIT_SYNTAX=" + frontendImage(t), "--build-arg", "QUOIT_REGISTRY=" + stack.Registry,
	}, args...)
	cmd := stack.Command(t.Context(), "buildx", args...)
	var progress strings.Builder
	cmd.Dir, cmd.Stderr = dir, &progress
	out, err := cmd.Output()
	if err != nil {
		return versioning.Plan{}, fmt.Sprintf("%s\n%v", progress.String(), err)
	}
	return parsePlan(t, out), ""
}

var (
	refusedImage = regexp.MustCompile(`\b(case|random)-[0-9]+\b`)
	excerpt      = regexp.MustCompile(`^ *[0-9]* \| `) // may show the lines of others
)

// refused are the images that a refusal names.
func refused(refusal string) []string {
	if _, after, ok := strings.Cut(refusal, "\nERROR: "); ok {
		refusal = after // what comes before is progress
	}
	var names []string
	for line := range strings.Lines(refusal) {
		if !strings.HasPrefix(line, "warning: ") && !excerpt.MatchString(line) {
			names = append(names, refusedImage.FindAllString(line, -1)...)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// compare plans the project both ways, and again without the images that both refuse.
// It returns the plan.
func (p *comparedProject) compare(t *testing.T) versioning.Plan {
	t.Helper()
	for {
		here, there, refusedHere, refusedThere := p.plans(t, p.images)
		if refusedHere == nil {
			p.diff(t, here, there)
			return here
		}
		for _, name := range append(refusedHere, refusedThere...) {
			if manifest, ok := p.images[name]; ok && !slices.Equal(refusedHere, refusedThere) {
				// Which one is found first may differ. Alone both must refuse it.
				if _, _, again, _ := p.plans(t, map[string]string{"root": p.images["root"], name: manifest}); again == nil {
					t.Errorf("image %s is refused beside others only: %s", name, p.told[name])
				}
			}
			delete(p.images, name)
		}
	}
}

// plans are those of some images, or else those of them that both refuse.
func (p *comparedProject) plans(t *testing.T, images map[string]string) (here, there versioning.Plan, refusedHere, refusedThere []string) {
	t.Helper()
	write(t, p.dir, "quoit.yaml", p.manifest(images))
	here, whyHere := planHere(t, p.dir, "--ring", "none")
	there, whyThere := planThere(t, p.dir, "--build-arg", "QUOIT_RING=none", ".")
	refusedHere, refusedThere = refused(whyHere), refused(whyThere)
	if (whyHere == "") != (whyThere == "") || whyHere != "" && len(refusedHere)*len(refusedThere) == 0 {
		for _, name := range append(refusedHere, refusedThere...) {
			t.Logf("image %s: %s", name, p.told[name])
		}
		t.Fatalf("refused here:\n%s\nin BuildKit:\n%s", whyHere, whyThere)
	}
	return here, there, refusedHere, refusedThere
}

func (p *comparedProject) diff(t *testing.T, here, there versioning.Plan) {
	t.Helper()
	unsourced(&here)
	unsourced(&there)
	if len(here.Images) == len(there.Images) {
		for i, image := range here.Images {
			if diff := cmp.Diff(image, there.Images[i]); diff != "" {
				t.Errorf("image %s (-here +in BuildKit):\n%s\nfiles: %s", image.Name, diff, p.told[image.Name])
			}
		}
		here.Images, there.Images = nil, nil
	}
	if diff := cmp.Diff(here, there); diff != "" {
		t.Errorf("the plan (-here +in BuildKit):\n%s", diff)
	}
}

// What an image reads is the same where the project lies and in a BuildKit that was sent
// it: of the contexts whose revisions are compared with stock builds, and of random ones.
// QUOIT_TEST_SEED replays a run.
func TestWhatIsReadIsTheSameHereAndOnBuildKit(t *testing.T) {
	t.Parallel()
	seed := seed(t)
	p := newCompared(t)
	p.add(t, "onbuild", "onbuild", "", trees.Files{"Dockerfile": "FROM scratch\nCOPY Dockerfile /in/\nONBUILD COPY triggered /in/\n"})
	for i, c := range revisionCases {
		p.addCase(t, fmt.Sprintf("case-%d", i), c)
	}
	p.addNamed(t)
	count := dose.Of(40, 40, 400)
	for i := range count {
		g := &wild{trees.Random{Rand: random.New(random.NewPCG(seed, uint64(i))), Names: oddNames}}
		g.addTo(t, p, fmt.Sprintf("random-%d", i))
	}
	images := p.compare(t).Images
	if len(images) < len(revisionCases)+2+count*2/3 {
		t.Errorf("only %d images can be planned", len(images))
	}
	revisions := map[string]bool{}
	for _, image := range images {
		revisions[image.Revision] = true
	}
	if len(revisions) < len(images)*9/10 {
		t.Errorf("%d images have %d revisions only", len(images), len(revisions))
	}
}

// The plan of a clone is that of the repository it was cloned from.
func TestWhatIsReadIsTheSameInACloneAndAGitContext(t *testing.T) {
	t.Parallel()
	seed := seed(t)
	p := newCompared(t)
	count := dose.Of(20, 20, 200)
	for i := range count {
		g := &wild{trees.Random{Rand: random.New(random.NewPCG(seed, uint64(i))), Names: slices.DeleteFunc(slices.Clone(oddNames), func(name string) bool { return name == ".git" })}}
		g.addTo(t, p, fmt.Sprintf("random-%d", i))
	}
	asGitKeeps(t, p.dir)
	before := p.planned(t)
	address := gitServer(t, p.dir)
	clone := filepath.Join(t.TempDir(), "clone")
	url, _, _ := strings.Cut(address, "#")
	run(t, p.dir, "git", "clone", "-q", url, clone)
	here, refusedHere := planHere(t, clone, "--ring", "none")
	there, refusedThere := planThere(t, clone, "--build-arg", "QUOIT_RING=none", address)
	if refusedHere != "" || refusedThere != "" {
		t.Fatalf("refused here:\n%s\nin BuildKit:\n%s", refusedHere, refusedThere)
	}
	p.diff(t, here, there)
	p.diff(t, before, here)
}

// asGitKeeps takes away what git leaves out: sockets, pipes, and folders without files.
func asGitKeeps(t *testing.T, dir string) {
	t.Helper()
	var folders []string
	err := filepath.WalkDir(dir, func(file string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir():
			folders = append(folders, file)
		case e.Type()&(fs.ModeSocket|fs.ModeNamedPipe) != 0:
			return os.Remove(file)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range slices.Backward(folders) {
		if entries, err := os.ReadDir(folder); err == nil && len(entries) == 0 {
			if err := os.Remove(folder); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// planned is the plan that is made here, of all images that are not refused.
func (p *comparedProject) planned(t *testing.T) versioning.Plan {
	t.Helper()
	for {
		write(t, p.dir, "quoit.yaml", p.manifest(p.images))
		plan, why := planHere(t, p.dir, "--ring", "none")
		if why == "" {
			return plan
		}
		names := refused(why)
		if len(names) == 0 {
			t.Fatal(why)
		}
		for _, name := range names {
			delete(p.images, name)
		}
	}
}

// addNamed adds images with named contexts, one in the folder of another, with and without
// ignore files, with links, and one that is the project.
func (p *comparedProject) addNamed(t *testing.T) {
	t.Helper()
	for i, file := range []string{
		"FROM scratch\nCOPY --from=one . /\n",
		"FROM scratch\nCOPY --from=one a* dir/linked /\nCOPY --from=two dir /\n",
		"FROM other AS base\nCOPY own /\nFROM scratch\nCOPY --from=two link up /\nCOPY own /\nCOPY --from=base / /base/\n",
		"FROM two AS one\nFROM one\nRUN --mount=from=all,source=named-0/own,target=/x true\n",
	} {
		name := fmt.Sprintf("named-%d", i)
		p.add(t, name, name, ", contexts: {one: ./shared/one, two: ./shared, base: onbuild, all: .}", trees.Files{"Dockerfile": file, "own": name, ".dockerignore": "a\n"})
	}
	trees.Plant(t, filepath.Join(p.dir, "shared"), trees.Files{
		".dockerignore": "**/log\n", "log": "l", "dir/log": "l", "dir/x": "x",
		"one/.dockerignore": "ab\n", "one/ab": "b", "one/ac": "c", "one/log": "not ignored here", "one/dir/x": "x",
	})
	for link, to := range map[string]string{"link": "one/dir", "up": "../dir", "one/dir/linked": "../ac"} {
		if err := os.Symlink(to, filepath.Join(p.dir, "shared", link)); err != nil {
			t.Fatal(err)
		}
	}
}

func (p *comparedProject) addCase(t *testing.T, image string, c revisionCase) {
	t.Helper()
	file := c.path
	if file == "" {
		file = "Dockerfile"
	}
	more := fmt.Sprintf(", file: %s, args: {", file)
	for _, name := range slices.Sorted(maps.Keys(c.args)) {
		more += fmt.Sprintf("%s: %q, ", name, c.args[name])
	}
	plantSources(t, filepath.Join(p.dir, image), c.files)
	p.add(t, image, image, more+"}", trees.Files{file: strings.ReplaceAll(c.file, "BASE", stack.Ref(p.name))})
	p.told[image] = c.name
}

// oddNames are names of files that somebody has.
var oddNames = append(slices.Clone(trees.OddNames),
	`"q"`, "it's", "tab\there", "$HOME", "{a,b}", "a.", " ", "~", "%41", "a:b", "\u200b", "COM1")

// wild draws contexts and container files.
type wild struct{ trees.Random }

func (g *wild) addTo(t *testing.T, p *comparedProject, image string) {
	t.Helper()
	all := trees.Files{}
	g.Tree(all, "", 3)
	text := g.containerFile(all)
	file := trees.Pick(&g.Random, "Dockerfile", "app.Dockerfile", "build/x.Containerfile", "build dir/[a] file")
	makeRoom(all, file)
	all[file] = text
	for _, name := range []string{".dockerignore", file + ".dockerignore"} {
		if g.IntN(3) == 0 {
			g.ignore(all, name)
		}
	}
	context := image
	if g.IntN(4) == 0 {
		context = trees.Pick(&g.Random, "deep/er/", "odd [x] na*me/", "größe/") + image
	}
	p.add(t, image, context, fmt.Sprintf(", file: %s", strconv.Quote(file)), all)
	g.HardLinks(t, filepath.Join(p.dir, context), all)
	p.told[image] = fmt.Sprintf("%s\nfiles: %q", text, all)
}

// makeRoom takes away what is in the place of a file, or of a folder on its way.
func makeRoom(all trees.Files, name string) {
	for at := name; at != "."; at = path.Dir(at) {
		delete(all, at)
	}
	maps.DeleteFunc(all, func(other string, _ any) bool { return strings.HasPrefix(other, name+"/") })
}

// ignore writes an ignore file, or a link to one.
func (g *wild) ignore(all trees.Files, name string) {
	patterns := g.Patterns(all, 4)
	for range g.IntN(3) {
		patterns = append(patterns, trees.Pick(&g.Random,
			"*", "!*", "**", "!**/a*", "**/*[a-c]", "!b", "*/b/..", "./a", "/c", "# "+strings.Join(patterns, " "), "", "  a  ", "a/**/b", "!a/**", "**/.git", `\!y`, `x\*`, "../a", ".",
		))
	}
	if g.IntN(30) == 0 {
		patterns = append(patterns, trees.Pick(&g.Random, "[a", "!"))
	}
	text := strings.Join(patterns, trees.Pick(&g.Random, "\n", "\n", "\r\n"))
	makeRoom(all, name)
	if g.IntN(6) == 0 {
		makeRoom(all, "ignored by")
		all["ignored by"], all[name] = text, trees.Link(trees.Pick(&g.Random, "", "/", "../../")+"ignored by")
		return
	}
	all[name] = trees.Pick(&g.Random, "", "", "\ufeff") + text
}

// quoted is a path as the JSON form of COPY has it.
func (g *wild) quoted(all trees.Files) string {
	name := strings.NewReplacer(`\`, "?", `"`, "?", "'", "?", "$", "?").Replace(g.Pattern(all))
	return strconv.Quote(strings.ToValidUTF8(name, "?"))
}

// word is a path as flags and mounts have it.
func (g *wild) word(all trees.Files) string {
	name := strings.NewReplacer(" ", "?", `\`, "?", `"`, "?", "'", "?", "$", "?", "\n", "?", "\t", "?", ",", "?", "=", "?").Replace(g.Pattern(all))
	return strings.ToValidUTF8(name, "?")
}

func (g *wild) containerFile(all trees.Files) string {
	var text strings.Builder
	text.WriteString("FROM busybox AS other\n")
	for range 1 + g.IntN(3) {
		switch g.IntN(9) {
		case 0:
			text.WriteString("COPY . /all\n")
		case 1:
			fmt.Fprintf(&text, "COPY --exclude=%s --exclude=%s . /some\n", g.word(all), trees.Pick(&g.Random, "!", "", "**/")+g.word(all))
		case 2:
			fmt.Fprintf(&text, "COPY --parents [%s, %s, \"/to/\"]\n", g.quoted(all), g.quoted(all))
		case 3:
			fmt.Fprintf(&text, "RUN --mount=target=/s%s true\n", trees.Pick(&g.Random, "", ",rw", ",source="+g.word(all), ",readonly,source=/"+g.word(all)))
		case 4:
			fmt.Fprintf(&text, "ADD --link [%s, \"/to/\"]\n", g.quoted(all))
		case 5:
			fmt.Fprintf(&text, "COPY --chmod=755 --exclude=%s [%s, \"/to/\"]\n", g.word(all), g.quoted(all))
		case 6:
			fmt.Fprintf(&text, "COPY [%q, \"/to/\"]\n", trees.Pick(&g.Random, "*", "*/*", "*/*/*", "[a-c]*", "?", ".*", "**/a", "*/b/*", "a*/"))
		default:
			fmt.Fprintf(&text, "COPY [%s, %s, \"/to/\"]\n", g.quoted(all), g.quoted(all))
		}
	}
	return text.String()
}
