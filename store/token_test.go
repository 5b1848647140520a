package store

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/authn"
)

// tokens is a registry that wants tokens, and remembers who it gave which.
func (s *server) tokens() *[]string {
	given := &[]string{}
	s.setFault(func(_ int, w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/token" {
			user, password, _ := r.BasicAuth()
			*given = append(*given, user+":"+password+" "+r.URL.Query().Get("scope"))
			fmt.Fprint(w, `{"access_token":"t0ken"}`)
			return true
		}
		if r.Header.Get("Authorization") == "Bearer t0ken" {
			return false
		}
		w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="%s/token",service="test"`, s.http.URL))
		w.WriteHeader(http.StatusUnauthorized)
		return true
	})
	return given
}

// user is a keychain with one account.
type user struct{}

func (user) Resolve(authn.Resource) (authn.Authenticator, error) {
	return authn.FromConfig(authn.AuthConfig{Username: "ann", Password: "s3cr3t"}), nil
}

func TestOneTokenForEachRepository(t *testing.T) {
	s := newServer(t)
	publication := s.next(firstShop, "developers")
	given := s.tokens()
	_, err := s.open(func(o *Options) { o.Keychain, o.Jobs = user{}, 1 }).Publish(context.Background(), publication)
	must(t, err)
	var want []string
	for _, name := range append(slices.Clone(shopOrder), "records") {
		want = append(want, "ann:s3cr3t repository:acme/shop/"+name+":push,pull")
	}
	if diff := cmp.Diff(slices.Sorted(slices.Values(want)), slices.Sorted(slices.Values(*given))); diff != "" {
		t.Error(diff)
	}
	if all := s.requests(); counted(all)["GET /v2/"] != 1 || len(all) != 1+7+6*4+17 {
		t.Errorf("%d requests: %q", len(all), all)
	}
}

func TestATokenThatEndsBeforeAWrite(t *testing.T) {
	s := newServer(t)
	publication := s.next(firstShop, "developers")
	s.tokens()
	s.mu.Lock()
	fault, ended := s.fault, map[string]bool{}
	s.fault = func(n int, w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPut || ended[r.URL.Path] {
			return fault(n, w, r)
		}
		ended[r.URL.Path] = true
		r.Header.Del("Authorization")
		return fault(n, w, r)
	}
	s.mu.Unlock()
	// HTTP/1 would send a body that was used up once more, HTTP/2 would not.
	inner := &http.Transport{}
	whole := roundTripper(func(r *http.Request) (*http.Response, error) {
		if r.Method == http.MethodPut {
			body, err := io.ReadAll(r.Body)
			if err != nil || int64(len(body)) != r.ContentLength {
				t.Errorf("%s: %d of %d bytes, %v", r.URL.Path, len(body), r.ContentLength, err)
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
		}
		return inner.RoundTrip(r)
	})
	_, err := s.open(func(o *Options) { o.Keychain, o.Transport = user{}, whole; o.Jobs = 1 }).Publish(context.Background(), publication)
	must(t, err)
	if n := counted(s.requests())["PUT api 0.1.0"]; n != 2 || len(ended) != 6+1+6 {
		t.Errorf("%d writes of api, %d in all", n, len(ended))
	}
	s.whole()
}
