package store_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/quoitbuild/quoit/internal/dose"
	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/registry/registrytest"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/store/storetest"
	"github.com/quoitbuild/quoit/versioning"
)

// situation is a publish to be killed.
type situation struct {
	name    string
	prepare func(s *server) store.Publication
}

var situations = []situation{
	{"the first release", func(s *server) store.Publication { return s.Next(storetest.First, "developers") }},
	{"two changes", func(s *server) store.Publication {
		s.Release(storetest.First, "developers")
		return s.Next(storetest.With(storetest.First, storetest.Shop{"base": 2, "mail": 2}), "developers")
	}},
	{"an empty ring", func(s *server) store.Publication {
		s.Release(storetest.First, "developers")
		return s.Next(storetest.First, "testers")
	}},
	{"a hotfix in an outer ring", func(s *server) store.Publication {
		s.Release(storetest.First, "developers")
		s.Set("testers", s.Ring("developers"))
		return s.Next(storetest.With(storetest.First, storetest.Shop{"jobs": 2}), "testers")
	}},
}

// finished is what the registry has after an undisturbed publish, and its requests.
func (at situation) finished(t *testing.T) (tags map[string]map[string]string, requests []string) {
	s := newServer(t)
	_, err := s.Open(nil).Publish(context.Background(), at.prepare(s))
	must(t, err)
	return s.Tags(), s.Requests()
}

func TestEveryCrashCanBeResumed(t *testing.T) {
	for _, at := range situations {
		want, requests := at.finished(t)
		for _, after := range []bool{false, true} {
			for n := 0; n <= len(requests); n += dose.Of(5, 1, 1) {
				t.Run(fmt.Sprintf("%s, at request %d, after it %v", at.name, n, after), func(t *testing.T) {
					t.Parallel()
					at.crash(t, &registrytest.Mortal{Left: n, After: after}, want)
				})
			}
		}
	}
}

// crash publishes and dies, publishes again, and once more.
func (at situation) crash(t *testing.T, m *registrytest.Mortal, want map[string]map[string]string) {
	s := newServer(t)
	publication := at.prepare(s)
	before := count(s.Tags())
	m.Inner = &http.Transport{}
	outcome, err := s.Open(func(o *registry.Options) { o.Transport = m }).Publish(context.Background(), publication)
	if m.Dead != (err != nil) && !(m.Dead && outcome.Moved) { // without the hint it is a success too
		t.Fatalf("dead %v, error %v", m.Dead, err)
	}
	s.Whole()
	s.recorded()
	s.honest(err, outcome, before)
	s.Requests()

	outcome, err = s.Open(nil).Publish(context.Background(), publication)
	must(t, err)
	if diff := cmp.Diff(want, s.Tags()); diff != "" {
		t.Error(diff)
	}
	s.Whole()
	if all := len(outcome.Written) + len(outcome.Existed); len(outcome.Written) > 0 && all != len(publication.Plan.PublishOrder())+1 {
		t.Errorf("outcome %+v", outcome)
	}

	s.Requests()
	outcome, err = s.Open(nil).Publish(context.Background(), publication)
	must(t, err)
	if len(outcome.Written) != 0 || outcome.Moved {
		t.Errorf("the third publish wrote %v", outcome.Written)
	}
	if diff := cmp.Diff(want, s.Tags()); diff != "" {
		t.Error(diff)
	}
}

// recorded checks that every version that has a tag has a record.
func (s *server) recorded() {
	s.T.Helper()
	log := map[records.Content]bool{}
	for tag := range s.EveryTag()[records.Repository] {
		if name, ok := records.ParseName(tag); ok && name.Mark == records.Decided {
			for _, version := range s.Record(tag).Versions() {
				log[version] = true
			}
		}
	}
	for image, tags := range s.Tags() {
		for tag, digest := range tags {
			_, err := versioning.Parse(tag)
			if version := (records.Content{Repository: image, Tag: tag, Digest: digest}); err == nil && !log[version] {
				s.T.Errorf("%s:%s has no record", image, tag)
			}
		}
	}
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
func (s *server) honest(err error, outcome store.Outcome, before int) {
	s.T.Helper()
	var failed *store.PublishError
	if !errors.As(err, &failed) {
		return
	}
	written := count(s.Tags()) - before
	low, high := failed.Written, failed.Written+len(failed.Unclear)
	if outcome.Moved {
		low--
	}
	if written < low || written > high || failed.Written != len(outcome.Written) {
		s.T.Errorf("%d tags were written, the error says: %v", written, err)
	}
}
