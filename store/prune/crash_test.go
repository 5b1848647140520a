package prune_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/quoitbuild/quoit/internal/dose"
	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/registry/registrytest"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/store/prune"
	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/store/storetest"
)

func TestEveryCrashOfAPruneCanBeResumed(t *testing.T) {
	whole := developed(t)
	whole.Requests()
	want := whole.prune(1)
	requests := whole.Requests()
	for _, after := range []bool{false, true} {
		for n := 0; n < len(requests); n += dose.Of(3, 1, 1) {
			if reads := strings.HasPrefix(requests[n], "GET") || strings.HasPrefix(requests[n], "HEAD"); reads && (after || n%8 > 0) {
				continue
			}
			t.Run(fmt.Sprintf("at request %d, %s, after it %v", n, requests[n], after), func(t *testing.T) {
				t.Parallel()
				s := developed(t)
				dying := &registrytest.Mortal{Left: n, After: after, Inner: &http.Transport{}}
				_, err := prune.Prune(context.Background(), s.Open(func(o *registry.Options) { o.Transport = dying }), pruneOptions(1))
				if dying.Dead != (err != nil) && !dying.Dead {
					t.Fatalf("dead %v, error %v", dying.Dead, err)
				}
				s.verified()
				s.prune(1)
				s.verified()
				s.Release(storetest.With(storetest.First, storetest.Shop{"mail": 50}), "developers")
				s.verified()
				tags := s.EveryTag()
				for _, tag := range want.Tags {
					if tags[tag.Image][tag.Tag] != records.Tombstone().Digest {
						t.Errorf("%s is left", tag)
					}
				}
			})
		}
	}
}

// TestPublishDuringAPrune publishes before every request of a prune.
func TestPublishDuringAPrune(t *testing.T) {
	whole := developed(t)
	whole.Requests()
	whole.prune(1)
	requests := whole.Requests()
	for n := 0; n < len(requests); n += dose.Of(10, 1, 1) {
		t.Run(fmt.Sprintf("at request %d, %s", n, requests[n]), func(t *testing.T) {
			t.Parallel()
			s := developed(t)
			publication := s.Next(storetest.With(storetest.First, storetest.Shop{"mail": 50}), "testers")
			s.Requests()
			s.SetFault(func(at int, _ http.ResponseWriter, r *http.Request) bool {
				if at == n {
					s.SetFault(nil)
					_, err := s.Open(nil).Publish(context.Background(), publication)
					if err != nil {
						t.Errorf("publish: %v", err)
					}
				}
				return false
			})
			_, err := prune.Prune(context.Background(), s.Open(nil), pruneOptions(1))
			must(t, err)
			s.verified()
		})
	}
}

// TestAdoptionOfWhatIsPruned publishes images that a prune takes away after the
// plan, or has taken away without having come to its end.
func TestAdoptionOfWhatIsPruned(t *testing.T) {
	for _, ends := range []bool{true, false} {
		s := developed(t)
		hotfix := storetest.With(storetest.First, storetest.Shop{"mail": 2})
		s.Release(hotfix, "testers")
		s.Set("ante", s.Ring("testers"))
		set := func(ring string) {
			_, err := s.Open(nil).Set(context.Background(), storetest.RingOptions(), ring, storetest.VersionOf("0.1.0"), true)
			must(t, err)
		}
		set("testers")
		s.Release(storetest.With(storetest.First, storetest.Shop{"mail": 60}), "developers")
		publication := s.Next(hotfix, "testers")
		if mail, _ := publication.Plan.Image("mail"); !mail.Adopted {
			t.Fatalf("mail %s is not adopted", mail.Version)
		}
		set("ante")
		s.Release(storetest.With(storetest.First, storetest.Shop{"mail": 61}), "developers")
		if !ends {
			s.SetFault(func(_ int, w http.ResponseWriter, r *http.Request) bool {
				stops := registrytest.Line(r) == "PUT mail 0.1.1"
				if stops {
					registrytest.Plain(400, "no")(w, r)
				}
				return stops
			})
		}
		pruned, err := prune.Prune(context.Background(), s.Open(nil), pruneOptions(1))
		if ends != (err == nil) || !strings.Contains(named(pruned.Releases), "0.1.1") {
			t.Fatalf("%v, %s", err, pruned)
		}
		s.SetFault(nil)
		_, err = s.Open(nil).Publish(context.Background(), publication)
		var gone *store.UnheldError
		if !errors.As(err, &gone) {
			t.Errorf("error %v", err)
		}
		s.verified()
		s.prune(1)
		s.Release(hotfix, "testers")
		s.verified()
	}
}
