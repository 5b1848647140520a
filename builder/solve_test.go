package builder

import (
	"testing"

	"github.com/moby/buildkit/client"
)

func TestASolveLeavesTheGivenCachesAlone(t *testing.T) {
	given := []client.CacheOptionsEntry{{Type: "local", Attrs: map[string]string{"src": "cache"}}}
	copied(given)[0].Attrs["digest"] = "that of the first solve"
	if _, found := given[0].Attrs["digest"]; found {
		t.Error("the next solve would import what the first one saw")
	}
}
