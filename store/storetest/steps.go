package storetest

import (
	"context"
	"maps"
	"strings"

	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/store/takeover"
	"github.com/quoitbuild/quoit/store/verify"
	"github.com/quoitbuild/quoit/versioning"
)

// First is the sources of the first release.
var First = Shop{"base": 1, "mail": 1, "api": 1, "web": 1, "jobs": 1, "deploy": 1}

// With returns the sources with a change.
func With(sources Shop, change Shop) Shop {
	changed := maps.Clone(sources)
	maps.Copy(changed, change)
	return changed
}

// Several publishes a few releases, each of which has to succeed.
func (s *Server) Several(n int) {
	s.T.Helper()
	for revision := range n {
		_, err := s.Open(nil).Publish(context.Background(), s.Next(With(First, Shop{"mail": revision + 2}), "developers"))
		must(s.T, err)
	}
	s.Whole()
	report, err := verify.Verify(context.Background(), s.Open(nil), nil)
	must(s.T, err)
	if len(report.Findings) > 0 || report.Records < n {
		s.T.Errorf("verify: %+v", report)
	}
}

// Older publishes the first release into rings as if there was no log yet.
func (s *Server) Older(rings ...string) {
	s.T.Helper()
	publication := s.Next(First, "developers")
	for _, name := range publication.Plan.PublishOrder() {
		_, index := s.Do("GET", "/v2/"+Project+"/"+name+"/manifests/"+publication.Digests[name], "", nil)
		s.Put(name, "0.1.0", registry.IndexType, index)
	}
	for _, ring := range rings {
		s.Move(ring, publication.Digests["deploy"])
	}
}

// TakeOver takes over what rings have, and has to succeed.
func (s *Server) TakeOver(rings ...string) takeover.Outcome {
	s.T.Helper()
	outcome, err := takeover.TakeOver(context.Background(), s.Open(nil), takeover.Options{Root: "deploy", Rings: s.Rings, Take: rings, Author: store.Author{Actor: "ann"}})
	must(s.T, err)
	return outcome
}

// RingOptions are those of ann.
func RingOptions() store.RingOptions {
	return store.RingOptions{Root: "deploy", Rings: Rings, Author: store.Author{Actor: "ann"}}
}

// Shift shifts everything, and has to succeed.
func (s *Server) Shift() store.RingOutcome {
	s.T.Helper()
	outcome, err := s.Open(nil).Shift(context.Background(), RingOptions(), versioning.ShiftRequest{})
	must(s.T, err)
	return outcome
}

// VersionOf reads a version, which has to be one.
func VersionOf(text string) versioning.Version {
	version, err := versioning.Parse(text)
	if err != nil {
		panic(err) // a mistake in the test
	}
	return version
}

// Holds are the versions that the rings' tags name, in order; - for none.
func (s *Server) Holds() string {
	s.T.Helper()
	var all []string
	for _, ring := range Rings {
		placed, err := Ring(context.Background(), s.Open(nil), ring)
		must(s.T, err)
		if placed == nil {
			all = append(all, "-")
		} else {
			all = append(all, placed.Release.Version().String())
		}
	}
	return strings.Join(all, " ")
}

// Steps publishes n releases into the first ring, and shifts after each.
func (s *Server) Steps(n int) {
	s.T.Helper()
	s.Release(First, "developers")
	for i := range n {
		s.Shift()
		s.Release(With(First, Shop{"mail": i + 2}), "developers")
	}
}

// Table is what the newest record says.
func (s *Server) Table() records.Table {
	s.T.Helper()
	history, err := s.Open(nil).History(context.Background(), 1)
	must(s.T, err)
	return history[0].Record.After
}

// Set places the release that a ring has in another one, as another command would.
func (s *Server) Set(ring string, placed *versioning.Placed) {
	s.T.Helper()
	options := RingOptions()
	options.Author.Actor = "bob"
	_, err := s.Open(nil).Set(context.Background(), options, ring, placed.Release.Version(), true)
	must(s.T, err)
}
