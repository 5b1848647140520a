package store

import (
	"os"
	"testing"

	"github.com/quoitbuild/quoit/internal/testkit"
)

// realRegistry starts a registry of its own for a test, localhost:PORT.
func realRegistry(t *testing.T) string {
	t.Helper()
	var env []string
	if os.Getenv("QUOIT_TEST_LONG") != "1" {
		env = append(env, "REGISTRY_STORAGE=inmemory") // a disk makes it wait for each file
	}
	stack, err := testkit.Start(t.Context(), testkit.Options{NoBuildkit: true, NoBases: true, RegistryEnv: env})
	must(t, err)
	t.Cleanup(func() {
		if err := stack.Stop(); err != nil {
			t.Error(err)
		}
	})
	return stack.Registry
}
