package registry

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/quoitbuild/quoit/registry/registrytest"
)

// Registries may answer as many tags as were asked for, and no link to the rest,
// as the one of these tests does; or know neither n nor last.
func TestAllTagsWithoutLinks(t *testing.T) {
	for _, n := range []int{1, 99, 100, 101, 200, 250} {
		for name, deaf := range map[string]bool{"": false, ", of a registry that answers all": true} {
			t.Run(fmt.Sprint(n, " tags", name), func(t *testing.T) {
				s := registrytest.New(t)
				var want []string
				for i := range n {
					want = append(want, fmt.Sprintf("0.%03d.0", i))
					s.Put("api", want[i], ManifestType, []byte(`{"schemaVersion":2}`))
				}
				if deaf {
					s.SetFault(func(_ int, _ http.ResponseWriter, r *http.Request) bool {
						r.URL.RawQuery = ""
						return false
					})
				}
				got, err := AllTags(context.Background(), open(s, nil).Repository("api"))
				must(t, err)
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		}
	}
}
