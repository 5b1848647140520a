//go:build stack

package integration

import (
	"fmt"
	"os"
	"path"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/quoitbuild/quoit/internal/testkit/proxy"
)

// ringsInUse are rings of which each holds another release, ante and post among them.
type ringsInUse struct {
	declared string // in the manifest
	count    int    // with ante and post
}

var (
	sevenRings = ringsInUse{"[developers, testers, pilots, partners, users]", 7}
	nineRings  = ringsInUse{"[developers, testers, reviewers, pilots, partners, branches, users]", 9}
)

// staircase makes a project whose rings all hold another release, so that the
// next shift from ante on moves every ring but the first. After the first build
// only one small image changes each time.
func (r ringsInUse) staircase(t *testing.T, images int) (dir, prefix string) {
	t.Helper()
	dir, prefix = generated(t, images)
	replace(t, dir, "quoit.yaml", "root: deploy\n", "root: deploy\nrings: "+r.declared+"\n")
	for i := range r.count {
		if i > 0 {
			mustQuoit(t, dir, "shift", "--from", "ante")
		}
		edit(t, dir, strings.Repeat("x", i+1)) // files are sent if their size or time differs
		mustQuoit(t, dir, "build", "--push", "--ring", "ante")
	}
	return dir, prefix
}

// shiftAll shifts all rings, first dry, and returns what the real shift asked the registry.
func (r ringsInUse) shiftAll(t *testing.T, dir, prefix string) map[string]int {
	t.Helper()
	dry := mustQuoit(t, dir, "shift", "--from", "ante", "--dry-run", "-o", "json")
	mark := stack.RegistryMark()
	real := mustQuoit(t, dir, "shift", "--from", "ante", "-o", "json")
	all, err := stack.RequestsSince(mark)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(dry, real); diff != "" {
		t.Errorf("the dry run says another thing (-dry +real):\n%s", diff)
	}
	asked := proxy.InRepository(all, repository(prefix))
	for _, request := range asked {
		if kind := request.Kind(); (kind == "blobs" || kind == "uploads") && path.Base(request.Repository()) != "records" {
			t.Errorf("a shift asks for contents of images: %s %s, %d bytes", request.Method, request.Path, request.Bytes)
		}
	}
	counts := proxy.CountRequests(asked)
	for _, request := range all {
		if request.Path == "/v2/" {
			counts["GET /v2/"]++
		}
	}
	return counts
}

// TestShiftCost is about what one shift of a whole project asks of the registry:
// no more with more images, and nothing of their layers.
func TestShiftCost(t *testing.T) {
	counts := []int{3, 30}
	if os.Getenv("QUOIT_TEST_LONG") == "1" {
		counts = []int{3, 100, 1000}
	}
	for _, rings := range []ringsInUse{sevenRings, nineRings} {
		var few map[string]int
		for _, images := range counts {
			if rings == nineRings && images > 3 {
				continue
			}
			t.Run(fmt.Sprintf("%d rings, %d images", rings.count, images), func(t *testing.T) {
				dir, prefix := rings.staircase(t, images)
				asked := rings.shiftAll(t, dir, prefix)
				total := 0
				for _, n := range asked {
					total += n
				}
				if most := 5*rings.count + 15; total > most || asked["PUT manifests"] < rings.count-1 {
					t.Errorf("%d requests, at most %d wanted: %v", total, most, asked)
				}
				if few == nil {
					few = asked
				}
				if diff := cmp.Diff(few, asked); diff != "" {
					t.Errorf("(-%d images +%d):\n%s", counts[0], images, diff)
				}
				t.Logf("%d requests: %v", total, asked)
				mustQuoit(t, dir, "verify")
			})
		}
	}
}
