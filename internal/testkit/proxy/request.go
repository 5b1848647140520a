package proxy

import (
	"net/http"
	"strings"
	"time"
)

// Request is a request to a registry, as the proxy has seen it or the registry's
// access log tells of it.
type Request struct {
	Time      time.Time // when it began, in whole seconds
	Method    string
	Path      string // without the query
	Query     string // as sent, without the question mark
	Status    int
	Bytes     int64 // of the response's body
	UserAgent string
}

// requestKinds are what may follow the repository in a path; of two that
// match at one place the first is meant.
var requestKinds = []string{"blobs/uploads", "manifests", "blobs", "tags", "referrers"}

// Kind is what the request is about: manifests, blobs, uploads, tags or
// referrers; "" for one of no repository.
func (r Request) Kind() string {
	_, kind := r.split()
	return strings.TrimPrefix(kind, "blobs/")
}

// Repository is the repository's name, "" for a request of none.
func (r Request) Repository() string {
	repository, _ := r.split()
	return repository
}

func (r Request) split() (repository, kind string) {
	path, ok := strings.CutPrefix(r.Path, "/v2/")
	if !ok {
		return "", ""
	}
	for _, k := range requestKinds {
		// A repository's name may have these words too: the last one counts.
		if at := strings.LastIndex(path, "/"+k+"/"); at > len(repository) {
			repository, kind = path[:at], k
		}
	}
	return repository, kind
}

// InRepository keeps the requests of a repository and of those below it:
// "shop" has shop and shop/web, not shopping.
func InRepository(requests []Request, prefix string) []Request {
	var kept []Request
	for _, r := range requests {
		name := r.Repository()
		if name == prefix || strings.HasPrefix(name, strings.TrimSuffix(prefix, "/")+"/") {
			kept = append(kept, r)
		}
	}
	return kept
}

// CountRequests counts by method and kind: "HEAD manifests", "GET blobs",
// "POST uploads". Requests of no repository, as for /v2/, are left out.
func CountRequests(requests []Request) map[string]int {
	counts := map[string]int{}
	for _, r := range requests {
		if kind := r.Kind(); kind != "" {
			counts[r.Method+" "+kind]++
		}
	}
	return counts
}

// Identifier is the tag or digest that a request for a manifest or blob is
// about, "" for other requests.
func (r Request) Identifier() string {
	repository, kind := r.split()
	if kind != "manifests" && kind != "blobs" {
		return ""
	}
	return strings.TrimPrefix(r.Path, "/v2/"+repository+"/"+kind+"/")
}

// IsWrite tells whether a request may change the registry.
func IsWrite(r Request) bool { return r.Method != http.MethodGet && r.Method != http.MethodHead }

// Manifest chooses requests for a tag or digest of an image, in whatever project.
func Manifest(image, identifier string) func(Request) bool {
	return func(r Request) bool {
		return r.Kind() == "manifests" && ofImage(r, image) && r.Identifier() == identifier
	}
}

// ByDigest chooses requests for manifests of an image by their digests.
func ByDigest(image string) func(Request) bool {
	return func(r Request) bool {
		return r.Kind() == "manifests" && ofImage(r, image) && strings.HasPrefix(r.Identifier(), "sha256:")
	}
}

// Blob chooses requests for blobs of an image.
func Blob(image string) func(Request) bool {
	return func(r Request) bool { return r.Kind() == "blobs" && ofImage(r, image) }
}

// All chooses requests that each of the matches chooses.
func All(matches ...func(Request) bool) func(Request) bool {
	return func(r Request) bool {
		for _, match := range matches {
			if !match(r) {
				return false
			}
		}
		return true
	}
}

// Method chooses requests by their method.
func Method(method string) func(Request) bool {
	return func(r Request) bool { return r.Method == method }
}

func ofImage(r Request, image string) bool {
	return strings.HasSuffix("/"+r.Repository(), "/"+image)
}
