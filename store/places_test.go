package store_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/store/storetest"
	"github.com/quoitbuild/quoit/versioning"
)

func TestPlaces(t *testing.T) {
	s := newServer(t)
	if none, err := s.Open(nil).Places(context.Background(), store.State{}, "sha256:1"); err != nil || len(none) > 0 {
		t.Errorf("without a log: %v, %v", none, err)
	}
	s.Release(storetest.First, "developers")
	first := s.Table()["developers"]
	for i := range 3 {
		s.Release(storetest.With(storetest.First, storetest.Shop{"mail": 2 + i}), "developers")
	}
	last := s.Table()["developers"]
	state, err := s.Open(nil).State(context.Background())
	must(t, err)
	got, err := s.Open(nil).Places(context.Background(), state, first.Digest, last.Digest, registry.DigestOf([]byte("unknown")))
	must(t, err)
	if diff := cmp.Diff(map[string]versioning.Place{first.Digest: first, last.Digest: last}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !got[last.Digest].Descends(got[first.Digest]) || got[first.Digest].Descends(got[last.Digest]) {
		t.Error("the newer one does not descend from the older one")
	}

	s.Requests()
	_, err = s.Open(nil).Places(context.Background(), state, last.Digest)
	must(t, err)
	if asked := s.Requests(); len(asked) > 0 {
		t.Errorf("what a ring has is found without reading the history: %q", asked)
	}

	release, err := s.Open(nil).Release(context.Background(), first.Root, first.Digest)
	must(t, err)
	if release.Version() != first.Version {
		t.Errorf("the first release says that it is %s", release.Version())
	}
	if _, err := s.Open(nil).Release(context.Background(), first.Root, registry.DigestOf([]byte("unknown"))); err == nil {
		t.Error("a release that is not there was read")
	}
}
