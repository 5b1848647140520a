package storetest

import (
	"context"

	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/versioning"
)

// Shop is the sources of a project: what each image needs, and its revision.
type Shop map[string]int

// What the images of the project need, and an order in which they can be built.
var (
	Needs = map[string][]string{"api": {"base"}, "web": {"base"}, "jobs": {"api"}}
	Order = []string{"base", "mail", "api", "web", "jobs", "deploy"}
)

// Shape is what a project has.
type Shape struct {
	Rings  []string
	Needs  map[string][]string // of images: what they are made from
	Runs   map[string][]string // what they need when they run
	Images []string            // those that are needed come first, the root image last
}

// Acme is the shape of the project unless a test gives its server another one.
var Acme = Shape{Rings: Rings, Needs: Needs, Images: Order}

// Plan plans a build of the sources for a ring, that contains the releases of
// some other rings. A log of an older quoit is upgraded first, as by a build that is
// published.
func (s *Server) Plan(p *store.Project, sources Shop, ring string, merge ...string) versioning.Plan {
	s.T.Helper()
	ctx := context.Background()
	planner, err := NewPlanner(ctx, p, s.Shape)
	must(s.T, err)
	if planner.Schema1() {
		must(s.T, p.Upgrade(ctx, store.Author{Actor: "ann"}, s.Rings))
		planner, err = NewPlanner(ctx, p, s.Shape)
		must(s.T, err)
	}
	plan, err := planner.Plan(ctx, sources, ring, merge...)
	must(s.T, err)
	return plan
}

// Release publishes the sources to a ring, and returns the publication.
func (s *Server) Release(sources Shop, ring string) store.Publication {
	s.T.Helper()
	p := s.Open(nil)
	plan := s.Plan(p, sources, ring)
	publication := store.Publication{Plan: plan, Rings: s.Rings, Digests: s.PushPlan(plan)}
	_, err := p.Publish(context.Background(), publication)
	must(s.T, err)
	s.Requests()
	return publication
}

// Next plans and pushes a change, and publishes nothing.
func (s *Server) Next(sources Shop, ring string, merge ...string) store.Publication {
	s.T.Helper()
	plan := s.Plan(s.Open(nil), sources, ring, merge...)
	publication := store.Publication{Plan: plan, Rings: s.Rings, Digests: s.PushPlan(plan)}
	s.Requests()
	return publication
}

// Planned is next for several at a time.
func (s *Server) Planned(sources Shop) store.Publication {
	plan := s.Plan(s.Open(nil), sources, "developers")
	return store.Publication{Plan: plan, Rings: Rings, Digests: s.PushPlan(plan)}
}
