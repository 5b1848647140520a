package adversary

import (
	"strings"
	"testing"

	"github.com/quoitbuild/quoit/internal/dose"
)

// The histories have to find these mistakes: a check that cannot fail is none.
func TestPlantedBeliefsAreFound(t *testing.T) {
	for name, test := range map[string]struct {
		wrong beliefs
		first uint64 // seed, of those who have no time
		want  string
	}{
		"a plan that continues what the tags of rings name": {beliefs{rings: true}, 2, "a publish is blocked"},
		"versions that are free because they have no tag":   {beliefs{free: true}, 23, "a publish is blocked"},
		"images that are adopted for their labels":          {beliefs{labels: true}, 2, "a publish is blocked"},
		"siblings that come by the tags of their versions":  {beliefs{siblings: true}, 8, "stops again"},
		"a deployment of what the tags of rings name":       {beliefs{reads: true}, 14, "and a ring has"},
		"versions that are not looked at":                   {beliefs{blind: true}, 2, "is overwritten"},
		"taken versions that are not recorded":              {beliefs{unburnt: true}, 2, "a publish is blocked"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for seed := dose.Of(test.first, 1, 1); seed < 1000; seed++ {
				h, err := lives(t, seed, test.wrong)
				if err == nil {
					continue
				}
				if !strings.Contains(err.Error(), test.want) {
					t.Fatalf("seed %d: got %v, want %q:\n%s", seed, err, test.want, ending(h.story))
				}
				t.Logf("seed %d: %v", seed, err)
				return
			}
			t.Error("nothing was found")
		})
	}
}
