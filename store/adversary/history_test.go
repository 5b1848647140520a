package adversary

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/quoitbuild/quoit/registry/memory"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/store/storetest"
	"github.com/quoitbuild/quoit/versioning"
)

// shop is the project.
var shop = storetest.Shape{
	Rings:  versioning.Rings([]string{"developers", "testers", "users"}),
	Needs:  map[string][]string{"api": {"base"}, "web": {"base"}},
	Images: []string{"base", "mail", "api", "web", "deploy"},
}

// history is what honest people do with a project, one command after the other and
// sometimes one in the middle of another, and what the adversary does meanwhile, all by a
// seed.
type history struct {
	chance    *rand.Rand
	at        *memory.Namespace
	copy      *memory.Namespace // a mirror, which the adversary cannot reach
	ledger    *ledger
	adversary *adversary
	beliefs   beliefs

	trunk     storetest.Shop
	revision  int
	builds    int
	processes int
	inside    bool // of another command

	depth    int
	story    []string
	happened map[string]int
	err      error
}

func newHistory(seed uint64) *history {
	h := &history{
		chance: rand.New(rand.NewPCG(seed, 12)), at: memory.New("registry.example.com/" + storetest.Project), copy: memory.New("mirror.example.com/" + storetest.Project),
		trunk: storetest.Shop{"base": 1, "mail": 1, "api": 1, "web": 1, "deploy": 1}, revision: 1, happened: map[string]int{},
	}
	h.ledger = newLedger(h.at)
	h.adversary = &adversary{
		chance: h.chance, at: h.at, shape: shop, newest: h.ledger.newest, busy: []int{5, 20, 100}[h.chance.IntN(3)],
		tell: func(format string, values ...any) { h.tell("    he "+format, values...) },
	}
	return h
}

// run lets some commands run.
func (h *history) run() error {
	for range 5 + h.chance.IntN(16) {
		for range h.chance.IntN(3) {
			h.adversary.act()
		}
		h.command()
		if h.chance.IntN(2) == 0 {
			h.look()
		}
		if h.err != nil {
			return h.err
		}
	}
	return nil
}

func (h *history) tell(format string, values ...any) {
	h.story = append(h.story, strings.Repeat("        ", h.depth)+fmt.Sprintf(format, values...))
}

func (h *history) count(what string) { h.happened[what]++ }

// fail notes what is wrong, the first time.
func (h *history) fail(format string, values ...any) {
	if h.err == nil {
		h.err = fmt.Errorf(format, values...)
		h.tell("WRONG: %v", h.err)
	}
}

// reads lets the ledger read the log.
func (h *history) reads() {
	if err := h.ledger.read(); err != nil {
		h.fail("%w", err)
	}
}

// command lets somebody run a command.
func (h *history) command() {
	for _, some := range []struct {
		times int
		do    func()
	}{
		{16, h.publishTrunk}, {8, h.hotfix}, {8, h.shift}, {4, h.unshift}, {5, h.set}, {2, h.hold}, {2, h.unhold},
		{3, h.prune}, {2, h.takeOver}, {3, h.repair}, {3, h.mirror}, {2, h.look},
	} {
		if h.chance.IntN(58) < some.times {
			some.do()
			return
		}
	}
	h.publishTrunk()
}

// process is one run of a command. A bold one may die, and others may run a command in
// the middle of it.
func (h *history) process(bold bool) *process {
	h.processes++
	p := &process{
		number: h.processes, inner: h.at, left: -1, seen: map[records.Content]string{}, blind: h.beliefs.blind,
		overwrites: func(tag records.Content) {
			h.fail("%s:%s is overwritten, and was seen to be %s", tag.Repository, tag.Tag, tag.Digest)
		},
	}
	if bold && h.chance.IntN(6) == 0 {
		p.left, p.after = h.chance.IntN(90), h.chance.IntN(2) == 0
	}
	meets := -1
	if bold && !h.inside && h.chance.IntN(4) == 0 {
		meets = h.chance.IntN(60)
	}
	p.before = func(request) {
		h.adversary.mayAct()
		if meets--; meets == -1 {
			h.colleague()
		}
	}
	return p
}

// colleague runs a command in the middle of another one.
func (h *history) colleague() {
	again, plan := h.adversary.quiet(), h.adversary.plan
	h.inside, h.depth = true, h.depth+1
	h.command()
	if h.chance.IntN(2) == 0 {
		h.look()
	}
	h.inside, h.depth = false, h.depth-1
	h.adversary.plan = plan
	again()
}

// edited changes some of the sources.
func (h *history) edited(sources storetest.Shop) storetest.Shop {
	sources = maps.Clone(sources)
	for range 1 + h.chance.IntN(2) {
		name := shop.Images[h.chance.IntN(len(shop.Images))]
		h.revision++
		switch {
		case name == "mail" && sources["mail"] > 0 && h.chance.IntN(4) == 0:
			delete(sources, "mail")
		case h.chance.IntN(3) == 0:
			sources[name] = 1 + h.chance.IntN(h.revision) // perhaps as it was before
		default:
			sources[name] = h.revision
		}
	}
	return sources
}

// look reads what the rings have, as whoever deploys does, and goes by that.
func (h *history) look() {
	ctx := context.Background()
	h.reads()
	p := h.process(false)
	project := store.New(p, storetest.Project)
	state, err := project.State(ctx)
	if err == nil {
		state, err = project.Settled(ctx, state)
	}
	if err != nil {
		h.fail("reading the log: %w", err)
		return
	}
	if newest := state.Newest.Record; state.Pending() == "" && newest.Operation == records.OpPublish {
		h.ledger.counted[newest.Sequence] = true
	}
	for _, ring := range slices.Sorted(maps.Keys(state.Rings())) {
		place := state.Rings()[ring]
		if place.Empty() {
			continue
		}
		if h.beliefs.reads {
			place = h.byTag(project, ring, place)
		}
		images, err := project.Images(ctx, place)
		if err == nil {
			err = h.ledger.release(place.Root, images)
		}
		placed, failed := project.Placed(ctx, ring, place)
		switch {
		case err != nil:
			h.fail("ring %s: %w", ring, err)
		case failed != nil:
			h.fail("%w", failed)
		default:
			h.labels(ring, placed.Release, images)
		}
	}
}

// labels checks what a root image says of its release.
func (h *history) labels(ring string, release versioning.Release, images map[string]records.Image) {
	for name, image := range images {
		if release.Images[name].Version != image.Version {
			h.fail("ring %s: its root image says %s %s, its record %s", ring, name, release.Images[name].Version, image.Version)
		}
	}
}
