package deploy

import (
	"errors"
	"fmt"
	"math/bits"
	"testing"

	"github.com/quoitbuild/quoit/versioning"
)

// world is a handful of releases, each with one migration of its own. Sets of
// releases, and of migrations, are bits.
type world struct {
	releases []Release
	ancestry []uint // of each release, itself included
}

// newWorld takes the parents of each release; parents come before children.
// The versions say nothing: they run against the order.
func newWorld(parents ...[]int) *world {
	w := &world{}
	for i, list := range parents {
		set := uint(1) << i
		for _, parent := range list {
			set |= w.ancestry[parent]
		}
		w.ancestry = append(w.ancestry, set)
		w.releases = append(w.releases, Release{
			Version: versioning.Version{Major: uint64(len(parents) - i)}, Digest: fmt.Sprintf("sha256:%064x", i+1)})
	}
	return w
}

func (w *world) index(r Release) int {
	for i, known := range w.releases {
		if known.Same(r) {
			return i
		}
	}
	panic("unknown release")
}

func (w *world) knows(r Release) uint { return w.ancestry[w.index(r)] }

func (w *world) descends(a, b Release) bool { return w.knows(a)>>w.index(b)&1 == 1 }

// site is what is really there.
type site struct {
	schema  uint // the migrations that were done
	objects int  // the release whose objects are there, whole; see none and mixed
	seeded  bool // install hooks have run to their end
	foreign bool // deployed over something unrelated since the last uninstall
}

const (
	none  = -1
	mixed = -2
)

// run does a step up to its n-th change; whole says that this was all of it.
func (w *world) run(s site, step Step, target uint, n int) (after site, whole bool) {
	var add, remove uint
	switch step.Action {
	case Install, Upgrade:
		add = w.knows(step.Run) &^ s.schema
	case Downgrade:
		remove = s.schema & w.knows(step.Run) &^ target
	case Uninstall:
		remove = s.schema
	}
	for range n {
		switch {
		case add != 0: // oldest first
			low := add & -add
			s.schema, add = s.schema|low, add&^low
		case remove != 0: // newest first
			high := uint(1) << (bits.Len(remove) - 1)
			s.schema, remove = s.schema&^high, remove&^high
		}
		if step.Action == Uninstall {
			s.seeded = false
		}
		if step.Action != Downgrade {
			s.objects = mixed
		}
	}
	if add != 0 || remove != 0 || n == 0 {
		return s, false
	}
	switch step.Action {
	case Install:
		s.objects, s.seeded = w.index(step.Run), true
	case Upgrade, Restore:
		s.objects = w.index(step.Run)
	case Uninstall:
		s = site{objects: none}
	}
	return s, true
}

// state is a site and what its record says.
type state struct {
	site   site
	record Record
	path   *path
}

// path is how a state came about.
type path struct {
	before *path
	target int
	plan   Plan
	how    string
	step   int // of the plan
	done   int // changes of that step
}

func (p *path) String() string {
	if p == nil {
		return "new"
	}
	return fmt.Sprintf("%s; to %d: %s (%s at %d.%d)", p.before, p.target, p.plan, p.how, p.step, p.done)
}

// key is all of a state but its history; versions are unique here.
type key struct {
	site                 site
	installed, attempted versioning.Version
	action               Action
	run, from            versioning.Version
	reached              [4]versioning.Version
}

func (s state) key() key {
	k := key{site: s.site, installed: s.record.Version()}
	if s.record.Attempted != nil {
		k.attempted = s.record.Attempted.Version
	}
	if step := s.record.Step; step != nil {
		k.action, k.run, k.from = step.Action, step.Run.Version, step.From
	}
	for i, r := range s.record.Reached {
		k.reached[i] = r.Version
	}
	return k
}

// explore visits every state that any sequence of deploys and uninstalls can
// reach, with a failure, a crash, or a root image that never starts at every
// point of every step.
func (w *world) explore(t *testing.T, visit func(state)) int {
	queue := []state{{site: site{objects: none}, record: Record{Project: "acme/shop", Site: "eu"}}}
	seen := map[key]bool{queue[0].key(): true}
	for at := 0; at < len(queue); at++ {
		visit(queue[at])
		for target := none; target < len(w.releases); target++ {
			for _, next := range w.deploy(t, queue[at], target) {
				if key := next.key(); !seen[key] {
					seen[key] = true
					readable(t, next)
					queue = append(queue, next)
				}
			}
		}
	}
	return len(queue)
}

// readable checks that the record of a state can be kept.
func readable(t *testing.T, s state) {
	t.Helper()
	text, err := Format(s.record)
	if err == nil {
		_, err = Parse(text)
	}
	if err != nil {
		t.Fatalf("%s: %v", s.path, err)
	}
}

// deploy returns every state that a deploy to the target can leave; with the
// target none, an uninstall. The last one is that of a deploy that succeeds.
func (w *world) deploy(t *testing.T, s state, target int) []state {
	plan, foreign := w.decide(t, s.record, target)
	before := s.path
	s.site.foreign = s.site.foreign || foreign
	at := func(how string, step, done int) *path { return &path{before, target, plan, how, step, done} }
	var ends []state
	for i, step := range plan.Steps {
		w.sound(t, s, step)
		begun := s.record.Begin(plan, i, w.descends)
		unstarted := s.record.Finish(plan, i, NotStarted, Result{}, w.descends)
		failed := s.record.Finish(plan, i, Failed, Result{Error: "broken"}, w.descends)
		done := s.record.Finish(plan, i, Done, Result{}, w.descends)
		ends = append(ends, state{s.site, unstarted, at("not started", i, 0)})
		for n, whole := 0, false; !whole; n++ {
			var after site
			after, whole = w.run(s.site, step, w.target(target), n)
			ends = append(ends, state{after, begun, at("crash", i, n)}, state{after, failed, at("failure", i, n)})
			if whole {
				s = state{after, done, at("done", i, n)}
				ends = append(ends, s)
			}
		}
	}
	return append(ends, s)
}

func (w *world) target(target int) uint {
	if target == none {
		return 0
	}
	return w.ancestry[target]
}

// decide allows everything, and says whether it goes over something unrelated.
func (w *world) decide(t *testing.T, record Record, target int) (plan Plan, foreign bool) {
	if target == none {
		return DecideUninstall(record, w.descends), false
	}
	_, err := Decide(record, w.releases[target], w.descends, Options{Downgrade: true})
	foreign = errors.As(err, new(*UnrelatedError))
	if err != nil && !foreign {
		t.Fatal(err)
	}
	plan, err = Decide(record, w.releases[target], w.descends, Options{Downgrade: true, Discard: true})
	if err != nil {
		t.Fatal(err)
	}
	return plan, foreign
}

// sound checks that no root image meets what it does not know, or less than it
// may expect.
func (w *world) sound(t *testing.T, s state, step Step) {
	t.Helper()
	knows := w.knows(step.Run)
	switch {
	case s.site.foreign:
	case s.site.schema&^knows != 0:
		t.Errorf("%s: %s meets the unknown migrations %b", s.path, step, s.site.schema&^knows)
	case step.Action == Restore && s.site.schema != knows:
		t.Errorf("%s: %s meets the schema %b, and needs %b", s.path, step, s.site.schema, knows)
	}
	if step.Action != Install && step.Action != Downgrade && step.Action != Uninstall && !s.site.seeded {
		t.Errorf("%s: %s, and the install hooks never ended", s.path, step)
	}
}

func TestEveryDeployConvergesFromEverywhere(t *testing.T) {
	for name, w := range map[string]*world{
		"one":       newWorld(nil),
		"chain":     newWorld(nil, []int{0}, []int{1}, []int{2}),
		"fork":      newWorld(nil, []int{0}, []int{0}),
		"diamond":   newWorld(nil, []int{0}, []int{0}, []int{1, 2}),
		"two roots": newWorld(nil, nil, []int{1}),
	} {
		t.Run(name, func(t *testing.T) {
			states := w.explore(t, func(s state) {
				for target := none; target < len(w.releases); target++ {
					w.converges(t, s, target)
				}
			})
			t.Logf("%d states", states)
			if states < 4*len(w.releases) {
				t.Errorf("only %d states: the failures were not explored", states)
			}
		})
	}
}

// converges checks that one deploy without a failure brings the site to the
// target, and that there is nothing to do after it.
func (w *world) converges(t *testing.T, s state, target int) {
	t.Helper()
	ends := w.deploy(t, s, target)
	end := ends[len(ends)-1]
	want := w.target(target)
	switch {
	case end.site.foreign && end.site.schema&want != want, !end.site.foreign && end.site.schema != want:
		t.Errorf("%s: the schema is %b, want %b", end.path, end.site.schema, want)
	case end.site.objects != target:
		t.Errorf("%s: the objects are those of %d, want %d", end.path, end.site.objects, target)
	case end.site.seeded != (target != none):
		t.Errorf("%s: install hooks have ended: %v", end.path, end.site.seeded)
	case !end.record.Resting() || end.record.Attempted != nil:
		t.Errorf("%s: it does not rest", end.path)
	}
	if plan, _ := w.decide(t, end.record, target); !plan.Nothing() {
		t.Errorf("%s: there is more to do: %s", end.path, plan)
	}
}
