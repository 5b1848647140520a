package registry

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	memory "github.com/google/go-containerregistry/pkg/registry"

	"github.com/quoitbuild/quoit/labels"
	"github.com/quoitbuild/quoit/versioning"
)

const (
	ociManifest = "application/vnd.oci.image.manifest.v1+json"
	ociIndex    = "application/vnd.oci.image.index.v1+json"
	acmeShop    = "acme/shop"
)

var fiveRings = versioning.Rings([]string{"developers", "testers", "users"})

// server is a registry in memory that logs what it is asked, and can fail.
type server struct {
	t     *testing.T
	inner http.Handler
	http  *httptest.Server

	mu  sync.Mutex
	log []string // "HEAD api 1.0.0"; "GET /v2/"
	// fault is asked before each request; true: it answered itself.
	fault func(n int, w http.ResponseWriter, r *http.Request) bool
}

func newServer(t *testing.T) *server {
	t.Helper()
	s := &server{t: t, inner: memory.New(memory.Logger(log.New(io.Discard, "", 0)))}
	s.http = httptest.NewUnstartedServer(s)
	s.http.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.http.Start()
	t.Cleanup(s.http.Close)
	return s
}

func (s *server) host() string { return strings.TrimPrefix(s.http.URL, "http://") }

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.log = append(s.log, line(r))
	n, fault := len(s.log)-1, s.fault
	s.mu.Unlock()
	if fault != nil && fault(n, w, r) {
		return
	}
	w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
	s.inner.ServeHTTP(w, r)
}

// line is a request as the log has it; digests are cut.
func line(r *http.Request) string {
	rest, found := strings.CutPrefix(r.URL.Path, "/v2/"+acmeShop+"/")
	if !found {
		return r.Method + " " + r.URL.Path
	}
	parts := strings.Split(rest, "/")
	what := parts[2]
	if strings.HasPrefix(what, "sha256:") {
		what = map[string]string{"manifests": "by digest", "blobs": "blob"}[parts[1]]
	}
	return fmt.Sprintf("%s %s %s", r.Method, parts[0], what)
}

// requests returns the log and empties it.
func (s *server) requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.log
	s.log = nil
	return all
}

func (s *server) setFault(fault func(n int, w http.ResponseWriter, r *http.Request) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault, s.log = fault, nil
}

// do asks the registry itself, past the log and the faults.
func (s *server) do(method, path, mediaType string, body []byte) (int, []byte) {
	r := httptest.NewRequest(method, path, strings.NewReader(string(body)))
	if mediaType != "" {
		r.Header.Set("Content-Type", mediaType)
	}
	w := httptest.NewRecorder()
	s.inner.ServeHTTP(w, r)
	return w.Code, w.Body.Bytes()
}

func (s *server) put(image, identifier, mediaType string, body []byte) string {
	s.t.Helper()
	if code, answer := s.do("PUT", "/v2/"+acmeShop+"/"+image+"/manifests/"+identifier, mediaType, body); code != http.StatusCreated {
		s.t.Fatalf("pushing %s: %d %s", image, code, answer)
	}
	return digestOf(body)
}

// tags returns image → tag → digest of all that has a tag.
func (s *server) tags() map[string]map[string]string {
	s.t.Helper()
	all := map[string]map[string]string{}
	_, data := s.do("GET", "/v2/_catalog", "", nil)
	var catalog struct{ Repositories []string }
	must(s.t, json.Unmarshal(data, &catalog))
	for _, repository := range catalog.Repositories {
		_, data := s.do("GET", "/v2/"+repository+"/tags/list", "", nil)
		var list struct{ Tags []string }
		must(s.t, json.Unmarshal(data, &list))
		for _, tag := range list.Tags {
			_, manifest := s.do("GET", "/v2/"+repository+"/manifests/"+tag, "", nil)
			image := strings.TrimPrefix(repository, acmeShop+"/")
			if all[image] == nil {
				all[image] = map[string]string{}
			}
			all[image][tag] = digestOf(manifest)
		}
	}
	return all
}

// push pushes an image by digest: one platform, an attestation, and an index.
func (s *server) push(image string, imageLabels map[string]string) string {
	s.t.Helper()
	config := fmt.Appendf(nil, `{"architecture":"amd64","os":"linux","config":{"Labels":%s}}`, jsonOf(s.t, imageLabels))
	code, answer := s.do("POST", "/v2/"+acmeShop+"/"+image+"/blobs/uploads/?digest="+digestOf(config), "", config)
	if code != http.StatusCreated {
		s.t.Fatalf("pushing the config of %s: %d %s", image, code, answer)
	}
	manifest := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":{"digest":%q,"size":%d},"layers":[]}`,
		ociManifest, digestOf(config), len(config))
	digest := s.put(image, digestOf(manifest), ociManifest, manifest)
	index := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"manifests":[`+
		`{"mediaType":%q,"digest":%q,"annotations":{"vnd.docker.reference.type":"attestation-manifest"}},{"mediaType":%q,"digest":%q}]}`,
		ociIndex, ociManifest, digest, ociManifest, digest)
	return s.put(image, digestOf(index), ociIndex, index)
}

// pushPlan pushes what a plan builds, and returns the digests.
func (s *server) pushPlan(plan versioning.Plan) map[string]string {
	s.t.Helper()
	digests := map[string]string{}
	for _, name := range plan.PublishOrder() {
		image, _ := plan.Image(name)
		imageLabels := labels.Image(labels.Info(plan, image))
		if name == plan.Root {
			var err error
			imageLabels, err = labels.Root(labels.Info(plan, image), plan.Release())
			must(s.t, err)
		}
		digests[name] = s.push(name, imageLabels)
	}
	return digests
}

// open connects with pauses that do not slow the tests.
func (s *server) open(change func(*Options)) *Project {
	s.t.Helper()
	options := Options{Keychain: authn.NewMultiKeychain(), Transport: &http.Transport{}, Backoff: time.Millisecond, UserAgent: "quoit/test"}
	if change != nil {
		change(&options)
	}
	p, err := Open(s.host(), acmeShop, options)
	must(s.t, err)
	return p
}

// shop is the sources of a project: what each image needs, and its revision.
type shop map[string]int

var (
	shopNeeds = map[string][]string{"api": {"base"}, "web": {"base"}, "jobs": {"api"}}
	shopOrder = []string{"base", "mail", "api", "web", "jobs", "deploy"}
)

// plan plans a build of the sources for a ring.
func (s *server) plan(p *Project, sources shop, ring string) versioning.Plan {
	s.t.Helper()
	ctx := context.Background()
	placed := map[string]*versioning.Placed{}
	for {
		unread, err := versioning.Unread(fiveRings, ring, placed)
		must(s.t, err)
		if len(unread) == 0 {
			break
		}
		for _, name := range unread {
			placed[name], err = p.Ring(ctx, "deploy", name)
			must(s.t, err)
		}
	}
	state, err := versioning.Select(fiveRings, ring, placed)
	must(s.t, err)
	request := versioning.Request{Project: acmeShop, Root: "deploy", State: state, Commit: "c0ffee"}
	for _, name := range shopOrder {
		if revision, present := sources[name]; present {
			request.Images = append(request.Images, versioning.Source{
				Name: name, Revision: digestOf(fmt.Append(nil, revision)), Platforms: []string{"linux/amd64"},
				Dependencies: slices.DeleteFunc(slices.Clone(shopNeeds[name]), func(need string) bool { return sources[need] == 0 }),
			})
		}
	}
	plan, err := versioning.Resolve(request, s.lookup)
	must(s.t, err)
	return plan
}

// lookup finds the identity of a version in its label.
func (s *server) lookup(image string, version versioning.Version) (string, bool, error) {
	at := "/v2/" + acmeShop + "/" + image
	code, index := s.do("GET", at+"/manifests/"+version.String(), "", nil)
	if code != http.StatusOK {
		return "", false, nil
	}
	digest, err := platformImage(index)
	must(s.t, err)
	_, manifest := s.do("GET", at+"/manifests/"+digest, "", nil)
	digest, _, err = configOf(manifest)
	must(s.t, err)
	_, data := s.do("GET", at+"/blobs/"+digest, "", nil)
	var config struct {
		Config struct{ Labels map[string]string }
	}
	must(s.t, json.Unmarshal(data, &config))
	return config.Config.Labels[labels.Identity], true, nil
}

// release publishes the sources to a ring, and returns the publication.
func (s *server) release(sources shop, ring string) Publication {
	s.t.Helper()
	p := s.open(nil)
	plan := s.plan(p, sources, ring)
	publication := Publication{Plan: plan, Rings: fiveRings, Digests: s.pushPlan(plan)}
	_, err := p.Publish(context.Background(), publication)
	must(s.t, err)
	s.requests()
	return publication
}

// next plans and pushes a change, and publishes nothing.
func (s *server) next(sources shop, ring string) Publication {
	s.t.Helper()
	plan := s.plan(s.open(nil), sources, ring)
	publication := Publication{Plan: plan, Rings: fiveRings, Digests: s.pushPlan(plan)}
	s.requests()
	return publication
}

// whole checks that every ring names a release whose images all have their tags.
func (s *server) whole() {
	s.t.Helper()
	tags := s.tags()
	for _, ring := range fiveRings {
		digest, holds := tags["deploy"][ring]
		if !holds {
			continue
		}
		placed := s.ring(ring)
		for name, image := range placed.Release.Images {
			if tags[name][image.Version.String()] == "" {
				s.t.Errorf("ring %s holds %s, whose %s %s does not exist", ring, placed.Release.Version(), name, image.Version)
			}
		}
		if of := tags["deploy"][placed.Release.Version().String()]; of != digest {
			s.t.Errorf("ring %s names %s, its version %s", ring, digest, of)
		}
	}
}

// ring reads a ring past all faults.
func (s *server) ring(ring string) *versioning.Placed {
	s.t.Helper()
	clean := httptest.NewServer(s.inner)
	defer clean.Close()
	p, err := Open(strings.TrimPrefix(clean.URL, "http://"), acmeShop, Options{Keychain: authn.NewMultiKeychain(), Transport: &http.Transport{}})
	must(s.t, err)
	placed, err := p.Ring(context.Background(), "deploy", ring)
	must(s.t, err)
	return placed
}

func jsonOf(t *testing.T, value any) []byte {
	t.Helper()
	data, err := json.Marshal(value)
	must(t, err)
	return data
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
