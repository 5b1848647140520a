package frontend

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/quoitbuild/quoit/graph"
	"github.com/quoitbuild/quoit/llb"
	"github.com/quoitbuild/quoit/revision"
	"github.com/quoitbuild/quoit/revision/disk"
	"github.com/quoitbuild/quoit/versioning"
)

// folderHasher hashes a folder of this machine.
type folderHasher string

func (f folderHasher) Hash(ctx context.Context, req revision.Request) (revision.Response, error) {
	return disk.Answer(ctx, string(f), req, disk.Options{})
}

// local plans without a BuildKit, by the same registries.
func (w *world) local(o Options) (versioning.Plan, error) {
	w.t.Helper()
	plan, err := locally(w, Plan, o)
	return plan.Plan, err
}

// locally makes a plan or a graph without a BuildKit.
func locally[T any](w *world, what func(context.Context, Local, Options) (T, error), o Options) (T, error) {
	w.t.Helper()
	o.Filename = DefaultManifest
	manifest, err := os.ReadFile(filepath.Join(w.Folder, DefaultManifest))
	w.must(err)
	before := len(w.Solved())
	made, err := what(w.t.Context(), Local{
		Folder: w.Folder, Manifest: manifest, Platform: w.BuildOpts().Workers[0].Platforms[0],
		Configs: w.Gateway, Images: gatewayImages{w.Gateway}, Hasher: folderHasher(w.Folder),
	}, o)
	if len(w.Solved()) != before {
		w.t.Error("BuildKit was asked to solve something")
	}
	return made, err
}

// TestALocalPlanIsThatOfBuildKit: in its reasons, versions and digests, and it asks the
// registries for nothing else.
func TestALocalPlanIsThatOfBuildKit(t *testing.T) {
	w := newWorld(t, with("api/.dockerignore", "*.md\n"))
	compare := func(state string, options ...Options) {
		t.Helper()
		for _, o := range append(options, Options{}, Options{Ring: versioning.None}) {
			w.Gateway = w.again()
			_, remote := w.build(o)
			asked := w.Asked()
			w.Gateway = w.again()
			local, err := w.local(o)
			if diff := cmp.Diff(remote, local); err != nil || diff != "" {
				t.Errorf("%s, %+v: error %v (-remote +local):\n%s", state, o, err, diff)
			}
			if o.Export { // which reads nothing after its plan
				if diff := cmp.Diff(asked, w.Asked()); diff != "" {
					t.Errorf("%s: references that are asked for (-remote +local):\n%s", state, diff)
				}
			}
		}
	}
	compare("nothing is published", Options{Export: true}, Options{Args: map[string]string{"GO": "2"}})
	w.publish(Options{})
	compare("nothing changed", Options{Export: true}, Options{Major: []string{"api"}, Rebuild: []string{AllImages}})
	w.write("api/NOTES.md", "ignored")
	w.write("web/f", "another web")
	compare("a change", Options{Export: true}, Options{Ring: "users"}, Options{Ring: "ante"}, Options{First: true}, Options{Pull: true})
	w.publish(Options{Ring: "users"})
	w.write("base/f", "another base")
	compare("a hotfix", Options{Export: true}, Options{Merge: []string{"users"}}, Options{Ring: "users"}, Options{Ring: "testers"})
}

// TestAnotherMachineIsNoReasonToBuild: an image whose manifest says no platform keeps that
// of the release. One that is new is for this machine's.
func TestAnotherMachineIsNoReasonToBuild(t *testing.T) {
	w := newWorld(t, with("api/.dockerignore", "*.md\n"))
	elsewhere := Options{Default: "linux/riscv64"}
	if plan, err := w.local(elsewhere); err != nil || !slices.Equal(plan.Images[0].Platforms, []string{"linux/riscv64"}) {
		t.Errorf("a first release: error %v, %+v", err, plan.Images)
	}
	w.publish(Options{})
	check := func(changed ...string) {
		t.Helper()
		plan, err := w.local(elsewhere)
		if err != nil || !slices.Equal(plan.Changed(), changed) {
			t.Fatalf("error %v, %v changes, want %v", err, plan.Changed(), changed)
		}
		for _, image := range plan.Images {
			if !slices.Equal(image.Platforms, []string{"linux/amd64"}) {
				t.Errorf("%s is for %v", image.Name, image.Platforms)
			}
		}
	}
	check()
	w.write("web/f", "another web")
	check("web", "deploy")
	w.Gateway = w.again()
	if _, remote := w.build(elsewhere); !slices.Equal(remote.Changed(), []string{"web", "deploy"}) {
		t.Errorf("in BuildKit %v change", remote.Changed())
	}
}

// TestALocalGraphIsThatOfBuildKit: in its text too, and it asks the registries for nothing
// else, nothing of the project's own.
func TestALocalGraphIsThatOfBuildKit(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"the shop":         shop,
		"one image":        {"quoit.yaml": "project: acme/one\nregistry: registry.example.com\nimages: {one: .}\n", "Dockerfile": "FROM busybox\n"},
		"another argument": with("web/Dockerfile", "ARG ON=nginx\nFROM $ON\n"),
		"by its reference": with("web/Dockerfile", "FROM scratch\nCOPY --from="+shopRegistry+"/base:7 /f /\n"),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, files)
			w.down()
			for _, o := range []Options{{}, {Args: map[string]string{"ON": "base"}}, {Platforms: []string{"linux/amd64"}}} {
				w.Gateway = w.again()
				o.Request = RequestGraph
				remote, err := w.run(o)
				if err != nil {
					t.Fatal(err)
				}
				want, err := graph.ParseListing(remote.Metadata["result.json"])
				w.must(err)
				asked := w.Asked()
				w.Gateway = w.again()
				got, err := locally(w, Graph, o)
				if diff := cmp.Diff(want, got); err != nil || diff != "" {
					t.Errorf("%+v: error %v (-remote +local):\n%s", o, err, diff)
				}
				if text := string(remote.Metadata["result.txt"]); text != got.String()+"\n" {
					t.Errorf("%+v: text %q, remote %q", o, got, text)
				}
				if diff := cmp.Diff(asked, w.Asked()); diff != "" {
					t.Errorf("%+v: references that are asked for (-remote +local):\n%s", o, diff)
				}
			}
		})
	}
}

func TestALocalPlanHasTheSameMistakes(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"the manifest":       with("quoit.yaml", "project: acme/shop\nregistry: registry.example.com\nimages: {deploy: deploy, api: nowhere}\nroot: deploy\nmore: 1\n"),
		"no container file":  with("quoit.yaml", "project: acme/shop\nregistry: registry.example.com\nimages: {deploy: deploy, api: nowhere}\nroot: deploy\n"),
		"container files":    with("api/Dockerfile", "FROM base\nCPOY f /\n"),
		"a file that is not": with("api/Dockerfile", "FROM base\nCOPY g /\n"),
		"a cycle":            with("base/Dockerfile", "FROM api\nCOPY f /\n"),
		"an ignore file":     with("api/.dockerignore", "a[\n"),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, files)
			_, remote := w.run(Options{Request: RequestPlan})
			_, local := w.local(Options{})
			if (remote == nil) != (local == nil) || remote != nil && remote.Error() != local.Error() {
				t.Errorf("remote %v\nlocal  %v", remote, local)
			}
			_, remote = w.run(Options{Request: RequestGraph})
			_, local = locally(w, Graph, Options{})
			if (remote == nil) != (local == nil) || remote != nil && remote.Error() != local.Error() {
				t.Errorf("of a graph: remote %v\nlocal  %v", remote, local)
			}
		})
	}
}

func TestAnotherFrontendNeedsABuilder(t *testing.T) {
	w := newWorld(t, with("api/Dockerfile", "# syntax=registry.corp/team/frontend:1\nanything\n"))
	_, err := w.local(Options{})
	var needed *llb.BuilderError
	if !errors.As(err, &needed) || needed.Error() != "only a BuildKit runs the frontend registry.corp/team/frontend:1" {
		t.Errorf("error %v", err)
	}
	if _, err := locally(w, Graph, Options{}); !errors.As(err, &needed) {
		t.Errorf("of a graph: error %v", err)
	}
	if _, err := w.local(Options{AllowSyntax: llb.Frontends{}}); err == nil || errors.As(err, &needed) {
		t.Errorf("a frontend that may not be run: error %v", err)
	}
}

func TestTheTimeOfARemoteSourceNeedsABuilder(t *testing.T) {
	w := newWorld(t, with("api/Dockerfile", "FROM scratch AS source\nADD https://example.com/x /\nFROM base\nCOPY f /\n"))
	_, err := w.local(Options{Args: map[string]string{ArgEpoch: "source"}})
	var needed *llb.BuilderError
	if !errors.As(err, &needed) || !strings.Contains(err.Error(), "only a BuildKit knows the time of https://example.com/x") {
		t.Errorf("error %v", err)
	}
}
