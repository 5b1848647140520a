//go:build stack

package integration

import (
	"crypto/rand"
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	bk "github.com/moby/buildkit/client/llb"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"golang.org/x/sync/errgroup"

	"github.com/quoitbuild/quoit/frontend"
)

// revisionProject is a project with one image for each state of a context.
type revisionProject struct {
	dir, name string
	manifest  strings.Builder
	builds    map[string]stockBuild // by image
	order     []string
	refused   map[string]bool // images that read what is not there
}

// newRevisionProject has an image "onbuild", published so that stock builds
// find it, too.
func newRevisionProject(t *testing.T) *revisionProject {
	t.Helper()
	p := &revisionProject{dir: t.TempDir(), name: "t" + strings.ToLower(rand.Text()[:10]) + "/revisions", builds: map[string]stockBuild{}, refused: map[string]bool{}}
	fmt.Fprintf(&p.manifest, "project: %s\nregistry: %s\nroot: root\nimages:\n  root: root\n  onbuild: onbuild\n", p.name, stack.Registry)
	write(t, p.dir, "root/Dockerfile", "FROM scratch\n")
	write(t, p.dir, "onbuild/Dockerfile", "FROM scratch\nCOPY Dockerfile /in/\nONBUILD COPY triggered /in/\n")
	run(t, p.dir, "buildctl", "build", "--progress=plain", "--frontend=dockerfile.v0", "--local=context=onbuild", "--local=dockerfile=onbuild",
		"--output=type=image,push=true,name="+stack.Ref(p.name+"/onbuild:latest"))
	return p
}

// add adds an image with a context of its own.
func (p *revisionProject) add(t *testing.T, image string, c revisionCase, files sources) {
	t.Helper()
	file := c.path
	if file == "" {
		file = "Dockerfile"
	}
	plantSources(t, filepath.Join(p.dir, image), files)
	write(t, filepath.Join(p.dir, image), file, strings.ReplaceAll(c.file, "BASE", stack.Ref(p.name)))
	fmt.Fprintf(&p.manifest, "  %s: {context: %s, file: %s, args: {", image, image, file)
	for name, value := range c.args {
		fmt.Fprintf(&p.manifest, "%s: %q, ", name, value)
	}
	p.manifest.WriteString("}}\n")
	p.builds[image] = stockBuild{dir: filepath.Join(p.dir, image), file: file, args: c.args}
	p.order = append(p.order, image)
}

// salted lets the stock build of an image have other contents, which its result does not
// show: BuildKit's cache takes folders that differ in their permissions alone for the same.
func (p *revisionProject) salted(t *testing.T, image string, c revisionCase, files sources) {
	t.Helper()
	build := p.builds[image]
	build.salt, build.dir = "salt of "+image+".", filepath.Join(p.dir, "salted", image)
	plantSources(t, build.dir, files.salted(build.salt))
	write(t, build.dir, build.file, strings.ReplaceAll(c.file, "BASE", stack.Ref(p.name)))
	p.builds[image] = build
}

// revisions are those of all images that a plan does not refuse, by one plan.
func (p *revisionProject) revisions(t *testing.T) map[string]string {
	t.Helper()
	for {
		var manifest strings.Builder
		for line := range strings.Lines(p.manifest.String()) {
			if name, _, _ := strings.Cut(strings.TrimSpace(line), ":"); !p.refused[name] {
				manifest.WriteString(line)
			}
		}
		write(t, p.dir, "quoit.yaml", manifest.String())
		plan, refusal := planHere(t, p.dir, "--ring", "none")
		refused := missingSource.FindAllStringSubmatch(refusal, -1)
		if refusal != "" && len(refused) == 0 {
			t.Fatal(refusal)
		}
		for _, image := range refused {
			p.refused[image[1]] = true
		}
		if refusal == "" {
			revisions := map[string]string{}
			for _, image := range plan.Images {
				revisions[image.Name] = image.Revision
			}
			return revisions
		}
	}
}

// missingSource is how a plan refuses an image that reads what is not there.
var missingSource = regexp.MustCompile(`image (\S+): there is no `)

// results are what stock BuildKit makes of all images.
func (p *revisionProject) results(t *testing.T) map[string]result {
	t.Helper()
	var builds []stockBuild
	for _, image := range p.order {
		builds = append(builds, p.builds[image])
	}
	results := map[string]result{}
	for i, r := range stockBuilds(t, builds) {
		results[p.order[i]] = r
		if p.refused[p.order[i]] && r.err == nil {
			t.Errorf("image %s is refused, and stock BuildKit builds it", p.order[i])
		}
	}
	return results
}

// change is one difference to a case's context.
type change struct {
	name, path string
	files      sources
	file       string // the container file, if that is another
	mayFail    bool   // no image is a result, too
}

// changes are all single changes of a case's files.
func (c revisionCase) changes() []change {
	var all []change
	add := func(kind, name string, mayFail bool, edit func(sources)) {
		files := maps.Clone(c.files)
		edit(files)
		all = append(all, change{name: kind + " of " + name, path: name, files: files, mayFail: mayFail})
	}
	for _, name := range slices.Sorted(maps.Keys(c.files)) {
		content := c.files[name]
		add("removal", name, true, func(f sources) { delete(f, name) })
		if strings.HasPrefix(content, "-> ") {
			add("target", name, true, func(f sources) { f[name] = "-> changed" })
			continue
		}
		plain, executable := strings.CutPrefix(content, "+x ")
		add("content", name, false, func(f sources) { f[name] += "\n" })
		add("mode", name, false, func(f sources) {
			if f[name] = plain; !executable {
				f[name] = "+x " + plain
			}
		})
		add("permissions", name, false, func(f sources) { f[name] = "%600 " + plain })
	}
	for _, name := range c.folders() {
		add("permissions", name, false, func(f sources) { f[name] = "%700 " })
	}
	for _, name := range slices.Sorted(maps.Keys(c.added)) {
		add("addition", name, false, func(f sources) { f[name] = c.added[name] })
	}
	return all
}

// folders are those that files lie in, each with a slash at its end.
func (c revisionCase) folders() []string {
	all := map[string]bool{}
	for name := range c.files {
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			all[dir+"/"] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// The revision changes if and only if what the image reads does: each file and folder of
// each case is changed in each way, and what stock BuildKit makes of it, with
// nothing of ours, is held against the revision.
func TestRevisionChangesWithWhatIsRead(t *testing.T) {
	p := newRevisionProject(t)
	changes := make([][]change, len(revisionCases))
	for i, c := range revisionCases {
		p.add(t, fmt.Sprintf("c%d", i), c, c.files)
		changes[i] = c.changes()
		for j, change := range changes[i] {
			image := fmt.Sprintf("c%d-%d", i, j)
			p.add(t, image, c, change.files)
			if strings.HasSuffix(change.path, "/") {
				p.salted(t, image, c, change.files)
			}
		}
	}
	revisions, results := p.revisions(t), p.results(t)
	for i, c := range revisionCases {
		t.Run(c.name, func(t *testing.T) {
			base := fmt.Sprintf("c%d", i)
			if err := results[base].err; err != nil {
				t.Fatalf("stock BuildKit: %v", err)
			}
			read := map[string]bool{}
			for j, change := range changes[i] {
				image := fmt.Sprintf("%s-%d", base, j)
				if err := results[image].err; err != nil && !change.mayFail {
					t.Fatalf("%s: stock BuildKit: %v", change.name, err)
				}
				ours, stocks := revisions[image] != revisions[base], results[image].String() != results[base].String()
				if slices.Contains(c.hidden, change.name) {
					stocks = true
				}
				if ours != stocks {
					t.Errorf("%s: the revision changes: %t, what BuildKit copies: %t", change.name, ours, stocks)
				}
				if ours && !strings.HasSuffix(change.path, "/") {
					read[change.path] = true
				}
			}
			want := slices.Sorted(slices.Values(c.reads))
			if diff := cmp.Diff(want, slices.Sorted(maps.Keys(read))); diff != "" {
				t.Errorf("files that the revision covers (-want +got):\n%s", diff)
			}
		})
	}
}

// What Quoit builds of a folder of a project is what stock BuildKit builds of
// the folder alone.
func TestImagesAreThoseOfStockBuildKit(t *testing.T) {
	p := newRevisionProject(t)
	for i, c := range revisionCases {
		p.add(t, fmt.Sprintf("c%d", i), c, c.files)
	}
	p.revisions(t)
	results := p.results(t)
	c, err := stack.Client(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	build := frontend.New(frontend.Host{Runner: func(gateway.Client) (bk.State, string, error) {
		return bk.Local("quoit-runner"), "/" + path.Base(quoitFile), nil
	}})
	ours := make([]result, len(revisionCases))
	var eg errgroup.Group
	eg.SetLimit(parallelBuilds)
	for i := range revisionCases {
		eg.Go(func() error {
			ours[i].files, ours[i].err = quoitBuild(t.Context(), c, p.dir, fmt.Sprintf("c%d", i), build)
			return nil
		})
	}
	_ = eg.Wait() // the results have the errors
	for i, rc := range revisionCases {
		t.Run(rc.name, func(t *testing.T) {
			got, want := ours[i], results[fmt.Sprintf("c%d", i)]
			if want.err != nil || got.err != nil {
				t.Fatalf("stock BuildKit: %v; Quoit: %v", want.err, got.err)
			}
			if diff := cmp.Diff(want.files, got.files); diff != "" {
				t.Errorf("(-stock BuildKit +Quoit):\n%s", diff)
			}
		})
	}
}
