package registry

import (
	"testing"

	"github.com/quoitbuild/quoit/registry/registrytest"
)

// TestARegistryIsGreetedOnce, also if it has images of other projects that are asked for.
func TestARegistryIsGreetedOnce(t *testing.T) {
	s := registrytest.New(t)
	c := open(s, nil)
	other, err := c.Elsewhere(s.Host() + "/other/base:1")
	if err != nil {
		t.Fatal(err)
	}
	for _, repository := range []Repository{c.Repository("api"), other} {
		if _, found, err := repository.Head(t.Context(), "1"); found || err != nil {
			t.Fatalf("found %t, error %v", found, err)
		}
	}
	greetings := 0
	for _, line := range s.Requests() {
		if line == "GET /v2/" {
			greetings++
		}
	}
	if greetings != 1 {
		t.Errorf("it is asked:\n%q", s.Requests())
	}
}
