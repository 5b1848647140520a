package frontend

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/frontend/subrequests"
	"github.com/moby/buildkit/frontend/subrequests/outline"
	"github.com/moby/buildkit/frontend/subrequests/targets"
	"github.com/moby/buildkit/solver/errdefs"
	fstypes "github.com/tonistiigi/fsutil/types"

	"github.com/quoitbuild/quoit/frontend/folder"
	"github.com/quoitbuild/quoit/graph"
	"github.com/quoitbuild/quoit/manifest"
)

// askedItsRegistry are the look-ups in a project's own registry.
func (w *world) askedItsRegistry() []string {
	var all []string
	for ref := range w.Asked() {
		if strings.HasPrefix(ref, w.Registry+"/") {
			all = append(all, ref)
		}
	}
	return all
}

// Editors and pages of documentation want answers offline and fast.
func TestRequestsNeedNoMoreThanTheyAnswer(t *testing.T) {
	for _, test := range []struct {
		request, target string
		files           bool     // of the project are read
		bases           []string // looked up
		json, text      string   // a part of the answer
	}{
		{request: subrequests.RequestSubrequestsDescribe, json: RequestGraph, text: "The images and their needs"},
		{request: RequestSchema, json: `"$schema"`, text: `"$schema"`},
		{request: targets.SubrequestsTargetsDefinition.Name, files: true, json: `"name": "deploy"`, text: "deploy (default)"},
		{request: outline.SubrequestsOutlineDefinition.Name, files: true, json: `"sources"`, text: ""},
		{request: outline.SubrequestsOutlineDefinition.Name, target: "web", files: true, json: `"sources"`, bases: []string{"docker.io/library/nginx:1"}},
		{request: outline.SubrequestsOutlineDefinition.Name, target: "api", files: true, json: `"name": "GO"`, text: "GO", bases: []string{"docker.io/library/busybox:latest"}},
		{request: RequestGraph, files: true, json: `"name": "api"`, text: "api: base\n", bases: []string{"docker.io/library/busybox:latest", "docker.io/library/nginx:1"}},
	} {
		t.Run(strings.TrimSpace(test.request+" "+test.target), func(t *testing.T) {
			w := newWorld(t, shop)
			w.down()
			res, err := w.run(Options{Request: test.request, Target: test.target})
			if err != nil {
				t.Fatal(err)
			}
			if got := string(res.Metadata["result.json"]); !json.Valid([]byte(got)) || !strings.Contains(got, test.json) {
				t.Errorf("the JSON is %s\nwant one with %s", got, test.json)
			}
			if got := string(res.Metadata["result.txt"]); !strings.Contains(got, test.text) {
				t.Errorf("the text is %s\nwant one with %s", got, test.text)
			}
			var bases []string
			for ref := range w.Asked() {
				bases = append(bases, ref)
			}
			slices.Sort(bases)
			if diff := cmp.Diff(test.bases, bases); diff != "" {
				t.Errorf("look-ups (-want +got):\n%s", diff)
			}
			if files, hashed := w.Done(); files != test.files || hashed {
				t.Errorf("files were read: %t, want %t; hashed: %t", files, test.files, hashed)
			}
		})
	}
}

// TestRequestsForFiles: BuildKit mounts what it was sent for each request.
func TestRequestsForFiles(t *testing.T) {
	w := newWorld(t, shop)
	w.write("api/.dockerignore", "*.log\n")
	w.must(os.Rename(filepath.Join(w.Folder, "web/Dockerfile"), filepath.Join(w.Folder, "web/Containerfile")))
	if _, err := w.run(Options{Request: RequestGraph}); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"list api", "list base", "list deploy", "list web",
		"read api/.dockerignore", "read api/Dockerfile", "read base/Dockerfile", "read deploy/Dockerfile", "read quoit.yaml", "read quoit.yaml.dockerignore", "read web/Containerfile",
	}
	if diff := cmp.Diff(want, w.Requests()); diff != "" {
		t.Errorf("what is asked of the files (-want +got):\n%s", diff)
	}
}

// unlistable has a name that is no text, which is an error in a message of BuildKit's.
type unlistable struct{}

func (unlistable) ReadDir(context.Context, client.ReadDirRequest) ([]*fstypes.Stat, error) {
	return nil, errors.New("string field contains invalid UTF-8")
}

func (unlistable) ReadFile(context.Context, client.ReadRequest) ([]byte, error) {
	return []byte("FROM scratch"), nil
}

func TestAFileInAFolderThatCannotBeListed(t *testing.T) {
	if data, err := readFile(t.Context(), folder.NewListed(unlistable{}), "api/Dockerfile"); err != nil || string(data) != "FROM scratch" {
		t.Errorf("%q, %v", data, err)
	}
}

func TestWhatNeedsTheRegistrySaysThatItIsDown(t *testing.T) {
	for _, o := range []Options{{Request: RequestPlan}, {}, {Export: true}, {Target: AllImages}} {
		w := newWorld(t, shop)
		w.down()
		w.fails(o, "looking up "+shopRegistry+"/records:records: ", "connection refused", "check that the registry runs")
	}
	w := newWorld(t, shop)
	w.down()
	if _, plan := w.build(Options{Ring: "none"}); len(plan.Images) != 4 || len(w.askedItsRegistry()) > 0 {
		t.Errorf("without a ring there are %d images, and asked for is %v", len(plan.Images), w.askedItsRegistry())
	}
}

func TestGraphAnswer(t *testing.T) {
	w := newWorld(t, shop)
	res, err := w.run(Options{Request: RequestGraph})
	if err != nil {
		t.Fatal(err)
	}
	got, err := graph.ParseListing(res.Metadata["result.json"])
	if err != nil {
		t.Fatal(err)
	}
	want := graph.Listing{Schema: 1, Root: "deploy", Images: []graph.Needs{
		{Name: "base", Needs: []string{}}, {Name: "api", Needs: []string{"base"}}, {Name: "web", Needs: []string{"api"}}, {Name: "deploy", Needs: []string{"api", "base", "web"}},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("JSON (-want +got):\n%s", diff)
	}
	if got, want := string(res.Metadata["result.txt"]), "base: \napi: base\nweb: api\ndeploy: api base web\n"; got != want {
		t.Errorf("text %q, want %q", got, want)
	}
}

func TestGraphsThatCannotBeRead(t *testing.T) {
	for data, want := range map[string]string{
		`[]`:           "reading a graph: json: cannot unmarshal array into Go value of type graph.Listing",
		`{}`:           "reading a graph: it has schema 0, this quoit knows 1",
		`{"schema":2}`: "reading a graph: it has schema 2, this quoit knows 1",
	} {
		if _, err := graph.ParseListing([]byte(data)); err == nil || err.Error() != want {
			t.Errorf("%s: %v\nwant %s", data, err, want)
		}
	}
}

func TestPlanAnswer(t *testing.T) {
	w := newWorld(t, shop)
	ask := func(o Options) *client.Result {
		t.Helper()
		o.Request = RequestPlan
		res, err := w.run(o)
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	short, err := w.run(Options{Request: "quoit.plan"})
	if err != nil || string(short.Metadata["result.json"]) != string(ask(Options{}).Metadata["result.json"]) {
		t.Errorf("without what buildx puts in front: %v, %s", err, short.Metadata["result.json"])
	}
	if code := string(ask(Options{}).Metadata["result.statuscode"]); code != "" {
		t.Errorf("exit code %q without being asked", code)
	}
	if code := string(ask(Options{ExitCode: true}).Metadata["result.statuscode"]); code != "2" {
		t.Errorf("exit code %q for a plan with changes", code)
	}
	w.publish(Options{})
	res := ask(Options{ExitCode: true})
	if code := string(res.Metadata["result.statuscode"]); code != "" {
		t.Errorf("exit code %q for a plan without changes", code)
	}
	if text := string(res.Metadata["result.txt"]); text != "nothing to do: developers has 0.1.0 and every image is unchanged\n" {
		t.Errorf("text %q", text)
	}
	if solved := len(w.Solved()); solved != 4 {
		t.Errorf("%d graphs were solved, want those of the first release only", solved)
	}
}

func TestRequestsOfOthersAreNotSupported(t *testing.T) {
	var unsupported *errdefs.UnsupportedSubrequestError
	_, err := newWorld(t, shop).run(Options{Request: "frontend.nothing"})
	if !errors.As(err, &unsupported) || unsupported.Name != "frontend.nothing" {
		t.Errorf("error %v", err)
	}
}

func TestDescribeNamesEveryRequest(t *testing.T) {
	res, err := newWorld(t, nil).run(Options{Request: subrequests.RequestSubrequestsDescribe})
	if err != nil {
		t.Fatal(err)
	}
	var got []subrequests.Request
	if err := json.Unmarshal(res.Metadata["result.json"], &got); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, r := range got {
		names = append(names, r.Name)
	}
	want := []string{"frontend.quoit.plan", "frontend.quoit.graph", "frontend.quoit.schema", "frontend.outline", "frontend.targets", "frontend.lint", "frontend.subrequests.describe"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !slices.Equal(manifest.Schema(), answerOf(t, RequestSchema)) {
		t.Error("the schema is not the manifest's")
	}
}

func answerOf(t *testing.T, request string) []byte {
	t.Helper()
	res, err := newWorld(t, nil).run(Options{Request: request})
	if err != nil {
		t.Fatal(err)
	}
	return res.Metadata["result.json"]
}

func TestOutlineOfAnUnknownImage(t *testing.T) {
	newWorld(t, shop).fails(Options{Request: outline.SubrequestsOutlineDefinition.Name, Target: "wbe"},
		`there is no image "wbe" in acme/shop; did you mean "web"?; images are api, base, deploy, web`)
}
