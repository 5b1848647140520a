package store

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/versioning"
)

var errDead = errors.New("the process died")

// mortal is a transport of a process that dies at its nth request: before it
// is sent, or after it was carried out and before the answer is seen.
type mortal struct {
	inner  http.RoundTripper
	counts func(*http.Request) bool // which requests; nil: all

	mu    sync.Mutex
	left  int
	after bool
	dead  bool
}

func (m *mortal) RoundTrip(r *http.Request) (*http.Response, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dead {
		return nil, errDead
	}
	if m.counts != nil && !m.counts(r) {
		return m.inner.RoundTrip(r)
	}
	if m.left--; m.left < 0 {
		m.dead = true
		if !m.after {
			return nil, errDead
		}
	}
	response, err := m.inner.RoundTrip(r)
	if m.dead && err == nil {
		response.Body.Close()
		return nil, errDead
	}
	return response, err
}

// situation is a publish to be killed.
type situation struct {
	name    string
	prepare func(s *server) Publication
}

var situations = []situation{
	{"the first release", func(s *server) Publication { return s.next(firstShop, "developers") }},
	{"two changes", func(s *server) Publication {
		s.release(firstShop, "developers")
		return s.next(with(firstShop, shop{"base": 2, "mail": 2}), "developers")
	}},
	{"an empty ring", func(s *server) Publication {
		s.release(firstShop, "developers")
		return s.next(firstShop, "testers")
	}},
	{"a hotfix in an outer ring", func(s *server) Publication {
		s.move("testers", s.release(firstShop, "developers").Digests["deploy"])
		return s.next(with(firstShop, shop{"jobs": 2}), "testers")
	}},
}

// finished is what the registry has after an undisturbed publish, and its requests.
func (at situation) finished(t *testing.T) (tags map[string]map[string]string, requests []string) {
	s := newServer(t)
	_, err := s.open(nil).Publish(context.Background(), at.prepare(s))
	must(t, err)
	return s.tags(), s.requests()
}

func TestEveryCrashCanBeResumed(t *testing.T) {
	for _, at := range situations {
		want, requests := at.finished(t)
		for _, after := range []bool{false, true} {
			for n := range len(requests) + 1 {
				t.Run(fmt.Sprintf("%s, at request %d, after it %v", at.name, n, after), func(t *testing.T) {
					t.Parallel()
					at.crash(t, &mortal{left: n, after: after}, want)
				})
			}
		}
	}
}

// crash publishes and dies, publishes again, and once more.
func (at situation) crash(t *testing.T, m *mortal, want map[string]map[string]string) {
	s := newServer(t)
	publication := at.prepare(s)
	before := count(s.tags())
	m.inner = &http.Transport{}
	outcome, err := s.open(func(o *Options) { o.Transport = m }).Publish(context.Background(), publication)
	if m.dead != (err != nil) && !(m.dead && outcome.Moved) { // without the hint it is a success too
		t.Fatalf("dead %v, error %v", m.dead, err)
	}
	s.whole()
	s.recorded()
	s.honest(err, outcome, before)
	s.requests()

	outcome, err = s.open(nil).Publish(context.Background(), publication)
	must(t, err)
	if diff := cmp.Diff(want, s.tags()); diff != "" {
		t.Error(diff)
	}
	s.whole()
	if all := len(outcome.Written) + len(outcome.Existed); len(outcome.Written) > 0 && all != len(publication.Plan.PublishOrder())+1 {
		t.Errorf("outcome %+v", outcome)
	}

	s.requests()
	outcome, err = s.open(nil).Publish(context.Background(), publication)
	must(t, err)
	if len(outcome.Written) != 0 || outcome.Moved {
		t.Errorf("the third publish wrote %v", outcome.Written)
	}
	if diff := cmp.Diff(want, s.tags()); diff != "" {
		t.Error(diff)
	}
}

// recorded checks that every version that has a tag has a record.
func (s *server) recorded() {
	s.t.Helper()
	log := map[records.Content]bool{}
	for tag := range s.everyTag()[records.Repository] {
		if name, ok := records.ParseName(tag); ok && name.Mark == records.Decided {
			for _, version := range s.record(tag).Versions() {
				log[version] = true
			}
		}
	}
	for image, tags := range s.tags() {
		for tag, digest := range tags {
			_, err := versioning.Parse(tag)
			if version := (records.Content{Repository: image, Tag: tag, Digest: digest}); err == nil && !log[version] {
				s.t.Errorf("%s:%s has no record", image, tag)
			}
		}
	}
}

// record reads a record past all faults.
func (s *server) record(tag string) records.Record {
	s.t.Helper()
	at := "/v2/" + acmeShop + "/" + records.Repository
	_, manifest := s.do("GET", at+"/manifests/"+tag, "", nil)
	digest, _, err := records.ConfigOf(manifest)
	must(s.t, err)
	_, config := s.do("GET", at+"/blobs/"+digest, "", nil)
	sealed, err := records.Open(manifest, config)
	must(s.t, err)
	return sealed.Record
}

func count(tags map[string]map[string]string) int {
	n := 0
	for _, versions := range tags {
		n += len(versions)
	}
	return n
}

// honest compares what an error and an outcome say was written with what was.
// An overwritten ring is no new tag, so one less is right too when it moved.
func (s *server) honest(err error, outcome Outcome, before int) {
	s.t.Helper()
	var failed *PublishError
	if !errors.As(err, &failed) {
		return
	}
	written := count(s.tags()) - before
	low, high := failed.Written, failed.Written+len(failed.Unclear)
	if outcome.Moved {
		low--
	}
	if written < low || written > high || failed.Written != len(outcome.Written) {
		s.t.Errorf("%d tags were written, the error says: %v", written, err)
	}
}
