package repair_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/registry/registrytest"
	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/store/repair"
	"github.com/quoitbuild/quoit/store/storetest"
)

// TestARepairThatEndsSaysWhatBecameOfIt interrupts a repair at each of its requests, which
// then has no answer: until a write was sent nothing was written, and from then on it is
// to be run again, which does the rest.
func TestARepairThatEndsSaysWhatBecameOfIt(t *testing.T) {
	for name, lose := range map[string]func(*server){
		"a version": func(s *server) { s.loses("api:0.1.0") },
		"a ring":    func(s *server) { s.loses("deploy:testers") }, // the log's protocol puts it back
	} {
		t.Run(name, func(t *testing.T) {
			seen := map[string]bool{}
			s := newServer(t)
			s.Steps(2)
			for at := 0; ; at++ {
				lose(s) // the repair before has put it back
				ctx, cancel := context.WithCancel(t.Context())
				carry := &ended{at: at, cancel: cancel}
				_, err := repair.Repair(ctx, s.Open(func(o *registry.Options) { o.Transport, o.Jobs = carry, 1 }), repair.Options{Rings: storetest.Rings})
				cancel()
				if err == nil {
					break
				}
				var unfinished *repair.UnfinishedError
				if !errors.As(err, &unfinished) || unfinished.Written != carry.wrote {
					t.Errorf("interrupted at request %d, a write was sent: %t: %v", at, carry.wrote, err)
					continue
				}
				seen[unfinished.Becomes()] = true
				if again, err := repair.Repair(t.Context(), s.Open(nil), repair.Options{Rings: storetest.Rings}); err != nil || len(again.Left) > 0 {
					t.Errorf("interrupted at request %d, the next one leaves %v: %v", at, again.Left, err)
				}
			}
			if len(seen) != 2 || !seen["nothing was written"] || !seen["run `quoit repair` again, it continues"] {
				t.Errorf("it says %v", seen)
			}
		})
	}
}

// ended is the way to a registry until a command is interrupted at one of its requests.
type ended struct {
	at     int
	cancel context.CancelFunc

	mu    sync.Mutex
	asked int
	wrote bool // a write was sent, also the one that has no answer
}

func (e *ended) RoundTrip(r *http.Request) (*http.Response, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.wrote = e.wrote || r.Method != http.MethodGet && r.Method != http.MethodHead
	e.asked++
	if e.asked > e.at {
		e.cancel()
		return nil, r.Context().Err()
	}
	return http.DefaultTransport.RoundTrip(r)
}

// TestARefusedRepairWritesNothing, and says so.
func TestARefusedRepairWritesNothing(t *testing.T) {
	for _, status := range []int{http.StatusUnauthorized, http.StatusForbidden} {
		s := newServer(t)
		s.Steps(2)
		s.loses("api:0.1.0")
		_, err := repair.Repair(t.Context(), s.Open(func(o *registry.Options) {
			o.Transport = registrytest.RoundTripper(func(r *http.Request) (*http.Response, error) {
				if r.Method != http.MethodPut {
					return http.DefaultTransport.RoundTrip(r)
				}
				return &http.Response{StatusCode: status, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
			})
		}), repair.Options{Rings: storetest.Rings})
		if err == nil || !strings.HasSuffix(err.Error(), "(nothing was written)") {
			t.Errorf("%d: %v", status, err)
		}
	}
}

// TestARepairThatCannotContinueDoesNotSayThatItDoes: there are two histories.
func TestARepairThatCannotContinueDoesNotSayThatItDoes(t *testing.T) {
	err := error(&repair.UnfinishedError{At: "registry.example.com/acme/shop", Written: true, Err: &records.ForkError{What: "record 3 is another one"}})
	if strings.Contains(err.Error(), "continues") {
		t.Error(err)
	}
}
