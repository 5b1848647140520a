//go:build stack

package store_test

import (
	"os"
	"testing"

	"github.com/quoitbuild/quoit/internal/testkit/stack"
	"github.com/quoitbuild/quoit/registry/registrytest"
)

// realServer is a server whose contents are in a real registry.
func realServer(t *testing.T) *server {
	t.Helper()
	return serve(t, registrytest.Behind(realRegistry(t)))
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
