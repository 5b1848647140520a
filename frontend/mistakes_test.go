package frontend

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/util/grpcerrors"

	"github.com/quoitbuild/quoit/frontend/ask"
	"github.com/quoitbuild/quoit/llb"
)

// excerpts are the places of an error as they reach a stock client: FILE:LINE:COLUMN.
func excerpts(t *testing.T, err error) []string {
	t.Helper()
	var all []string
	for _, source := range errdefs.Sources(grpcerrors.FromGRPC(grpcerrors.ToGRPC(t.Context(), err))) {
		start := source.Ranges[0].Start
		all = append(all, fmt.Sprintf("%s:%d:%d", source.Info.Filename, start.Line, start.Character+1))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func TestMistakesAndWhereTheyAre(t *testing.T) {
	quoit := func(old, new string) map[string]string {
		return map[string]string{"quoit.yaml": strings.Replace(shop["quoit.yaml"], old, new, 1)}
	}
	for _, test := range []struct {
		name   string
		files  map[string]string // that differ from shop's; "" for none
		places []string
		words  []string
	}{
		{"a manifest that is no YAML", map[string]string{"quoit.yaml": "project: [\n"}, []string{"quoit.yaml:1:1"}, []string{"this is not valid YAML"}},
		{"mistakes in a manifest", quoit("root: deploy", "root: deplyo\nrinks: []"), []string{"quoit.yaml:3:7", "quoit.yaml:4:1"},
			[]string{`no image "deplyo"`, `no key "rinks"`}},
		{"no container file", map[string]string{"api/Dockerfile": ""}, []string{"quoit.yaml:6:8"},
			[]string{"image api has no container file: neither api/Dockerfile nor api/Containerfile exists", "add one, or name it with file:"}},
		{"no container file of that name", quoit("web: {context: web,", "web: {context: web, file: Build,"), []string{"quoit.yaml:7:29"},
			[]string{"image web has no container file web/Build", "file: is relative to context:"}},
		{"no container file outside of the context", quoit("web: {context: web,", "web: {context: web, file: ../docker/Build,"), []string{"quoit.yaml:7:29"},
			[]string{"image web has no container file docker/Build", "file: is relative to context:"}},
		{"a folder in its place", map[string]string{"api/Dockerfile": "", "api/Dockerfile/x": ""}, []string{"quoit.yaml:6:8"},
			[]string{"api/Dockerfile is a folder, not a container file"}},
		{"an empty container file", map[string]string{"api/Dockerfile": "\n"}, []string{"quoit.yaml:6:8"}, []string{"api/Dockerfile is empty", "write at least a FROM"}},
		{"an unknown instruction", map[string]string{"api/Dockerfile": "FROM base\nCPOY f /\n"}, []string{"api/Dockerfile:2:1"}, []string{"image api: ", "CPOY"}},
		{"a broken pattern", map[string]string{"api/.dockerignore": "a\n[b\n"}, []string{"api/.dockerignore:2:1"}, []string{`the pattern "[b" is broken`}},
		{"a circle of container files", map[string]string{"base/Dockerfile": "FROM busybox\nCOPY --from=api /f /\n"}, []string{"api/Dockerfile:1:1"}, []string{"api → base → api"}},
		{"a circle of the manifest", quoit("api: api", "api: {context: api, depends: [web]}"), []string{"quoit.yaml:6:33"}, []string{"api → web → api"}},
		{"a circle with the root image", map[string]string{"api/Dockerfile": "FROM deploy\nCOPY f /\n"}, []string{"api/Dockerfile:1:1"}, []string{"api → deploy → api"}},
		{"an image on itself", map[string]string{"api/Dockerfile": "FROM api\n"}, []string{"api/Dockerfile:1:1"}, []string{"image api builds on itself; if Docker Hub's is meant, write docker.io/library/api"}},
		{"several images", map[string]string{"api/Dockerfile": "FROM base\nCPOY f /\n", "web/Dockerfile": "FORM scratch\n"},
			[]string{"api/Dockerfile:2:1", "web/Dockerfile:1:1"}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, shop)
			for _, name := range slices.Sorted(maps.Keys(test.files)) {
				if text := test.files[name]; text != "" || strings.HasSuffix(name, "/x") {
					w.write(name, text)
				} else if err := os.Remove(filepath.Join(w.Folder, name)); err != nil {
					t.Fatal(err)
				}
			}
			for _, o := range []Options{{}, {Request: RequestGraph}} {
				err := w.fails(o, test.words...)
				if err == nil {
					t.Fatal("no error")
				}
				if diff := cmp.Diff(test.places, excerpts(t, err)); diff != "" {
					t.Errorf("error %v\nplaces (-want +got):\n%s", err, diff)
				}
			}
		})
	}
}

// Clients look for the file itself, with the escapes of the pattern in its name.
func TestLinksThatClientsDoNotFollow(t *testing.T) {
	for _, file := range []string{"Dockerfile", "Dockerfile.dockerignore", ".dockerignore"} {
		w := newWorld(t, map[string]string{
			"quoit.yaml":         "project: acme/shop\nregistry: registry.example.com\nimages:\n  api: {context: 'odd [x]'}\n",
			"odd [x]/Dockerfile": "FROM scratch\nCOPY f /\n",
			"odd [x]/f":          "f",
		})
		w.write("odd [x]/real", "FROM scratch\nCOPY f /\n")
		w.publish(Options{})
		at := filepath.Join(w.Folder, "odd [x]", file)
		if err := os.RemoveAll(at); err != nil {
			t.Fatal(err)
		}
		w.must(os.Symlink("real", at))
		w.fails(Options{}, "image api: odd [x]/"+file+" is a link, and no client follows one", "put the file itself there")
	}
}

func TestLinks(t *testing.T) {
	for _, test := range []struct {
		name, link, to string
		words          []string
	}{
		{"a context behind a link", "api", "real", []string{"image api: the context api is, or lies behind, a link", "name the folder itself: real"}},
		{"a container file that is a link to nowhere", "api/Dockerfile", "nowhere", []string{"api/Dockerfile is a link that leads out of the project or nowhere"}},
		{"a context that is a link to nowhere", "api", "nowhere", []string{"its context api is reached through a link, api → nowhere"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, shop)
			w.write("real/Dockerfile", "FROM scratch\nCOPY f /\n")
			w.write("real/f", "real")
			at := filepath.Join(w.Folder, test.link)
			if err := errors.Join(os.RemoveAll(at), os.Symlink(test.to, at)); err != nil {
				t.Fatal(err)
			}
			err := w.fails(Options{}, test.words...)
			if diff := cmp.Diff([]string{"quoit.yaml:6:8"}, excerpts(t, err)); diff != "" {
				t.Errorf("places (-want +got):\n%s", diff)
			}
		})
	}
	w := newWorld(t, shop)
	at := filepath.Join(w.Folder, "api/loop")
	w.write("api/Dockerfile", "FROM base\nCOPY loop /\n")
	if err := os.Symlink("loop", at); err != nil {
		t.Fatal(err)
	}
	w.fails(Options{}, "image api: ", "loop")
}

// A container file may lie anywhere in the project, and nowhere else.
func TestContainerFilesOutsideOfTheirContexts(t *testing.T) {
	w := newWorld(t, map[string]string{
		"quoit.yaml":                         "project: acme/shop\nregistry: registry.example.com\nimages: {api: {context: services/api, file: ../../docker/api.Dockerfile}}\n",
		"docker/api.Dockerfile":              "FROM busybox\nCOPY . /\n",
		"docker/api.Dockerfile.dockerignore": "log\n",
		"services/api/.dockerignore":         "f\n",
		"services/api/f":                     "f",
		"services/api/log":                   "log",
	})
	wantChanges(t, changes(w.publish(Options{})), "api 0.1.0 new")
	w.write("services/api/log", "ignored by the file beside the container file")
	wantChanges(t, changes(w.publish(Options{})), "api 0.1.0")
	w.write("services/api/f", "ignored by the context's ignore file alone")
	wantChanges(t, changes(w.publish(Options{})), "api 0.1.1 revision")
	w.write("docker/api.Dockerfile", "FROM busybox\nCOPY f /\n")
	wantChanges(t, changes(w.publish(Options{})), "api 0.1.2 revision")

	outside := t.TempDir()
	docker := filepath.Join(w.Folder, "docker")
	err := errors.Join(os.Rename(docker, filepath.Join(outside, "docker")), os.Symlink(filepath.Join(outside, "docker"), docker))
	if err != nil {
		t.Fatal(err)
	}
	w.fails(Options{}, "image api")
}

func TestOptionsThatDoNotFitTheProject(t *testing.T) {
	w := newWorld(t, shop)
	for _, test := range []struct {
		o     Options
		words []string
	}{
		{Options{Major: []string{"wbe"}}, []string{`QUOIT_MAJOR names "wbe", which is not an image of acme/shop; did you mean "web"?`}},
		{Options{Rebuild: []string{"*", "zzz"}}, []string{`QUOIT_REBUILD names "zzz", which is not an image of acme/shop`}},
		{Options{Contexts: map[string]string{"api": "docker-image://busybox"}}, []string{"the named context api has the name of an image of acme/shop: choose another name"}},
		{Options{Contexts: map[string]string{"tools": "local:tools"}}, []string{"the named context tools is neither an image (docker-image://…) nor a folder of the project", "contexts: {tools: ./FOLDER}"}},
		{Options{Contexts: map[string]string{"tools": "./../tools"}}, []string{"the named context tools: ./../tools is not a folder of the project"}},
		{Options{Contexts: map[string]string{"tools": ".//etc"}}, []string{"the named context tools: .//etc is not a folder of the project"}},
		{Options{Args: map[string]string{"TARGETARCH": "arm64"}}, []string{"the build argument TARGETARCH gets its value from the platform"}},
		{Options{Filename: "other.yaml"}, []string{"reading the manifest: ", "other.yaml"}},
		{Options{Contexts: nil, Target: "api/x/y"}, []string{"x/y"}},
	} {
		w.fails(test.o, test.words...)
	}
	w.Opts = map[string]string{"filename": DefaultManifest, "context": "https://git.example.com/shop.git#:../x"}
	if _, err := New(Host{})(t.Context(), w.Gateway); err == nil {
		t.Error("a context outside of its repository is taken")
	}
}

func TestNamedContextsAreExternals(t *testing.T) {
	w := newWorld(t, with("api/Dockerfile", "FROM tools\nCOPY f /\n"))
	_, plan := w.build(Options{Contexts: map[string]string{"tools": "docker-image://busybox:1"}})
	if api, _ := plan.Image("api"); len(api.Externals) != 1 || api.Externals["docker.io/library/busybox:1"] == "" {
		t.Errorf("externals %v", api.Externals)
	}
}

func TestRegistriesThatAnswerErrors(t *testing.T) {
	for _, test := range []struct {
		name, ref, text string
		words           []string
	}{
		{"the log", shopRegistry + "/records:records", "unexpected status from HEAD request to https://x: 401 Unauthorized", []string{"looking up " + shopRegistry + "/records:records: ", ask.LogIn}},
		{"a log that may not be there", shopRegistry + "/records:records", "unexpected status from HEAD request to https://x: 403 Forbidden", []string{"looking up " + shopRegistry + "/records:records: ", "QUOIT_FIRST=1"}},
		{"an external", "docker.io/library/postgres:17", "docker.io/library/postgres:17: not found", []string{"external db: the registry has no docker.io/library/postgres:17"}},
		{"a base", "docker.io/library/busybox:latest", "docker.io/library/busybox:latest: not found", []string{"image base: ", "docker.io/library/busybox:latest: not found"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, shop)
			w.Fail = func(ref string) error {
				if ref == test.ref {
					return errors.New(test.text)
				}
				return nil
			}
			w.fails(Options{}, test.words...)
			_, err := w.run(Options{Request: RequestGraph})
			if (err != nil) != (test.name == "a base") {
				t.Errorf("the graph: error %v", err)
			}
		})
	}
}

func TestFloors(t *testing.T) {
	w := newWorld(t, with("quoit.yaml", strings.Replace(shop["quoit.yaml"], "api: api", "api: {context: api, version: 5.2.0}", 1)))
	_, plan := w.build(Options{})
	wantChanges(t, changes(plan), "api 5.2.0 new floor", "base 0.1.0 new", "deploy 0.1.0 new", "web 0.1.0 new")
}

func TestWarningsOfManifestAndContainerFiles(t *testing.T) {
	files := with("base/Dockerfile", "FROM busybox as base\nCOPY f /\n")
	files["quoit.yaml"] = strings.Replace(files["quoit.yaml"], "api: api", `api: {context: api, labels: {org.opencontainers.image.version: "1"}}`, 1)
	w := newWorld(t, files)
	if _, err := w.run(Options{Request: RequestGraph}); err != nil {
		t.Fatal(err)
	}
	got := strings.Join(w.Warnings(), "\n")
	if !strings.Contains(got, `the label "org.opencontainers.image.version"`) || !strings.Contains(got, "FromAsCasing: ") {
		t.Errorf("warnings:\n%s", got)
	}
}

// TestAForeignFrontendIsHeldToTheList: also where a stock client asks, which a pull
// request's container files cannot change.
func TestAForeignFrontendIsHeldToTheList(t *testing.T) {
	w := newWorld(t, with("api/Dockerfile", "# syntax=evil.example.com/x:1\nFROM busybox\nCOPY f /\n"))
	w.fails(Options{AllowSyntax: llb.Frontends{}}, `image api: the frontend "evil.example.com/x:1" is not among those that may be run`)
	w.fails(Options{AllowSyntax: llb.Frontends{}, Request: RequestPlan}, "is not among those that may be run")
	w.fails(Options{}, "its frontend evil.example.com/x:1") // it is asked for
}

// TestNoClientPublishesSecrets: a stock client asks for provenance in the same words.
func TestNoClientPublishesSecrets(t *testing.T) {
	w := newWorld(t, shop)
	o := Options{Args: map[string]string{"API_TOKEN": "hunter2"}, Attestations: map[string]string{"provenance": "mode=max"}}
	w.fails(o, "these look like secrets: API_TOKEN. ")
	o.Attestations["provenance"] = "mode=min"
	w.build(o)
}
