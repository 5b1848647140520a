package builder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/quoitbuild/quoit/frontend"
	"github.com/quoitbuild/quoit/manifest"
	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/registry/registrytest"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/store/storetest"
	"github.com/quoitbuild/quoit/versioning"
)

// edited is a project that is planned and published without a BuildKit: what it would have
// pushed is images without files.
type edited struct {
	*testing.T
	server *storetest.Server
	dir    string
	added  string // what the container file of api adds by HTTP
}

const apiFile = `# syntax=docker/dockerfile:1
ARG BASE=%[1]s/other/base/alpine:3
FROM $BASE AS tools
RUN echo tools

FROM %[1]s/acme/shop/base AS lint
COPY nowhere /

FROM %[1]s/acme/shop/base AS runtime
ARG FEATURES
COPY . /srv
ADD %[2]s/tool.txt /tool
COPY --from=tools /bin /tools
COPY --from=shared /all.txt /
RUN echo api
`

func newEdited(t *testing.T) *edited {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	e := &edited{T: t, server: storetest.New(t), dir: t.TempDir(), added: "one"}
	files := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, e.added) }))
	t.Cleanup(files.Close)
	e.base("3.1")
	e.write("quoit.yaml", strings.ReplaceAll(`project: acme/shop
registry: HOST
root: deploy
images:
  base: base
  api: {context: services/api, target: runtime, platforms: [linux/amd64], contexts: {shared: ./shared}, args: {FEATURES: "a"}}
  deploy: deploy
`, "HOST", e.server.Host()))
	e.write("base/Dockerfile", "FROM scratch\nCOPY base.txt /\n")
	e.write("base/base.txt", "base")
	e.write("services/api/Dockerfile", fmt.Sprintf(apiFile, e.server.Host(), files.URL))
	for _, name := range []string{"main.go", "run.sh", "old/x.go", "old/y.go", ".env", "conf/.npmrc"} {
		e.write("services/api/"+name, name)
	}
	e.write("shared/all.txt", "all")
	e.link("services/api/current", "old")
	e.write("deploy/Dockerfile", "FROM scratch\nCOPY all.yaml /\n")
	e.write("deploy/all.yaml", "# none")
	return e
}

// base pushes what the external base names.
func (e *edited) base(version string) {
	e.Helper()
	at, err := store.Open(e.server.Host(), "other/base", registry.Options{Transport: &http.Transport{}})
	if err != nil {
		e.Fatal(err)
	}
	to := at.Namespace().Writable("alpine")
	config := fmt.Appendf(nil, `{"architecture":"amd64","os":"linux","config":{"Labels":{"is":%q}},"rootfs":{"type":"layers","diff_ids":[]}}`, version)
	if err := registry.Ensure(e.Context(), to, config); err != nil {
		e.Fatal(err)
	}
	image := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":%q,"size":%d},"layers":[]}`,
		registry.ManifestType, registry.DigestOf(config), len(config))
	if _, err := to.Put(e.Context(), "3", registry.NewManifest(registry.ManifestType, image)); err != nil {
		e.Fatal(err)
	}
}

func (e *edited) path(name string) string { return filepath.Join(e.dir, filepath.FromSlash(name)) }

// write writes a file, whatever the umask and the mode that it had.
func (e *edited) write(name, text string) {
	e.Helper()
	if err := os.MkdirAll(filepath.Dir(e.path(name)), 0o755); err != nil {
		e.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(e.path(name), []byte(text), 0o644), os.Chmod(e.path(name), 0o644), os.Chmod(filepath.Dir(e.path(name)), 0o755)); err != nil {
		e.Fatal(err)
	}
}

func (e *edited) link(name, to string) {
	e.Helper()
	_ = os.Remove(e.path(name)) // the one before
	if err := os.Symlink(to, e.path(name)); err != nil {
		e.Fatal(err)
	}
}

func (e *edited) replace(name, old, with string) {
	e.Helper()
	text, err := os.ReadFile(e.path(name))
	if err != nil {
		e.Fatal(err)
	}
	if !strings.Contains(string(text), old) {
		e.Fatalf("%s has no %q", name, old)
	}
	e.write(name, strings.ReplaceAll(string(text), old, with))
}

func (e *edited) manifest() *manifest.Manifest {
	e.Helper()
	data, err := os.ReadFile(e.path("quoit.yaml"))
	if err != nil {
		e.Fatal(err)
	}
	m, err := manifest.Parse("quoit.yaml", data)
	if err != nil {
		e.Fatal(err)
	}
	return m
}

func (e *edited) plan() looked {
	e.Helper()
	m := e.manifest()
	o := Options{Dir: e.dir, File: e.path("quoit.yaml"), Manifest: m, Project: e.server.Open(nil), Frontend: frontend.Options{Ring: "developers"}}
	found, err := o.look(e.Context(), o.readLog(e.Context(), ""))
	if err == nil {
		err = found.why
	}
	if err != nil {
		e.Fatal(err)
	}
	return found
}

// publish publishes what is planned now.
func (e *edited) publish() {
	e.Helper()
	found := e.plan()
	if _, err := e.server.Open(nil).Publish(context.WithoutCancel(e.Context()), store.Publication{
		Plan: *found.plan, Rings: e.manifest().RingOrder(), Digests: e.server.PushPlan(*found.plan), Accounts: found.sources.Accounts(),
	}); err != nil {
		e.Fatal(err)
	}
}

func TestAPlanSaysWhatWasEdited(t *testing.T) {
	const api = "services/api/"
	for name, c := range map[string]struct {
		edit  func(*edited)
		image string
		want  string
	}{
		"a file": {func(e *edited) { e.write(api+"main.go", "other") }, "api", "services/api/main.go changed"},
		"several files": {func(e *edited) {
			e.write(api+"main.go", "other")
			e.write(api+"old/x.go", "other")
			e.write(api+"z", "")
		}, "api", "services/api/main.go changed, services/api/old/x.go changed, services/api/z added"},
		"many files": {func(e *edited) {
			for _, name := range []string{"main.go", "x.go", "y.go", "z.go"} {
				e.write(api+name, "other")
			}
		}, "api", "services/api/main.go changed, 3 more"},
		"a new file":            {func(e *edited) { e.write(api+"lib/x.go", "new") }, "api", "services/api/lib/x.go added"},
		"a file that is gone":   {func(e *edited) { _ = os.RemoveAll(e.path(api + "old/x.go")) }, "api", "services/api/old/x.go removed"},
		"a named context":       {func(e *edited) { e.write("shared/all.txt", "more") }, "api", "shared/all.txt changed"},
		"a mode":                {func(e *edited) { _ = os.Chmod(e.path(api+"run.sh"), 0o755) }, "api", "mode of services/api/run.sh 644 → 755"},
		"a folder's mode":       {func(e *edited) { _ = os.Chmod(e.path(api+"old"), 0o700) }, "api", "mode of services/api/old/ 755 → 700"},
		"a link":                {func(e *edited) { e.link(api+"current", "conf") }, "api", "link services/api/current old → conf"},
		"an argument":           {func(e *edited) { e.replace("quoit.yaml", `"a"`, `"b"`) }, "api", "argument FEATURES has another value"},
		"no argument":           {func(e *edited) { e.replace("quoit.yaml", `, args: {FEATURES: "a"}`, "") }, "api", "argument FEATURES is no longer given"},
		"an instruction":        {func(e *edited) { e.replace(api+"Dockerfile", "RUN echo api", "# why\nRUN echo more") }, "api", "services/api/Dockerfile:16 RUN changed"},
		"one of another stage":  {func(e *edited) { e.replace(api+"Dockerfile", "RUN echo tools", "RUN echo others") }, "api", "services/api/Dockerfile:4 RUN changed"},
		"a new instruction":     {func(e *edited) { e.replace(api+"Dockerfile", "RUN echo api", "USER 1000\nRUN echo api") }, "api", "services/api/Dockerfile:15 USER added"},
		"no instruction":        {func(e *edited) { e.replace(api+"Dockerfile", "RUN echo api", "") }, "api", "services/api/Dockerfile:15 RUN removed"},
		"the base":              {func(e *edited) { e.base("3.2") }, "api", "/other/base/alpine:3 sha256:"},
		"what is added by HTTP": {func(e *edited) { e.added = "two" }, "api", "/tool.txt sha256:"},
		"a sibling":             {func(e *edited) { e.write("base/base.txt", "other") }, "api", "base 0.1.0 → 0.1.1"},
		"a floor":               {func(e *edited) { e.replace("quoit.yaml", "target: runtime", "target: runtime, version: 2.0.0") }, "api", "the manifest wants 2.0.0 or later"},
		"a platform":            {func(e *edited) { e.replace("quoit.yaml", "[linux/amd64]", "[linux/amd64, linux/arm64]") }, "api", "0.1.0 has no linux/arm64"},
		"a file that moves": {func(e *edited) {
			e.write(api+"main2.go", "package main")
			_ = os.RemoveAll(e.path(api + "main.go"))
		}, "api", "services/api/main.go removed, services/api/main2.go added"},
		"what may be a secret": {func(e *edited) { e.write(api+"conf/.npmrc", "hidden") }, "api", "a file whose contents are not kept changed, perhaps services/api/.env, 1 more"},
		"the root's files":     {func(e *edited) { e.write("deploy/all.yaml", "# all") }, "deploy", "deploy/all.yaml changed"},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEdited(t)
			e.publish()
			c.edit(e)
			found := e.plan()
			if got := found.plan.Explain(c.image); !strings.Contains(got, c.want) || strings.Contains(got, "sources changed") {
				t.Errorf("want %q in:\n%s", c.want, got)
			}
		})
	}
}

// What one publish has kept is fetched once, however many images changed, and not again by
// the next plan.
func TestWhatWasKeptIsReadOnce(t *testing.T) {
	e := newEdited(t)
	e.publish()
	e.plan() // so that the record is known
	for _, name := range []string{"services/api/main.go", "base/base.txt", "deploy/all.yaml"} {
		e.write(name, "other")
	}
	for _, want := range []int{1, 0} {
		e.server.SetFault(nil)
		plan := e.plan().plan
		for _, image := range []string{"api", "base", "deploy"} {
			if got := plan.Explain(image); !strings.Contains(got, " changed") || strings.Contains(got, "sources changed") {
				t.Errorf("%s: %s", image, got)
			}
		}
		asked := registrytest.Count(e.server.Requests())
		if asked["GET records by digest"] != want || asked["GET records blob"] != want {
			t.Errorf("want the manifest and its layer %d times: %v", want, asked)
		}
	}
}

func TestWhatAnImageWasMadeOfIsCarriedOn(t *testing.T) {
	e := newEdited(t)
	e.publish()
	e.write("services/api/main.go", "2")
	e.publish()
	e.write("base/base.txt", "2") // untouched since the first
	if got := e.plan().plan.Explain("base"); !strings.Contains(got, "base/base.txt changed") {
		t.Error(got)
	}
}

func TestAPlanStandsWithoutWhatWasKept(t *testing.T) {
	e := newEdited(t)
	e.publish()
	record := e.server.Record("record-00000001")
	if status, body := e.server.Do(http.MethodDelete, "/v2/acme/shop/records/manifests/"+record.Images["api"].Account, "", nil); status >= 300 {
		t.Fatalf("%d %s", status, body)
	}
	e.write("services/api/main.go", "2")
	found := e.plan()
	image, _ := found.plan.Image("api")
	if len(image.Reasons) != 1 || image.Reasons[0].Kind != versioning.ReasonRevision || !strings.HasPrefix(image.Reasons[0].Detail, "sources changed: sha256:") {
		t.Errorf("%+v", image.Reasons)
	}
}
