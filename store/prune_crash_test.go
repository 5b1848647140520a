package store

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/quoitbuild/quoit/store/records"
)

func TestEveryCrashOfAPruneCanBeResumed(t *testing.T) {
	whole := developed(t)
	whole.requests()
	want := whole.prune(1)
	requests := whole.requests()
	for _, after := range []bool{false, true} {
		for n := range len(requests) {
			if reads := strings.HasPrefix(requests[n], "GET") || strings.HasPrefix(requests[n], "HEAD"); reads && (after || n%8 > 0) {
				continue
			}
			t.Run(fmt.Sprintf("at request %d, %s, after it %v", n, requests[n], after), func(t *testing.T) {
				t.Parallel()
				s := developed(t)
				dying := &mortal{left: n, after: after, inner: &http.Transport{}}
				_, err := s.open(func(o *Options) { o.Transport = dying }).Prune(context.Background(), pruneOptions(1))
				if dying.dead != (err != nil) && !dying.dead {
					t.Fatalf("dead %v, error %v", dying.dead, err)
				}
				s.verified()
				s.prune(1)
				s.verified()
				s.release(with(firstShop, shop{"mail": 50}), "developers")
				s.verified()
				tags := s.everyTag()
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
	whole.requests()
	whole.prune(1)
	requests := whole.requests()
	for n := range len(requests) {
		t.Run(fmt.Sprintf("at request %d, %s", n, requests[n]), func(t *testing.T) {
			t.Parallel()
			s := developed(t)
			publication := s.next(with(firstShop, shop{"mail": 50}), "testers")
			s.requests()
			s.setFault(func(at int, _ http.ResponseWriter, r *http.Request) bool {
				if at == n {
					s.setFault(nil)
					_, err := s.open(nil).Publish(context.Background(), publication)
					if err != nil {
						t.Errorf("publish: %v", err)
					}
				}
				return false
			})
			_, err := s.open(nil).Prune(context.Background(), pruneOptions(1))
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
		hotfix := with(firstShop, shop{"mail": 2})
		s.release(hotfix, "testers")
		_, err := s.open(nil).Set(context.Background(), ringOptions(), "testers", versionOf("0.1.0"), true)
		must(t, err)
		s.release(with(firstShop, shop{"mail": 60}), "developers")
		publication := s.next(hotfix, "testers")
		if mail, _ := publication.Plan.Image("mail"); !mail.Adopted {
			t.Fatalf("mail %s is not adopted", mail.Version)
		}
		if !ends {
			s.setFault(func(_ int, w http.ResponseWriter, r *http.Request) bool {
				stops := line(r) == "PUT mail 0.1.1"
				if stops {
					plain(400, "no")(w, r)
				}
				return stops
			})
		}
		pruned, err := s.open(nil).Prune(context.Background(), pruneOptions(1))
		if ends != (err == nil) || !strings.Contains(named(pruned.Releases), "0.1.1") {
			t.Fatalf("%v, %s", err, pruned)
		}
		s.setFault(nil)
		_, err = s.open(nil).Publish(context.Background(), publication)
		var gone *PrunedError
		if !errors.As(err, &gone) {
			t.Errorf("error %v", err)
		}
		s.verified()
		s.prune(1)
		s.release(hotfix, "testers")
		s.verified()
	}
}
