// Package storetest is a project for tests of what goes through the log: acme/shop, of
// six images and five rings, in a [registrytest.Server].
package storetest

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/quoitbuild/quoit/labels"
	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/registry/registrytest"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/versioning"
)

// Project is the project's name.
const Project = registrytest.Path

// Rings are the project's rings.
var Rings = versioning.Rings([]string{"developers", "testers", "users"})

// Server is a registry in which the project is.
type Server struct {
	*registrytest.Server
	Shape
}

// New starts a registry in memory, until the test ends.
func New(t testing.TB) *Server {
	t.Helper()
	return &Server{Server: registrytest.New(t), Shape: Acme}
}

// Serve starts a registry that hands requests on to another one.
func Serve(t testing.TB, inner http.Handler) *Server {
	t.Helper()
	return &Server{Server: registrytest.Serve(t, inner), Shape: Acme}
}

// Open connects with pauses that do not slow the tests.
func (s *Server) Open(change func(*registry.Options)) *store.Project {
	s.T.Helper()
	options := registry.Options{Keychain: authn.NewMultiKeychain(), Transport: &http.Transport{}, Backoff: time.Millisecond, UserAgent: "quoit/test"}
	if change != nil {
		change(&options)
	}
	p, err := store.Open(s.Host(), Project, options)
	must(s.T, err)
	return p
}

// At is where the project is, connected to as by Open.
func (s *Server) At(change func(*registry.Options)) registry.Namespace {
	s.T.Helper()
	return s.Open(change).Namespace()
}

// Tags returns image → tag → digest of all that has a tag, without the log's.
func (s *Server) Tags() map[string]map[string]string {
	s.T.Helper()
	return s.TagsOf(func(repository string) bool { return !strings.HasSuffix(repository, "/"+records.Repository) })
}

// PushPlan pushes what a plan builds, and returns the digests.
func (s *Server) PushPlan(plan versioning.Plan) map[string]string {
	s.T.Helper()
	digests := map[string]string{}
	for _, name := range plan.PublishOrder() {
		image, _ := plan.Image(name)
		imageLabels := labels.Image(labels.Info(plan, image))
		if name == plan.Root {
			var err error
			imageLabels, err = labels.Root(labels.Info(plan, image), plan.Release())
			must(s.T, err)
		}
		digests[name] = s.Push(name, imageLabels)
	}
	return digests
}

// Whole checks that every ring names a release whose images all have their tags.
func (s *Server) Whole() {
	s.T.Helper()
	tags := s.Tags()
	for _, ring := range s.Rings {
		digest, holds := tags["deploy"][ring]
		if !holds || records.IsNothing(digest) {
			continue
		}
		placed := s.Ring(ring)
		for name, image := range placed.Release.Images {
			if tags[name][image.Version.String()] == "" {
				s.T.Errorf("ring %s has %s, whose %s %s does not exist", ring, placed.Release.Version(), name, image.Version)
			}
		}
		if of := tags["deploy"][placed.Release.Version().String()]; of != digest {
			s.T.Errorf("ring %s names %s, its version %s", ring, digest, of)
		}
	}
}

// Ring reads a ring past all faults.
func (s *Server) Ring(ring string) *versioning.Placed {
	s.T.Helper()
	clean := httptest.NewServer(s.Inner)
	defer clean.Close()
	p, err := store.Open(strings.TrimPrefix(clean.URL, "http://"), Project, registry.Options{Keychain: authn.NewMultiKeychain(), Transport: &http.Transport{}})
	must(s.T, err)
	placed, err := Ring(context.Background(), p, ring)
	must(s.T, err)
	return placed
}

// Ring is what a ring's tag names, whatever the log says; nil for nothing.
func Ring(ctx context.Context, p *store.Project, ring string) (*versioning.Placed, error) {
	repository := p.Namespace().Repository("deploy")
	top, found, err := repository.Get(ctx, ring)
	if err != nil || !found {
		return nil, err
	}
	release, err := store.ReleaseOf(ctx, repository, top)
	if errors.Is(err, labels.ErrEmpty) {
		return nil, nil
	}
	return &versioning.Placed{Ring: ring, Digest: top.Digest, Release: release}, err
}

// Move makes a ring name a digest, as a shift would.
func (s *Server) Move(ring, digest string) {
	s.T.Helper()
	_, manifest := s.Do("GET", "/v2/"+Project+"/deploy/manifests/"+digest, "", nil)
	s.Put("deploy", ring, registry.IndexType, manifest)
}

// Record reads a record past all faults.
func (s *Server) Record(tag string) records.Record {
	s.T.Helper()
	at := "/v2/" + Project + "/" + records.Repository
	_, manifest := s.Do("GET", at+"/manifests/"+tag, "", nil)
	digest, _, err := records.ConfigOf(manifest)
	must(s.T, err)
	_, config := s.Do("GET", at+"/blobs/"+digest, "", nil)
	sealed, err := records.Open(manifest, config)
	must(s.T, err)
	return sealed.Record
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
