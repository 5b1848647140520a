//go:build stack

package integration

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/quoitbuild/quoit/labels"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/versioning"
)

// anyDigest stands for a digest that a test cannot know.
const anyDigest = "sha256:…"

// expected is what the labels of an example's image say, beside its version,
// revision and identity.
type expected struct {
	needs []string // siblings
	base  string   // external base: a repository and tag of the stack's library/
	own   map[string]string
}

// An example is built with all of its images as 0.1.0.
var examples = map[string]struct {
	root, vendor string
	images       map[string]expected
	// contents checks what is in the images below a prefix.
	contents func(t *testing.T, dir, prefix string)
}{
	"one-image": {
		root: "hello", contents: checkOneImage,
		images: map[string]expected{"hello": {base: "busybox:latest"}},
	},
	"chain": {
		root: "app", contents: checkChain,
		images: map[string]expected{
			"base":  {base: "busybox:latest"},
			"tools": {needs: []string{"base"}},
			"app":   {needs: []string{"base", "tools"}},
		},
	},
	"diamond": {
		root: "top", contents: checkDiamond,
		images: map[string]expected{
			"base":  {base: "busybox:latest"},
			"left":  {needs: []string{"base"}},
			"right": {needs: []string{"base"}},
			"top":   {needs: []string{"base", "left", "right"}},
		},
	},
	"shop": {
		root: "deploy", vendor: "ACME Inc.", contents: checkShop,
		images: map[string]expected{
			"base":       {base: "debian:bookworm-slim", own: licensed},
			"api":        {needs: []string{"base", "cart", "migrations"}, own: ofTeam},
			"cart":       {needs: []string{"base", "migrations"}, own: ofTeam},
			"web":        {base: "busybox:latest", own: licensed},
			"migrations": {needs: []string{"base"}, own: licensed},
			"deploy":     {needs: []string{"api", "base", "cart", "migrations", "web"}, own: licensed},
		},
	},
}

// The labels that the shop's manifest sets.
var (
	licensed = map[string]string{"org.opencontainers.image.licenses": "Apache-2.0"}
	ofTeam   = map[string]string{"org.opencontainers.image.licenses": "Apache-2.0", "com.example.team": "checkout"}
)

func TestEveryExampleIsTested(t *testing.T) {
	manifests, err := filepath.Glob("../examples/*/quoit.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, file := range manifests {
		found = append(found, filepath.Base(filepath.Dir(file)))
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(examples)), found); diff != "" {
		t.Errorf("examples (-tested +found):\n%s", diff)
	}
}

func TestExamples(t *testing.T) {
	for example, want := range examples {
		t.Run(example, func(t *testing.T) {
			dir, prefix := project(t, example)
			first := publication(t, dir)
			root := prefix + "/" + want.root + ":developers"
			t.Run("every image has its version, and the ring its release", func(t *testing.T) {
				if diff := cmp.Diff(slices.Sorted(maps.Keys(want.images)), slices.Sorted(slices.Values(first.Plan.PublishOrder()))); diff != "" {
					t.Errorf("built images (-want +got):\n%s", diff)
				}
				for _, tag := range first.Published.Written {
					if got := descriptor(t, prefix+"/"+tag.String()).Digest.String(); got != tag.Digest {
						t.Errorf("%s is %s, published was %s", tag, got, tag.Digest)
					}
				}
			})
			released := release(t, root)
			for name, image := range want.images {
				t.Run("the labels and annotations of "+name, func(t *testing.T) {
					checkLabels(t, prefix, released, name, image.labels(t, prefix, want.vendor, name), image.own)
				})
			}
			t.Run("the root image has the release as a file", func(t *testing.T) {
				label := config(t, root).Config.Labels[labels.Release]
				if file := extract(t, root, "/quoit/release.json"); string(file) != label {
					t.Errorf("the file says %s\nthe label %s", file, label)
				}
			})
			t.Run("the contents", func(t *testing.T) { want.contents(t, dir, prefix) })
			t.Run("a second build has nothing to do", func(t *testing.T) { checkNothingToDo(t, dir, root) })
		})
	}
}

func TestDemo(t *testing.T) {
	cliImage(t)
	cmd := stack.Command(t.Context(), "sh", "../examples/demo.sh")
	cmd.Env = append(cmd.Env, "PATH="+filepath.Dir(quoitFile)+":"+strings.Join(stack.BinDirs, ":")+":"+os.Getenv("PATH"))
	lines := strings.Split(strings.TrimSpace(output(t, cmd)), "\n")
	want := regexp.MustCompile(`^Two releases in [0-9.]+ s\. The first built 6 images \(.*\), the second 2 \(api deploy\), the third found nothing to do in [0-9.]+ s\.$`)
	if last := lines[len(lines)-1]; !want.MatchString(last) {
		t.Errorf("it ends with %q", last)
	}
}

// published is the JSON of quoit build --push.
type published struct {
	Plan      versioning.Plan
	Published store.Outcome
}

func publication(t *testing.T, dir string) published {
	t.Helper()
	var p published
	if err := json.Unmarshal([]byte(mustQuoit(t, dir, "build", "--push", "-o", "json")), &p); err != nil {
		t.Fatal(err)
	}
	return p
}

// labels are those that an image should have, all of them but the release.
func (e expected) labels(t *testing.T, prefix, vendor, name string) map[string]string {
	t.Helper()
	want := map[string]string{
		"org.opencontainers.image.version":  "0.1.0",
		"org.opencontainers.image.revision": anyDigest,
		"org.opencontainers.image.ref.name": repository(prefix) + "/" + name,
		"io.github.quoitbuild.identity":     anyDigest,
	}
	maps.Copy(want, e.own)
	if vendor != "" {
		want["org.opencontainers.image.vendor"] = vendor
	}
	for _, need := range e.needs {
		want["dependency."+need] = "0.1.0"
	}
	if e.base != "" {
		want["org.opencontainers.image.base.name"] = "docker.io/library/" + e.base
		want["org.opencontainers.image.base.digest"] = descriptor(t, stack.Ref("library/"+e.base)).Digest.String()
	}
	return want
}

var digestForm = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

func checkLabels(t *testing.T, prefix string, released versioning.Release, name string, want, own map[string]string) {
	ref := prefix + "/" + name + ":0.1.0"
	all := config(t, ref).Config.Labels
	image := released.Images[name]
	if got := all[labels.Revision]; got != image.Revision || !digestForm.MatchString(got) {
		t.Errorf("the revision is %s, the release says %s", got, image.Revision)
	}
	if got := all[labels.Identity]; got != released.Identity(name) {
		t.Errorf("the identity is %s, by the release it is %s", got, released.Identity(name))
	}
	if image.Version.String() != "0.1.0" {
		t.Errorf("the release has version %s", image.Version)
	}
	if _, found := all[labels.Release]; found != (name == released.Root) {
		t.Errorf("has a release: %t", found)
	}
	got := maps.Clone(all)
	delete(got, labels.Release)
	got[labels.Revision], got[labels.Identity] = anyDigest, anyDigest
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
	dependencies := map[string]string{}
	for need, version := range image.Dependencies {
		dependencies["dependency."+need] = version.String()
	}
	maps.DeleteFunc(got, func(key, _ string) bool { return !strings.HasPrefix(key, labels.Dependency) })
	if diff := cmp.Diff(dependencies, got); diff != "" {
		t.Errorf("dependencies (-release +labels):\n%s", diff)
	}
	checkAnnotations(t, ref, want, own, all)
}

// checkAnnotations wants the labels that are quoit's, without the release, on
// the image manifest. Of the wanted ones only the keys count.
func checkAnnotations(t *testing.T, ref string, want, own, all map[string]string) {
	manifest, err := image(t, ref).Manifest()
	if err != nil {
		t.Fatal(err)
	}
	annotations := map[string]string{}
	for key := range want {
		if _, found := own[key]; !found {
			annotations[key] = all[key]
		}
	}
	if diff := cmp.Diff(annotations, manifest.Annotations); diff != "" {
		t.Errorf("annotations (-labels +annotations):\n%s", diff)
	}
}

func checkNothingToDo(t *testing.T, dir, root string) {
	before := descriptor(t, root).Digest
	if out := mustQuoit(t, dir, "build", "--push"); !strings.HasPrefix(out, "nothing to do: ") {
		t.Errorf("it prints\n%s", out)
	}
	mustQuoit(t, dir, "plan", "--detailed-exitcode")
	second := publication(t, dir)
	if changed := second.Plan.Changed(); len(changed) > 0 {
		t.Errorf("changed: %v", changed)
	}
	if written := second.Published.Written; second.Published.Moved || len(written) > 0 {
		t.Errorf("moved: %t, written: %v", second.Published.Moved, written)
	}
	if after := descriptor(t, root).Digest; after != before {
		t.Errorf("the ring had %s and has %s", before, after)
	}
}

func checkOneImage(t *testing.T, _, prefix string) {
	program := executable(t, prefix+"/hello:0.1.0", "/bin/hello")
	if got := output(t, exec.Command(program)); got != "Hello from one image.\n" {
		t.Errorf("hello prints %q", got)
	}
}

func checkChain(t *testing.T, _, prefix string) {
	checkFiles(t, prefix+"/app:0.1.0", map[string]string{
		"/chain/1-base": "base\n", "/chain/2-tools": "tools\n", "/chain/3-app": "app\n",
	})
}

func checkDiamond(t *testing.T, _, prefix string) {
	checkFiles(t, prefix+"/top:0.1.0", map[string]string{
		"/words/base": "from the base\n", "/words/left": "from the left\n", "/words/right": "from the right\n",
	})
}

func checkShop(t *testing.T, dir, prefix string) {
	for _, service := range []string{"api", "cart"} {
		program := executable(t, prefix+"/"+service+":0.1.0", "/usr/bin/"+service)
		if got := output(t, exec.Command(program, "-version")); got != service+" 1\n" {
			t.Errorf("%s -version prints %q", service, got)
		}
		checkFiles(t, prefix+"/"+service+":0.1.0", map[string]string{"/etc/motd": "This container belongs to the shop.\n"})
	}
	if !bytes.Contains(extract(t, prefix+"/api:0.1.0", "/usr/bin/api"), []byte("Welcome to the shop.")) {
		t.Error("the api lacks the greeting that the manifest passes as a build argument")
	}
	overlays := map[string]string{}
	for _, file := range []string{"base/api.yaml", "base/kustomization.yaml", "dev/kustomization.yaml", "prod/kustomization.yaml"} {
		content, err := os.ReadFile(filepath.Join(dir, "deploy/overlays", file))
		if err != nil {
			t.Fatal(err)
		}
		overlays["/overlays/"+file] = string(content)
	}
	checkFiles(t, prefix+"/deploy:developers", overlays)
	checkFiles(t, prefix+"/migrations:0.1.0", map[string]string{
		"/usr/bin/migrate":        content(t, filepath.Join(dir, "migrations/migrate")),
		"/sql/002-items.down.sql": "DROP TABLE items;\n",
	})
	if deploy := config(t, prefix+"/deploy:developers").Config; !slices.Equal(deploy.Entrypoint, []string{"/bin/quoit", "apply"}) {
		t.Errorf("the root image runs %q", deploy.Entrypoint)
	}
	if !bytes.Equal(extract(t, prefix+"/deploy:developers", "/bin/quoit"), []byte(content(t, quoitFile))) {
		t.Error("the root image has another quoit")
	}
}

// checkFiles compares files of an image.
func checkFiles(t *testing.T, ref string, want map[string]string) {
	t.Helper()
	got := map[string]string{}
	for file := range want {
		got[file] = string(extract(t, ref, file))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files of %s (-want +got):\n%s", ref, diff)
	}
}

// executable takes a program out of an image.
func executable(t *testing.T, ref, file string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), filepath.Base(file))
	if err := os.WriteFile(program, extract(t, ref, file), 0o755); err != nil {
		t.Fatal(err)
	}
	return program
}

// output is what a program prints, with success.
func output(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, out)
	}
	return string(out)
}
