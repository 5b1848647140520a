package watch

import (
	"strings"
	"testing"
	"time"

	"github.com/quoitbuild/quoit/manifest"
	"github.com/quoitbuild/quoit/store/storetest"
)

// TestWatchGoesByTheLog: a ring's tag decides nothing, whatever it names, and is named
// when it does not say what the log says.
func TestWatchGoesByTheLog(t *testing.T) {
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	for name, change := range map[string]func(s *storetest.Server, first string){
		"an older release": func(s *storetest.Server, first string) { s.Move("developers", first) },
		"nothing of the project": func(s *storetest.Server, _ string) {
			s.Move("developers", s.Push("deploy", map[string]string{"whose": "another's"}))
		},
		"a tag that is gone": func(s *storetest.Server, _ string) {
			s.Do("DELETE", "/v2/acme/shop/deploy/manifests/developers", "", nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := storetest.New(t)
			first := s.Release(storetest.First, "developers").Digests["deploy"]
			second := s.Release(storetest.With(storetest.First, storetest.Shop{"mail": 2}), "developers").Digests["deploy"]
			ring, err := Reference(s.Host()+"/acme/shop/deploy:developers", manifest.Site{Environment: "prod", Namespace: "shop"}, false, "")
			if err != nil {
				t.Fatal(err)
			}
			var said strings.Builder
			w := New(Options{Interval: time.Minute, Log: &said}, ring)
			ask := func(want string) {
				t.Helper()
				if got, err := w.ask(t.Context(), ring); got != want || err != nil {
					t.Errorf("got %s, %v, want %s", got, err, want)
				}
			}
			ask(second)
			if said.Len() > 0 || !strings.Contains(w.metrics.String(), `developers"} 0`) {
				t.Errorf("it says %s", said.String())
			}
			change(s, first)
			s.Requests()
			ask(second)
			if asked := s.Requests(); len(asked) != 2 || asked[1] != "HEAD records record-00000003" {
				t.Errorf("a poll asks %q", asked)
			}
			ring.since = ring.since.Add(-2 * reread)
			ask(second)
			if !strings.Contains(said.String(), "going on by the log: ") || !strings.Contains(said.String(), second) ||
				!strings.Contains(w.metrics.String(), `quoit_ring_tag_differs{ring="`+s.Host()+`/acme/shop/deploy:developers"} 1`) {
				t.Errorf("it says %s", said.String())
			}
		})
	}
}
