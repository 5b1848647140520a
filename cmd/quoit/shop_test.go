package main

import (
	"archive/tar"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	memory "github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/opencontainers/go-digest"

	"github.com/quoitbuild/quoit/labels"
	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/store/storetest"
	"github.com/quoitbuild/quoit/versioning"
)

// shop is a project in a registry in memory: its releases are published as a build
// would, without building.
type shop struct {
	t    *testing.T
	dir  string // of the manifest
	host string // of the registry

	// What it is published from; "" is made up.
	commit, source string
	ancestors      []string

	required []records.Required // the gates that its releases have to pass
}

// sites follow the rings of a shop; no cluster of theirs answers.
const shopSites = `sites:
  eu: {environment: prod, ring: users, cluster: none, namespace: shop}
  lab: {environment: prod, ring: developers, cluster: none, namespace: lab}
`

// newShop is a shop without a release, alone in its environment. more is added to the
// manifest.
func newShop(t *testing.T, more string) *shop {
	t.Helper()
	s := &shop{t: t, dir: t.TempDir(), host: newRegistry(t)}
	for _, name := range append(actorVariables, "QUOIT_REGISTRY", "QUOIT_PROJECT", "QUOIT_RING", "SOURCE_DATE_EPOCH") {
		t.Setenv(name, "")
	}
	t.Setenv("QUOIT_ACTOR", "ann")
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("QUOIT_REGISTRY_HOSTS", t.TempDir())
	t.Setenv("BUILDKIT_HOST", "unix:///nowhere.sock")
	kubeconfig := "{clusters: [{name: none, cluster: {server: 'https://127.0.0.1:1'}}], contexts: [{name: none, context: {cluster: none}}], current-context: none}\n"
	t.Setenv("KUBECONFIG", s.write("kubeconfig", kubeconfig))
	s.write("quoit.yaml", "project: acme/shop\nregistry: "+s.host+"\nroot: deploy\nimages: {api: api, deploy: deploy}\n"+more)
	return s
}

func newRegistry(t *testing.T) (host string) {
	t.Helper()
	inner := memory.New(memory.Logger(log.New(io.Discard, "", 0)))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
		inner.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

func (s *shop) write(name, text string) (path string) {
	s.t.Helper()
	path = filepath.Join(s.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// publish publishes a release to a ring; content is what its images are of.
func (s *shop) publish(ring, content string) {
	s.t.Helper()
	if err := s.publishes(ring, content); err != nil {
		s.t.Fatal(err)
	}
}

// publishes is publish, which may fail.
func (s *shop) publishes(ring, content string) error {
	s.t.Helper()
	p, err := store.Open(s.host, "acme/shop", registry.Options{})
	if err != nil {
		s.t.Fatal(err)
	}
	return s.publishPlan(p, s.plan(p, ring, content), content)
}

// publishPlan publishes what a plan says, as if it had been built.
func (s *shop) publishPlan(p *store.Project, plan versioning.Plan, message string) error {
	digests := map[string]string{}
	for _, name := range plan.PublishOrder() {
		digests[name] = s.push(plan, name)
	}
	rings := versioning.Rings([]string{"developers", "testers", "users"})
	_, err := p.Publish(s.t.Context(), store.Publication{Plan: plan, Rings: rings, Digests: digests, Ancestors: s.ancestors, Required: s.required, Author: store.Author{Actor: "ann", Message: message}})
	return err
}

func (s *shop) plan(p *store.Project, ring, content string) versioning.Plan {
	s.t.Helper()
	rings := versioning.Rings([]string{"developers", "testers", "users"})
	placed := map[string]*versioning.Placed{}
	for {
		unread, err := versioning.Unread(rings, ring, placed)
		if err != nil {
			s.t.Fatal(err)
		}
		if len(unread) == 0 {
			break
		}
		for _, name := range unread {
			if placed[name], err = storetest.Ring(s.t.Context(), p, name); err != nil {
				s.t.Fatal(err)
			}
		}
	}
	state, err := versioning.Select(rings, ring, placed)
	if err != nil {
		s.t.Fatal(err)
	}
	request := versioning.Request{Registry: s.host, Project: "acme/shop", Root: "deploy", State: state, Source: s.source, Commit: cmp.Or(s.commit, "c0ffee")}
	for _, name := range []string{"api", "deploy"} {
		request.Images = append(request.Images, versioning.Source{Name: name, Revision: digest.FromString(content).String(), Platforms: []string{"linux/amd64"}})
	}
	free := func(string, versioning.Version) (string, bool, error) { return "", false, nil }
	plan, err := versioning.Resolve(request, free)
	if err != nil {
		s.t.Fatal(err)
	}
	return plan
}

// push pushes an image of a plan by digest. The root image has an overlay.
func (s *shop) push(plan versioning.Plan, name string) (dgst string) {
	s.t.Helper()
	image, _ := plan.Image(name)
	written := labels.Image(labels.Info(plan, image))
	built := empty.Image
	var err error
	if name == plan.Root {
		if written, err = labels.Root(labels.Info(plan, image), plan.Release()); err != nil {
			s.t.Fatal(err)
		}
		if built, err = mutate.AppendLayers(built, overlay(s.t)); err != nil {
			s.t.Fatal(err)
		}
	}
	config, err := built.ConfigFile()
	if err != nil {
		s.t.Fatal(err)
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Config.Labels = "linux", "amd64", written
	if built, err = mutate.ConfigFile(built, config); err != nil {
		s.t.Fatal(err)
	}
	hash, err := built.Digest()
	if err != nil {
		s.t.Fatal(err)
	}
	return s.upload(name, hash, built)
}

func (s *shop) upload(image string, hash v1.Hash, built v1.Image) (dgst string) {
	s.t.Helper()
	reference, err := name.NewDigest(s.host + "/acme/shop/" + image + "@" + hash.String())
	if err != nil {
		s.t.Fatal(err)
	}
	if err := remote.Write(reference, built); err != nil {
		s.t.Fatal(err)
	}
	return hash.String()
}

// overlay is a root image's files: an environment with one object.
func overlay(t *testing.T) v1.Layer {
	t.Helper()
	var files bytes.Buffer
	w := tar.NewWriter(&files)
	for _, file := range [][2]string{
		{"overlays/prod/kustomization.yaml", "resources: [settings.yaml]\n"},
		{"overlays/prod/settings.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {greeting: hello}\n"},
	} {
		if err := w.WriteHeader(&tar.Header{Name: file[0], Mode: 0o644, Size: int64(len(file[1]))}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, file[1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(files.Bytes())), nil })
	if err != nil {
		t.Fatal(err)
	}
	return layer
}

// answer is what a command printed, and its exit code.
type answer struct {
	out, err string
	code     int
}

// quoit runs a command of the shop, in this process.
func (s *shop) quoit(args ...string) answer {
	s.t.Helper()
	var out, errOut bytes.Buffer
	code := run(s.t.Context(), s.args(args), strings.NewReader(""), &out, &errOut)
	return answer{out.String(), errOut.String(), code}
}

// args names the shop, unless there are paths already.
func (s *shop) args(args []string) []string {
	if slices.Contains(args, "--project") || slices.Contains(args, "-C") || args[0] == "apply" {
		return args
	}
	return append(slices.Clone(args), "-C", s.dir)
}

// does runs a command that must succeed, and returns what it printed.
func (s *shop) does(args ...string) string {
	s.t.Helper()
	a := s.quoit(args...)
	if a.code != 0 {
		s.t.Fatalf("quoit %v: exit code %d\n%s%s", args, a.code, a.out, a.err)
	}
	return a.out
}

// says runs a command that must succeed and print each text.
func (s *shop) says(args []string, texts ...string) {
	s.t.Helper()
	out := s.does(args...)
	for _, text := range texts {
		if !strings.Contains(out, text) {
			s.t.Errorf("quoit %v prints no %q:\n%s", args, text, out)
		}
	}
}

// fails runs a command that must end with an exit code, and say each text.
func (s *shop) fails(code int, args []string, texts ...string) {
	s.t.Helper()
	a := s.quoit(args...)
	if a.code != code {
		s.t.Errorf("quoit %v: exit code %d, want %d\n%s%s", args, a.code, code, a.out, a.err)
	}
	for _, text := range texts {
		if !strings.Contains(a.err, text) {
			s.t.Errorf("quoit %v does not say %q:\n%s", args, text, a.err)
		}
	}
}

// reads runs a command with -o json and reads what it prints.
func (s *shop) reads(to any, args ...string) {
	s.t.Helper()
	if err := json.Unmarshal([]byte(s.does(append(args, "-o", "json")...)), to); err != nil {
		s.t.Errorf("quoit %v: %v", args, err)
	}
}

// holds are the versions in the rings, - for none.
func (s *shop) holds() string {
	s.t.Helper()
	var status struct {
		Rings []struct{ Ring, Version string }
	}
	s.reads(&status, "status")
	var all []string
	for _, ring := range status.Rings {
		if ring.Version == "" {
			ring.Version = "-"
		}
		all = append(all, ring.Version)
	}
	return strings.Join(all, " ")
}

// interrupted is a context that has ended.
func interrupted(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}
