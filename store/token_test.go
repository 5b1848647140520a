package store_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/registry/registrytest"
	"github.com/quoitbuild/quoit/store/storetest"
)

func TestOneTokenForEachRepository(t *testing.T) {
	s := newServer(t)
	publication := s.Next(storetest.First, "developers")
	given := s.Tokens()
	_, err := s.Open(func(o *registry.Options) { o.Keychain, o.Jobs = registrytest.User{}, 1 }).Publish(context.Background(), publication)
	must(t, err)
	var want []string
	for _, name := range append(slices.Clone(storetest.Order), "records") {
		want = append(want, "ann:s3cr3t repository:acme/shop/"+name+":push,pull")
	}
	if diff := cmp.Diff(slices.Sorted(slices.Values(want)), slices.Sorted(slices.Values(*given))); diff != "" {
		t.Error(diff)
	}
	if all := s.Requests(); registrytest.Count(all)["GET /v2/"] != 1 || len(all) != 1+7+6*4+22 {
		t.Errorf("%d requests: %q", len(all), all)
	}
}

func TestATokenThatEndsBeforeAWrite(t *testing.T) {
	s := newServer(t)
	publication := s.Next(storetest.First, "developers")
	s.Tokens()
	ended := map[string]bool{}
	s.WrapFault(func(fault registrytest.Fault) registrytest.Fault {
		return func(n int, w http.ResponseWriter, r *http.Request) bool {
			if r.Method != http.MethodPut || ended[r.URL.Path] {
				return fault(n, w, r)
			}
			ended[r.URL.Path] = true
			r.Header.Del("Authorization")
			return fault(n, w, r)
		}
	})
	// HTTP/1 would send a body that was used up once more, HTTP/2 would not.
	inner := &http.Transport{}
	whole := registrytest.RoundTripper(func(r *http.Request) (*http.Response, error) {
		if r.Method == http.MethodPut {
			body, err := io.ReadAll(r.Body)
			if err != nil || int64(len(body)) != r.ContentLength {
				t.Errorf("%s: %d of %d bytes, %v", r.URL.Path, len(body), r.ContentLength, err)
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
		}
		return inner.RoundTrip(r)
	})
	_, err := s.Open(func(o *registry.Options) { o.Keychain, o.Transport = registrytest.User{}, whole; o.Jobs = 1 }).Publish(context.Background(), publication)
	must(t, err)
	if n := registrytest.Count(s.Requests())["PUT api 0.1.0"]; n != 2 || len(ended) != 6+1+6 {
		t.Errorf("%d writes of api, %d in all", n, len(ended))
	}
	s.Whole()
}
