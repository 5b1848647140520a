package frontend

import (
	"cmp"
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
	"github.com/opencontainers/go-digest"

	"github.com/quoitbuild/quoit/internal/gatewaytest"
	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/registry/memory"
	"github.com/quoitbuild/quoit/store"
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
	t  *testing.T
	at registry.Namespace // what is in the registry
}

// newWorld is a world with these files, in which nothing is published.
func newWorld(t *testing.T, files map[string]string) *world {
	t.Helper()
	w := &world{Gateway: gatewaytest.New(), t: t, at: memory.New(shopRegistry)}
	w.Folder, w.Registry, w.Contents = t.TempDir(), "registry.example.com", w.contents
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

// contents are what the project's registry has.
func (w *world) contents(ref string) (digest.Digest, []byte) {
	name, identifier, byDigest := strings.Cut(strings.TrimPrefix(ref, shopRegistry+"/"), "@")
	if !byDigest {
		name, identifier, _ = strings.Cut(name, ":")
	}
	repository := w.at.Repository(name)
	top, found, err := repository.Get(w.t.Context(), identifier)
	w.must(err)
	if !found {
		return "", nil
	}
	config, err := top.Config()
	w.must(err)
	data, err := repository.Blob(w.t.Context(), config)
	w.must(err)
	return digest.Digest(top.Digest), data
}

// push puts an image with that config into the registry, by digest or under a tag.
func (w *world) push(image, tag string, config []byte) string {
	w.t.Helper()
	repository := w.at.Repository(image)
	w.must(registry.Ensure(w.t.Context(), repository, config))
	manifest := registry.NewManifest(registry.ManifestType, fmt.Appendf(nil, `{"schemaVersion":2,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":%q,"size":%d},"layers":[]}`,
		registry.DigestOf(config), len(config)))
	_, err := repository.Put(w.t.Context(), cmp.Or(tag, manifest.Digest), manifest)
	w.must(err)
	return manifest.Digest
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
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
	return New(Host{Runner: runner})(w.t.Context(), w.Gateway)
}

func runner(client.Client) (bk.State, string, error) { return bk.Image("quoit"), "/quoit", nil }

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

// publish builds what changed and publishes it, as the quoit command does.
func (w *world) publish(o Options) versioning.Plan {
	w.t.Helper()
	o.Export = true
	res, plan := w.build(o)
	digests := map[string]string{}
	for _, name := range plan.PublishOrder() {
		digests[name] = w.push(name, "", res.Metadata[exptypes.ExporterImageConfigKey+"/"+name])
	}
	_, err := store.New(w.at, "acme/shop").Publish(w.t.Context(), store.Publication{
		Plan: plan, Rings: versioning.Rings([]string{"developers", "testers", "users"}), Digests: digests, Author: store.Author{Actor: "ann"},
	})
	w.must(err)
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
