package registry

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/quoitbuild/quoit/registry/registrytest"
)

// open connects with pauses that do not slow the tests.
func open(s *registrytest.Server, change func(*Options)) *Client {
	s.T.Helper()
	options := Options{Keychain: authn.NewMultiKeychain(), Transport: &http.Transport{}, Backoff: time.Millisecond, UserAgent: "quoit/test"}
	if change != nil {
		change(&options)
	}
	c, err := Open(s.Host(), registrytest.Path, options)
	if err != nil {
		s.T.Fatal(err)
	}
	return c
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
