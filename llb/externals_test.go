package llb

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
)

// sources are the identifiers of the images that a definition reads, in order.
func sources(t *testing.T, compiled *Compiled) []string {
	t.Helper()
	var found []string
	order, byDigest := ops(t, compiled.Definition)
	for _, dgst := range order {
		if source := byDigest[dgst].GetSource(); source != nil && !IsContext(source) {
			found = append(found, source.Identifier)
		}
	}
	return found
}

func TestNamedContextsArePinned(t *testing.T) {
	old := digest.FromString("old").String()
	file := "FROM tools\nCOPY x /\n"
	for name, file := range map[string]string{"the embedded compiler": file, "another frontend": foreign + file} {
		t.Run(name, func(t *testing.T) {
			c, gateway := newForeign(t, map[string]string{"api": file})
			c.Options["context:tools"] = "docker-image://registry.corp/tools:1"
			c.Externals = NewExternals(gateway, map[string]string{"registry.corp/tools:1": old})
			api := compiled(t, c)["api"][0]
			if diff := cmp.Diff([]string{imageScheme + "registry.corp/tools:1@" + old}, sources(t, api)); diff != "" {
				t.Errorf("what is built (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(map[string]string{"registry.corp/tools:1": old}, api.Externals); diff != "" {
				t.Errorf("what is recorded (-want +got):\n%s", diff)
			}
			base, dgst, err := api.Base()
			if err != nil || base != "registry.corp/tools:1" || dgst != old {
				t.Errorf("the base is %s with digest %s, error %v", base, dgst, err)
			}
		})
	}
}
