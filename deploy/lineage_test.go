package deploy

import (
	"testing"

	"github.com/quoitbuild/quoit/versioning"
)

func TestFromLog(t *testing.T) {
	places := map[string]versioning.Place{
		"one":    {Digest: "one", Release: 1},
		"two":    {Digest: "two", Release: 2, Lineage: "1"},
		"hotfix": {Digest: "hotfix", Release: 3, Lineage: "1"},
		"old":    {Digest: "old"},
		"empty":  {},
	}
	descends := FromLog(func(digest string) (versioning.Place, bool) {
		place, ok := places[digest]
		return place, ok
	})
	for _, test := range []struct {
		release, ancestor string
		want              bool
	}{
		{"two", "one", true},
		{"one", "two", false},
		{"one", "one", true},
		{"two", "hotfix", false},
		{"hotfix", "one", true},
		{"two", "old", false},
		{"old", "one", false},
		{"two", "unknown", false},
		{"unknown", "one", false},
		{"unknown", "unknown", true},
		{"two", "empty", false},
	} {
		if got := descends(Release{Digest: test.release}, Release{Digest: test.ancestor}); got != test.want {
			t.Errorf("%s descends from %s: %v, want %v", test.release, test.ancestor, got, test.want)
		}
	}
}
