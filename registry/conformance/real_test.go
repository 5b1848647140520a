//go:build stack

package conformance_test

import (
	"fmt"
	"testing"

	"github.com/quoitbuild/quoit/internal/testkit/stack"
	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/registry/conformance"
)

func TestClientOfARealRegistry(t *testing.T) {
	s, err := stack.Start(t.Context(), stack.Options{NoBuildkit: true, NoBases: true, RegistryEnv: []string{"REGISTRY_STORAGE=inmemory"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	n := 0
	conformance.Run(t, func(t *testing.T) registry.Namespace {
		n++
		return client(t, s.Registry, fmt.Sprintf("conformance/test-%d", n))
	})
}
