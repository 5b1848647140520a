//go:build stack

package store

import (
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"testing"

	"github.com/quoitbuild/quoit/internal/testkit/stack"
)

// realServer is a server whose contents are in a real registry.
func realServer(t *testing.T) *server {
	t.Helper()
	return serve(t, behind(realRegistry(t)))
}

// behind hands requests on to a registry.
func behind(host string) http.Handler {
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: host})
			r.Out.Host = r.In.Host // the registry makes its Location headers of it
		},
		Transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 32},
		ErrorLog:  log.New(io.Discard, "", 0), // clients that die break connections
	}
}

// realRegistry starts a registry of its own for a test, localhost:PORT.
func realRegistry(t *testing.T) string {
	t.Helper()
	var env []string
	if os.Getenv("QUOIT_TEST_LONG") != "1" {
		env = append(env, "REGISTRY_STORAGE=inmemory") // a disk makes it wait for each file
	}
	stack, err := stack.Start(t.Context(), stack.Options{NoBuildkit: true, NoBases: true, RegistryEnv: env})
	must(t, err)
	t.Cleanup(func() {
		if err := stack.Stop(); err != nil {
			t.Error(err)
		}
	})
	return stack.Registry
}

func TestTwoPublishersRacingOnARealRegistry(t *testing.T) {
	t.Parallel()
	rounds := 20
	if os.Getenv("QUOIT_TEST_LONG") == "1" {
		rounds = 200
	}
	raceOn(realServer(t), rounds)
}

func TestOddRegistriesOnARealRegistry(t *testing.T) { testOddRegistries(t, realServer) }

func TestTwoPublishersOnAnOddRealRegistry(t *testing.T) {
	testTwoPublishersOnAnOddRegistry(t, realServer)
}
