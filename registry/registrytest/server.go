// Package registrytest is a registry for tests: in memory unless a test wants another
// one behind it, with a log of what it was asked, and faults.
package registrytest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	memory "github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

const (
	manifestType = string(types.OCIManifestSchema1)
	indexType    = string(types.OCIImageIndex)
)

// Path is the namespace that a [Server] is about.
const Path = "acme/shop"

// Fault is asked before the request of a number; true: it has answered itself.
type Fault func(n int, w http.ResponseWriter, r *http.Request) bool

// Server is a registry that logs what it is asked, and can fail.
type Server struct {
	T     testing.TB
	Inner http.Handler // the registry behind
	HTTP  *httptest.Server

	mu    sync.Mutex
	log   []string
	fault Fault
}

// New starts a registry in memory, until the test ends.
func New(t testing.TB) *Server {
	t.Helper()
	return Serve(t, memory.New(memory.Logger(log.New(io.Discard, "", 0))))
}

// Serve starts a registry that hands requests on to another one.
func Serve(t testing.TB, inner http.Handler) *Server {
	t.Helper()
	s := &Server{T: t, Inner: inner}
	s.HTTP = httptest.NewUnstartedServer(s)
	s.HTTP.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.HTTP.Start()
	t.Cleanup(s.HTTP.Close)
	return s
}

// Host is where it listens.
func (s *Server) Host() string { return strings.TrimPrefix(s.HTTP.URL, "http://") }

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.log = append(s.log, Line(r))
	n, fault := len(s.log)-1, s.fault
	s.mu.Unlock()
	if fault != nil && fault(n, w, r) {
		return
	}
	w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
	s.Inner.ServeHTTP(w, r)
}

// Line is a request as the log has it, like "HEAD api 1.0.0" or "GET /v2/"; digests
// are cut.
func Line(r *http.Request) string {
	rest, found := strings.CutPrefix(r.URL.Path, "/v2/"+Path+"/")
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

// Requests returns the log and empties it.
func (s *Server) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.log
	s.log = nil
	return all
}

// Count counts requests that are equal.
func Count(requests []string) map[string]int {
	count := map[string]int{}
	for _, request := range requests {
		count[request]++
	}
	return count
}

// SetFault sets what is asked before each request from now on, which is number 0;
// nil: nothing.
func (s *Server) SetFault(fault Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault, s.log = fault, nil
}

// WrapFault lets a fault be asked in place of the one that is set, which it is given.
func (s *Server) WrapFault(wrap func(set Fault) Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = wrap(s.fault)
}

// Text is an error with the server's name taken out.
func (s *Server) Text(err error) string {
	if err == nil {
		return ""
	}
	return strings.ReplaceAll(err.Error(), s.Host(), "HOST")
}

// Do asks the registry behind, past the log and the faults.
func (s *Server) Do(method, path, mediaType string, body []byte) (int, []byte) {
	r := httptest.NewRequest(method, path, strings.NewReader(string(body)))
	r.Header.Set("Accept", indexType+","+manifestType)
	if mediaType != "" {
		r.Header.Set("Content-Type", mediaType)
	}
	w := httptest.NewRecorder()
	s.Inner.ServeHTTP(w, r)
	return w.Code, w.Body.Bytes()
}

// Put pushes a manifest, and returns its digest.
func (s *Server) Put(image, identifier, mediaType string, body []byte) string {
	s.T.Helper()
	if code, answer := s.Do("PUT", "/v2/"+Path+"/"+image+"/manifests/"+identifier, mediaType, body); code != http.StatusCreated {
		s.T.Fatalf("pushing %s: %d %s", image, code, answer)
	}
	return digestOf(body)
}

// PushBlob pushes a blob.
func (s *Server) PushBlob(image string, data []byte) {
	s.T.Helper()
	start := httptest.NewRecorder()
	s.Inner.ServeHTTP(start, httptest.NewRequest("POST", "/v2/"+Path+"/"+image+"/blobs/uploads/", nil))
	at, err := start.Result().Location()
	if err != nil {
		s.T.Fatal(err)
	}
	query := at.Query()
	query.Set("digest", digestOf(data))
	if code, answer := s.Do("PUT", at.Path+"?"+query.Encode(), "", data); code != http.StatusCreated {
		s.T.Fatalf("pushing a blob of %s: %d %s", image, code, answer)
	}
}

// Push pushes an image by digest: one platform, an attestation, and an index.
func (s *Server) Push(image string, labels map[string]string) string {
	s.T.Helper()
	data, err := json.Marshal(labels)
	if err != nil {
		s.T.Fatal(err)
	}
	config := fmt.Appendf(nil, `{"architecture":"amd64","os":"linux","config":{"Labels":%s}}`, data)
	s.PushBlob(image, config)
	manifest := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":%q,"size":%d},"layers":[]}`,
		manifestType, digestOf(config), len(config))
	s.PushBlob(image, []byte("{}"))
	attestation := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":%q,"size":2},"layers":[]}`,
		manifestType, digestOf([]byte("{}")))
	entry := func(manifest []byte) string {
		return fmt.Sprintf(`"mediaType":%q,"digest":%q,"size":%d`, manifestType, s.Put(image, digestOf(manifest), manifestType, manifest), len(manifest))
	}
	index := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"manifests":[`+
		`{%s,"annotations":{"vnd.docker.reference.type":"attestation-manifest"}},{%s,"platform":{"architecture":"amd64","os":"linux"}}]}`,
		indexType, entry(attestation), entry(manifest))
	return s.Put(image, digestOf(index), indexType, index)
}

// TagsOf returns image → tag → digest of the repositories that which asks for.
func (s *Server) TagsOf(which func(repository string) bool) map[string]map[string]string {
	s.T.Helper()
	all := map[string]map[string]string{}
	var catalog struct{ Repositories []string }
	s.decode("/v2/_catalog", &catalog)
	for _, repository := range catalog.Repositories {
		if !which(repository) {
			continue
		}
		var list struct{ Tags []string }
		s.decode("/v2/"+repository+"/tags/list", &list)
		for _, tag := range list.Tags {
			_, manifest := s.Do("GET", "/v2/"+repository+"/manifests/"+tag, "", nil)
			image := strings.TrimPrefix(repository, Path+"/")
			if all[image] == nil {
				all[image] = map[string]string{}
			}
			all[image][tag] = digestOf(manifest)
		}
	}
	return all
}

// EveryTag returns image → tag → digest of all that has a tag.
func (s *Server) EveryTag() map[string]map[string]string {
	s.T.Helper()
	return s.TagsOf(func(string) bool { return true })
}

func (s *Server) decode(path string, into any) {
	s.T.Helper()
	_, data := s.Do("GET", path, "", nil)
	if err := json.Unmarshal(data, into); err != nil {
		s.T.Fatal(err)
	}
}

func digestOf(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}
