package conformance_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/registry/conformance"
	"github.com/quoitbuild/quoit/registry/layout"
	"github.com/quoitbuild/quoit/registry/memory"
	"github.com/quoitbuild/quoit/registry/registrytest"
)

func TestMemory(t *testing.T) {
	conformance.Run(t, func(*testing.T) registry.Namespace { return memory.New("registry.example.com/acme/shop") })
}

func TestLayout(t *testing.T) {
	conformance.Run(t, func(t *testing.T) registry.Namespace {
		l, err := layout.Open(t.TempDir(), "acme/shop")
		if err != nil {
			t.Fatal(err)
		}
		return l
	})
}

func TestClient(t *testing.T) {
	conformance.Run(t, func(t *testing.T) registry.Namespace { return client(t, registrytest.New(t).Host(), "acme/shop") })
}

func client(t *testing.T, host, path string) registry.Namespace {
	t.Helper()
	c, err := registry.Open(host, path, registry.Options{Keychain: authn.NewMultiKeychain(), Transport: &http.Transport{}, Backoff: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	return c
}
