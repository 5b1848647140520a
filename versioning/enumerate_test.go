package versioning

import (
	"strings"
	"testing"

	"github.com/quoitbuild/quoit/internal/dose"
)

// step is one thing that may happen in the small world that is enumerated. It
// returns what went wrong.
type step struct {
	name string
	do   func(*world) error
}

// steps are all that may happen. Two revisions an image are enough for sources
// to come back, and for two rings to build the same.
func steps() []step {
	flip := func(image string) func(*world) error {
		return func(w *world) error {
			revision := 1
			if w.sources[image].Revision == "r1" {
				revision = 2
			}
			w.edit(image, revision)
			return nil
		}
	}
	build := func(ring string) func(*world) error {
		return func(w *world) error {
			request, err := w.request(ring)
			if err != nil {
				return err
			}
			return w.build(request)
		}
	}
	return []step{
		{"edit base", flip("base")},
		{"edit api", flip("api")},
		{"build developers", build("developers")},
		{"build testers", build("testers")},
		{"build users", build("users")},
		{"remove or return api", func(w *world) error {
			if _, present := w.sources["api"]; present {
				delete(w.sources, "api")
			} else {
				w.edit("api", 1)
			}
			return nil
		}},
		{"shift all", func(w *world) error { w.shift("developers", "post"); return nil }},
		{"shift to testers", func(w *world) error { w.shift("developers", "testers"); return nil }},
		{"revert developers", func(w *world) error {
			if version, holds := w.held["testers"]; holds {
				w.set("developers", version)
			}
			return nil
		}},
		{"void developers", func(w *world) error {
			request, err := w.request("developers")
			if err != nil {
				return err
			}
			return w.void(request)
		}},
		{"take api", func(w *world) error {
			request, err := w.request("developers")
			if err != nil {
				return err
			}
			p, err := Changes(request)
			if image, found := p.Image("api"); found && image.Changed {
				w.foreign("api", image.Version)
			}
			return err
		}},
	}
}

// Every sequence of steps up to a depth, each distinct world once.
func TestEverySmallWorld(t *testing.T) {
	depth := dose.Of(5, 6, 8)
	start := newWorld(map[string][]string{"api": {"base"}})
	start.edit("base", 1)
	start.edit("api", 1)
	type at struct {
		world *world
		path  []string
	}
	all, level, seen := steps(), []at{{world: start}}, map[string]bool{start.key(): true}
	for range depth {
		var deeper []at
		for _, here := range level {
			for _, step := range all {
				w := here.world.clone()
				path := append(here.path[:len(here.path):len(here.path)], step.name)
				if err := step.do(w); err != nil {
					t.Fatalf("%s: %v", strings.Join(path, ", "), err)
				}
				if key := w.key(); !seen[key] {
					seen[key] = true
					deeper = append(deeper, at{w, path})
				}
			}
		}
		level = deeper
	}
	t.Logf("%d different worlds in %d steps", len(seen), depth)
	if len(level) == 0 {
		t.Error("the enumeration came to an end, so it did not do what it should")
	}
}
