package store_test

import (
	"context"
	"errors"
	"testing"

	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/store/storetest"
	"github.com/quoitbuild/quoit/versioning"
)

// A release that is published into another ring, unchanged, is the same one.
func TestAnUnchangedReleaseKeepsItsPlace(t *testing.T) {
	s := newServer(t)
	s.Release(storetest.First, "developers")
	s.Release(storetest.First, "testers")
	table := s.Table()
	if table["developers"] != table["testers"] || table["testers"].Release != 1 {
		t.Errorf("%+v and %+v", table["developers"], table["testers"])
	}
	s.Release(storetest.With(storetest.First, storetest.Shop{"mail": 2}), "developers")
	_, err := s.Open(nil).Shift(context.Background(), storetest.RingOptions(), versioning.ShiftRequest{})
	must(t, err)
	if after := s.Table(); !after["developers"].Descends(table["testers"]) {
		t.Errorf("%+v", after["developers"])
	}
}

func TestAParentThatLeftAllRings(t *testing.T) {
	s := newServer(t)
	s.Steps(1)
	s.Release(storetest.With(storetest.First, storetest.Shop{"mail": 77}), "testers")
	publication := s.Next(storetest.With(storetest.First, storetest.Shop{"mail": 3}), "developers")
	hotfix := s.Table()["testers"]
	publication.Plan.Parents = append(publication.Plan.Parents, versioning.Parent{Version: hotfix.Version, Digest: hotfix.Digest})
	// The next ring has what the plan has seen there, which is the hotfix, so the
	// merged one is another: one that nobody holds.
	publication.Plan.Parents[1].Digest = registry.DigestOf([]byte("gone"))
	_, err := s.Open(nil).Publish(context.Background(), publication)
	var parent *store.ParentError
	if !errors.As(err, &parent) || parent.Version != hotfix.Version {
		t.Errorf("error %v", err)
	}
}
