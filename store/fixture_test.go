package store

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	memory "github.com/google/go-containerregistry/pkg/registry"

	"github.com/quoitbuild/quoit/labels"
	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/versioning"
)

const (
	ociManifest = "application/vnd.oci.image.manifest.v1+json"
	ociIndex    = "application/vnd.oci.image.index.v1+json"
	acmeShop    = "acme/shop"
)

var fiveRings = versioning.Rings([]string{"developers", "testers", "users"})

// server is a registry, in memory unless a test wants another one, that logs what
// it is asked, and can fail.
type server struct {
	shape
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
	return serve(t, memory.New(memory.Logger(log.New(io.Discard, "", 0))))
}

func serve(t *testing.T, inner http.Handler) *server {
	t.Helper()
	s := &server{shape: acme, t: t, inner: inner}
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
	r.Header.Set("Accept", accept)
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

// tags returns image → tag → digest of all that has a tag, without the log's.
func (s *server) tags() map[string]map[string]string {
	s.t.Helper()
	return s.tagsOf(func(repository string) bool { return !strings.HasSuffix(repository, "/"+records.Repository) })
}

// everyTag also has the log's tags.
func (s *server) everyTag() map[string]map[string]string {
	s.t.Helper()
	return s.tagsOf(func(string) bool { return true })
}

func (s *server) tagsOf(which func(repository string) bool) map[string]map[string]string {
	s.t.Helper()
	all := map[string]map[string]string{}
	_, data := s.do("GET", "/v2/_catalog", "", nil)
	var catalog struct{ Repositories []string }
	must(s.t, json.Unmarshal(data, &catalog))
	for _, repository := range catalog.Repositories {
		if !which(repository) {
			continue
		}
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
	s.upload(image, config)
	manifest := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":%q,"size":%d},"layers":[]}`,
		ociManifest, digestOf(config), len(config))
	s.upload(image, []byte("{}"))
	attestation := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":%q,"size":2},"layers":[]}`,
		ociManifest, digestOf([]byte("{}")))
	entry := func(manifest []byte) string {
		return fmt.Sprintf(`"mediaType":%q,"digest":%q,"size":%d`, ociManifest, s.put(image, digestOf(manifest), ociManifest, manifest), len(manifest))
	}
	index := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"manifests":[`+
		`{%s,"annotations":{"vnd.docker.reference.type":"attestation-manifest"}},{%s,"platform":{"architecture":"amd64","os":"linux"}}]}`,
		ociIndex, entry(attestation), entry(manifest))
	return s.put(image, digestOf(index), ociIndex, index)
}

// upload pushes a blob.
func (s *server) upload(image string, data []byte) {
	s.t.Helper()
	start := httptest.NewRecorder()
	s.inner.ServeHTTP(start, httptest.NewRequest("POST", "/v2/"+acmeShop+"/"+image+"/blobs/uploads/", nil))
	at, err := start.Result().Location()
	must(s.t, err)
	query := at.Query()
	query.Set("digest", digestOf(data))
	if code, answer := s.do("PUT", at.Path+"?"+query.Encode(), "", data); code != http.StatusCreated {
		s.t.Fatalf("pushing a blob of %s: %d %s", image, code, answer)
	}
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

// whole checks that every ring names a release whose images all have their tags.
func (s *server) whole() {
	s.t.Helper()
	tags := s.tags()
	for _, ring := range s.rings {
		digest, holds := tags["deploy"][ring]
		if !holds || digest == records.Nothing().Digest {
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
