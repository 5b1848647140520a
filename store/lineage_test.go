package store

import (
	"context"
	"errors"
	"testing"

	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/versioning"
)

// table is what the newest record says.
func (s *server) table() records.Table {
	s.t.Helper()
	history, err := s.open(nil).History(context.Background(), 1)
	must(s.t, err)
	return history[0].Record.After
}

// A release that is published into another ring, unchanged, is the same one.
func TestAnUnchangedReleaseKeepsItsPlace(t *testing.T) {
	s := newServer(t)
	s.release(firstShop, "developers")
	s.release(firstShop, "testers")
	table := s.table()
	if table["developers"] != table["testers"] || table["testers"].Release != 1 {
		t.Errorf("%+v and %+v", table["developers"], table["testers"])
	}
	s.release(with(firstShop, shop{"mail": 2}), "developers")
	_, err := s.open(nil).Shift(context.Background(), ringOptions(), versioning.ShiftRequest{})
	must(t, err)
	if after := s.table(); !after["developers"].Descends(table["testers"]) {
		t.Errorf("%+v", after["developers"])
	}
}

func TestAParentThatLeftAllRings(t *testing.T) {
	s := newServer(t)
	s.steps(1)
	s.release(with(firstShop, shop{"mail": 77}), "testers")
	publication := s.next(with(firstShop, shop{"mail": 3}), "developers")
	hotfix := s.table()["testers"]
	publication.Plan.Parents = append(publication.Plan.Parents, versioning.Parent{Version: hotfix.Version, Digest: hotfix.Digest})
	// The next ring holds what the plan has seen there, which is the hotfix, so the
	// merged one is another: one that nobody holds.
	publication.Plan.Parents[1].Digest = digestOf([]byte("gone"))
	_, err := s.open(nil).Publish(context.Background(), publication)
	var parent *ParentError
	if !errors.As(err, &parent) || parent.Version != hotfix.Version {
		t.Errorf("error %v", err)
	}
}
