package frontend

import (
	"encoding/base64"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	bk "github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	"github.com/moby/buildkit/frontend/gateway/client"

	"github.com/quoitbuild/quoit/internal/gatewaytest"
	"github.com/quoitbuild/quoit/versioning"
)

// shop is a project with an image on a sibling, one that needs another at run
// time, and an external.
var shop = map[string]string{
	"quoit.yaml": `project: acme/shop
registry: registry.example.com
root: deploy
images:
  base: base
  api: api
  web: {context: web, depends: [api]}
  deploy: deploy
externals:
  db: postgres:17
`,
	"base/Dockerfile":   "FROM busybox\nCOPY f /\n",
	"base/f":            "base",
	"api/Dockerfile":    "FROM base\nARG GO=1\nCOPY f /\n",
	"api/f":             "api",
	"web/Dockerfile":    "FROM nginx:1 AS assets\nCOPY f /\nFROM scratch\nCOPY --from=assets /f /\n",
	"web/f":             "web",
	"deploy/Dockerfile": "FROM scratch\nCOPY f /\n",
	"deploy/f":          "deploy",
}

const shopRegistry = "registry.example.com/acme/shop"

// world is a project with its registry.
type world struct {
	*gatewaytest.Gateway
	t *testing.T
}

// newWorld is a world with these files, in which nothing is published.
func newWorld(t *testing.T, files map[string]string) *world {
	t.Helper()
	w := &world{Gateway: gatewaytest.New(), t: t}
	w.Folder, w.Registry = t.TempDir(), "registry.example.com"
	for name, text := range files {
		w.write(name, text)
	}
	return w
}

func (w *world) write(name, text string) {
	w.t.Helper()
	file := filepath.Join(w.Folder, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

// down makes every look-up in the project's registry fail.
func (w *world) down() {
	w.Fail = func(ref string) error {
		if strings.HasPrefix(ref, w.Registry+"/") {
			return fmt.Errorf("failed to do request: Head %q: dial tcp: connect: connection refused", "https://"+ref)
		}
		return nil
	}
}

// run runs the frontend as BuildKit does.
func (w *world) run(o Options) (*client.Result, error) {
	if o.Filename == "" {
		o.Filename = DefaultManifest
	}
	w.Opts = o.Attrs()
	runner := func(client.Client) (bk.State, string, error) { return bk.Image("quoit"), "/quoit", nil }
	return New(Host{Runner: runner})(w.t.Context(), w.Gateway)
}

// build runs a build that has to succeed.
func (w *world) build(o Options) (*client.Result, versioning.Plan) {
	w.t.Helper()
	res, err := w.run(o)
	if err != nil {
		w.t.Fatal(err)
	}
	data, err := base64.StdEncoding.DecodeString(string(res.Metadata[MetaPlan]))
	if err != nil {
		w.t.Fatal(err)
	}
	plan, err := versioning.ParsePlan(data)
	if err != nil {
		w.t.Fatal(err)
	}
	return res, plan
}

// publish builds what changed and puts it into the registry, as the quoit command
// does.
func (w *world) publish(o Options) versioning.Plan {
	w.t.Helper()
	o.Export = true
	res, plan := w.build(o)
	for _, name := range plan.PublishOrder() {
		image, _ := plan.Image(name)
		config := res.Metadata[exptypes.ExporterImageConfigKey+"/"+name]
		w.Push(shopRegistry+"/"+name+":"+image.Version.String(), config)
		if name == plan.Root {
			w.Push(shopRegistry+"/"+name+":"+plan.Ring, config)
		}
	}
	return plan
}

// fails runs a build that has to fail, with these words in its error.
func (w *world) fails(o Options, words ...string) error {
	w.t.Helper()
	_, err := w.run(o)
	for _, word := range words {
		if err == nil || !strings.Contains(err.Error(), word) {
			w.t.Errorf("error %v\nwant one with %q", err, word)
		}
	}
	return err
}

// changes are a plan's images with their versions and the kinds of their reasons.
func changes(plan versioning.Plan) []string {
	var all []string
	for _, image := range plan.Images {
		var kinds []string
		for _, reason := range image.Reasons {
			kinds = append(kinds, reason.Kind)
		}
		all = append(all, strings.TrimSpace(image.Name+" "+image.Version.String()+" "+strings.Join(slices.Compact(kinds), " ")))
	}
	return all
}

// with returns shop with one file more, or with another text.
func with(name, text string) map[string]string {
	files := maps.Clone(shop)
	files[name] = text
	return files
}
