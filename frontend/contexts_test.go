package frontend

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// garage is a project whose images have named contexts.
var garage = map[string]string{
	"quoit.yaml": `project: acme/shop
registry: registry.example.com
root: deploy
images:
  base-java: base
  other: other
  api: {context: api, contexts: {base: base-java, assets: ./web/assets}}
  deploy: deploy
`,
	"base/Dockerfile":          "FROM busybox\nENV A=1\nCOPY f /\n",
	"base/f":                   "base",
	"other/Dockerfile":         "FROM busybox\nENV A=2\nCOPY f /\n",
	"other/f":                  "other",
	"api/Dockerfile":           "FROM busybox AS assets\nRUN make\nFROM base\nCOPY f /\nCOPY --from=assets / /in/\n",
	"api/f":                    "api",
	"api/.dockerignore":        "css\n",
	"web/assets/css":           "css",
	"web/assets/log":           "log",
	"web/assets/.dockerignore": "log\n",
	"web/other":                "other",
	"deploy/Dockerfile":        "FROM scratch\nCOPY f /\n",
	"deploy/f":                 "deploy",
}

// A named context is another image of the project, or a folder of it, and counts like any.
func TestNamedContexts(t *testing.T) {
	w := newWorld(t, garage)
	first := w.publish(Options{})
	wantChanges(t, changes(first), "api 0.1.0 new", "base-java 0.1.0 new", "deploy 0.1.0 new", "other 0.1.0 new")
	api, _ := first.Image("api")
	if diff := cmp.Diff([]string{"base-java"}, slices.Sorted(maps.Keys(api.Dependencies))); diff != "" {
		t.Errorf("dependencies of api (-want +got):\n%s", diff)
	}
	rest := []string{"base-java 0.1.0", "other 0.1.0"}
	change := func(name, text, version, why string) {
		t.Helper()
		w.write(name, text)
		deploy := "deploy 0.1." + version[4:]
		if why != "" {
			deploy += " release"
		}
		all := append([]string{strings.TrimSpace("api " + version + " " + why), deploy}, rest...)
		slices.Sort(all)
		wantChanges(t, changes(w.publish(Options{})), all...)
	}
	change("web/assets/css", "changed", "0.1.1", "revision")
	change("web/assets/log", "ignored by the folder's ignore file", "0.1.1", "")
	change("web/other", "beside the folder", "0.1.1", "")
	change("api/.dockerignore", "css\nlog\n", "0.1.1", "") // of the image's own context alone
	change("web/assets/.dockerignore", "", "0.1.2", "revision")
	change("api/Dockerfile", strings.Replace(garage["api/Dockerfile"], "make", "make all", 1), "0.1.2", "") // of a stage that is replaced
	change("quoit.yaml", strings.Replace(garage["quoit.yaml"], "./web/assets", "web/./assets", 1), "0.1.2", "")
	change("web/moved/css", "changed", "0.1.2", "")
	w.write("web/moved/log", "ignored by the folder's ignore file")
	w.write("web/moved/.dockerignore", "")
	change("quoit.yaml", strings.Replace(garage["quoit.yaml"], "web/assets", "web/moved", 1), "0.1.2", "")
	w.write("quoit.yaml", strings.Replace(garage["quoit.yaml"], "base: base-java", "base: other", 1))
	if got := changes(w.publish(Options{})); !strings.HasPrefix(got[0], "api 0.1.3 revision") {
		t.Errorf("another image under the same name: %q", got)
	}
}

// What is wrong with a named context is told where it stands.
func TestNamedContextsThatDoNotFit(t *testing.T) {
	quoit := garage["quoit.yaml"]
	for _, test := range []struct {
		name   string
		files  map[string]string
		places []string
		words  []string
	}{
		{"no such image", map[string]string{"quoit.yaml": strings.Replace(quoit, "base: base-java", "base: web", 1)},
			[]string{"quoit.yaml:7:40"}, []string{`there is no image "web"`, "for the folder, write ./web"}},
		{"no such folder", map[string]string{"quoit.yaml": strings.Replace(quoit, "./web/assets", "./web/asets", 1)},
			[]string{"api/Dockerfile:5:1"}, []string{"image api: there is no folder web/asets"}},
		{"no such file", map[string]string{"api/Dockerfile": "FROM base\nCOPY --from=assets js css /\n"},
			[]string{"api/Dockerfile:2:1"}, []string{"image api: there is no js in the context web/assets"}},
		{"an ignored file", map[string]string{"api/Dockerfile": "FROM base\nRUN --mount=from=assets,source=log,target=/x ls\n"},
			[]string{"api/Dockerfile:2:1"}, []string{"there is no log in", "or let the ignore file leave it in"}},
		{"a broken ignore file", map[string]string{"web/assets/.dockerignore": "[\n"}, []string{"web/assets/.dockerignore:1:1"}, []string{`the pattern "["`}},
		{"a circle", map[string]string{"quoit.yaml": strings.Replace(quoit, "base-java: base", "base-java: {context: base, contexts: {busybox: api}}", 1)},
			[]string{"quoit.yaml:7:40"}, []string{"api", "base-java"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, garage)
			for name, text := range test.files {
				w.write(name, text)
			}
			for _, o := range []Options{{Request: RequestPlan}, {}} {
				if diff := cmp.Diff(test.places, excerpts(t, w.fails(o, test.words...))); diff != "" {
					t.Errorf("places (-want +got):\n%s", diff)
				}
			}
		})
	}
}

// Links in a named context lead nowhere else, and none leads to it.
func TestNamedContextsAndLinks(t *testing.T) {
	w := newWorld(t, garage)
	err := errors.Join(os.Symlink("../other", filepath.Join(w.Folder, "web/assets/link")), os.Symlink("web", filepath.Join(w.Folder, "linked")))
	if err != nil {
		t.Fatal(err)
	}
	w.write("api/Dockerfile", "FROM base\nCOPY --from=assets link /\n")
	w.fails(Options{}, "there is no link in the context web/assets")
	w.write("api/Dockerfile", garage["api/Dockerfile"])
	w.write("quoit.yaml", strings.Replace(garage["quoit.yaml"], "./web", "./linked", 1))
	w.fails(Options{}, "image api: the context linked/assets is, or lies behind, a link", "name the folder itself: web/assets")
}

// .git of the project's root counts for nothing in a named context either.
func TestNamedContextsTakeGit(t *testing.T) {
	w := newWorld(t, garage)
	w.write("quoit.yaml", strings.Replace(garage["quoit.yaml"], "./web/assets", ".", 1))
	w.write(".git/HEAD", "one")
	wantChanges(t, changes(w.publish(Options{})), "api 0.1.0 new", "base-java 0.1.0 new", "deploy 0.1.0 new", "other 0.1.0 new")
	w.write(".git/HEAD", "two")
	wantChanges(t, changes(w.publish(Options{})), "api 0.1.0", "base-java 0.1.0", "deploy 0.1.0", "other 0.1.0")
	if !slices.ContainsFunc(w.Warnings(), func(text string) bool {
		return strings.Contains(text, "image api takes .git of the project (line 5)")
	}) {
		t.Errorf("warnings: %q", w.Warnings())
	}
}

// A named context that nothing names is a warning.
func TestNamedContextsThatAreNotUsed(t *testing.T) {
	w := newWorld(t, garage)
	w.write("api/Dockerfile", "FROM base\nCOPY f /\n")
	w.publish(Options{})
	want := "image api: its container file does not name the context assets"
	if !slices.Contains(w.Warnings(), want) {
		t.Errorf("warnings %q, want %q", w.Warnings(), want)
	}
	if slices.ContainsFunc(w.Warnings(), func(text string) bool { return strings.Contains(text, "context base") }) {
		t.Errorf("warnings: %q", w.Warnings())
	}
}

// A folder that the command line names counts for every image, before what the manifest says.
func TestNamedContextsOfTheCommandLine(t *testing.T) {
	w := newWorld(t, garage)
	w.write("other/Dockerfile", "FROM busybox AS assets\nFROM scratch\nCOPY --from=assets css /\n")
	o := Options{Contexts: map[string]string{"assets": FolderContext("web/given")}}
	w.write("web/given/css", "css")
	w.write("web/given/log", "log")
	w.write("web/given/.dockerignore", "log\n")
	wantChanges(t, changes(w.publish(o)), "api 0.1.0 new", "base-java 0.1.0 new", "deploy 0.1.0 new", "other 0.1.0 new")
	w.write("web/assets/css", "what the manifest names")
	w.write("web/given/log", "ignored")
	wantChanges(t, changes(w.publish(o)), "api 0.1.0", "base-java 0.1.0", "deploy 0.1.0", "other 0.1.0")
	w.write("web/given/css", "changed")
	wantChanges(t, changes(w.publish(o)), "api 0.1.1 revision", "base-java 0.1.0", "deploy 0.1.1 release", "other 0.1.1 revision")
	w.fails(Options{Contexts: map[string]string{"assets": FolderContext("web/none")}}, "image api: there is no folder web/none", "image other: there is no css in the context web/none")
	here, err := w.local(o)
	w.must(err)
	_, there := w.build(o)
	if diff := cmp.Diff(there.Images, here.Images); diff != "" {
		t.Errorf("the plan (-in BuildKit +here):\n%s", diff)
	}
	wantChanges(t, changes(w.publish(Options{Contexts: map[string]string{"assets": "docker-image://busybox"}})),
		"api 0.1.2 revision external", "base-java 0.1.0", "deploy 0.1.2 release", "other 0.1.2 revision external")
}
