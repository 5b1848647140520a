package integration

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/quoitbuild/quoit/internal/testkit"
)

// TestCrashInThePush is killed at random points while BuildKit pushes the images
// by digest, all at once. QUOIT_TEST_SEED replays a run.
func TestCrashInThePush(t *testing.T) {
	p, points := crashSmall, 3
	if os.Getenv("QUOIT_TEST_LONG") != "" {
		p, points = crashShop, 10
	}
	logPoints(t, &points)
	random := rand.New(rand.NewPCG(seed(t), 0))
	pushing := byBuildkit(testkit.IsWrite)
	want, requests := p.undisturbed(t)
	count := 0
	for _, request := range requests {
		if pushing(request) {
			count++
		}
	}
	for _, k := range random.Perm(count)[:points] {
		done := random.IntN(2) == 1
		t.Run(fmt.Sprintf("%s, killed %s request %d of %d", p.name, moment(done), k+1, count), func(t *testing.T) {
			t.Parallel()
			v := p.victim(t)
			v.kill(t, k+1, pushing, done)
			v.afterwards(t, want)
		})
	}
}
