package adversary

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/store/storetest"
	"github.com/quoitbuild/quoit/versioning"
)

// publish lets somebody run `quoit build --push` until it succeeds, as who does what the
// messages say. No publish is blocked for more than one retry, which means:
//
//   - It is refused at most once because versions are taken (exit code 3: a
//     [store.TakenError] or a [store.VoidError]). From when that run lists the tags that
//     there are, the adversary takes no version that the log does not count as assigned;
//     whatever else he likes he does.
//   - It is stopped at most once because of the same tag (a [store.DifferenceError] or a
//     [store.ForeignError]). The message names the command that mends it; somebody runs
//     that, once, and from then on the adversary leaves alone what stops a command: the
//     tags of rings, and the versions of the newest record.
//
// Runs do not count that have died, or that lost to somebody else's record.
func (h *history) publish(ring string, sources storetest.Shop, merge ...string) {
	defer h.adversary.quiet()()
	h.tell("build --push for %s of %v, merging %v", ring, sources, merge)
	refused, mended := false, mended{}
	for bold := true; h.err == nil; bold = false {
		p, records := h.process(bold), len(h.ledger.records)
		p.unlisted = h.beliefs.unburnt
		act := p.before
		p.before = func(r request) {
			if r.list && r.repository != log {
				h.adversary.leaveVersions()
			}
			act(r)
		}
		outcome, err := h.build(p, ring, sources, merge)
		h.reads()
		lost := h.lost(p, records)
		h.tell("  %v", result(p, err))
		switch {
		case p.dead:
			h.count("died")
			if h.chance.IntN(2) == 0 {
				return
			}
		case err == nil:
			h.count("published")
			h.released(outcome, ring, sources, lost)
			return
		case stops(err):
			h.mend(err, mended)
		case lost && (restarts(err) || refuses(err)):
			h.count("overtaken")
		case refuses(err) && !refused:
			refused = true
			h.count("refused")
			h.adversary.leaveVersions()
		default:
			h.fail("a publish is blocked (refused before: %v, lost to others: %v): %w", refused, lost, err)
		}
	}
}

func result(p *process, err error) error {
	if p.dead {
		return errDead
	}
	return err
}

// refuses reports whether an error says that versions are taken.
func refuses(err error) bool {
	return errors.As(err, new(*store.TakenError))
}

// stops reports whether an error says that tags differ from the log.
func stops(err error) bool {
	return errors.As(err, new(*store.DifferenceError)) || errors.As(err, new(*store.ForeignError))
}

// restarts reports whether an error says that somebody else was faster.
func restarts(err error) bool {
	return errors.As(err, new(*store.MovedError)) || errors.As(err, new(*store.ParentError)) || errors.As(err, new(*store.UnheldError)) || errors.As(err, new(*store.OvertakenError))
}

// build is one run, as `quoit build --push` is made of builder, frontend and store.
func (h *history) build(p *process, ring string, sources storetest.Shop, merge []string) (store.Outcome, error) {
	ctx := context.Background()
	project := store.New(p, storetest.Project)
	state, err := h.ready(ctx, project)
	if err != nil {
		return store.Outcome{}, err
	}
	plan, err := h.plan(ctx, storetest.Planner{Shape: shop, Project: project, State: state}, ring, sources, merge)
	if err != nil {
		return store.Outcome{}, err
	}
	h.adversary.plan = &plan
	if len(plan.Changed()) > 0 || plan.Current == nil || plan.Current.Ring != ring {
		rings := []string{ring}
		for _, held := range []*versioning.Held{plan.Current, plan.Next} {
			if held != nil && !slices.Contains(rings, held.Ring) {
				rings = append(rings, held.Ring)
			}
		}
		differences, err := store.Differences(ctx, project, state, plan.Root, rings)
		if err == nil && len(differences) > 0 {
			err = &store.DifferenceError{Differences: differences}
		}
		if err != nil {
			return store.Outcome{}, err
		}
	}
	digests, err := h.push(p, plan, sources)
	if err != nil {
		return store.Outcome{}, err
	}
	return project.Publish(ctx, store.Publication{Plan: plan, Rings: shop.Rings, Digests: digests, Author: p.author()})
}

// ready reads the log, and completes its newest record first if need be.
func (h *history) ready(ctx context.Context, project *store.Project) (store.State, error) {
	completed := ""
	for {
		state, err := project.State(ctx)
		if err != nil {
			return state, err
		}
		newest := state.Newest
		if state, err = project.Settled(ctx, state); err != nil {
			return state, err
		}
		state.Newest = newest
		if state.Closed = state.Closed || newest.Digest == completed; state.Closed || newest.Digest == "" {
			return state, nil
		}
		if err := project.Settle(ctx, shop.Rings); err != nil {
			return state, fmt.Errorf("completing record %d of the log: %w", newest.Record.Sequence, err)
		}
		completed = newest.Digest
	}
}

// push pushes what a plan builds, by digest. No build makes the same bytes again.
func (h *history) push(p *process, plan versioning.Plan, sources storetest.Shop) (map[string]string, error) {
	digests := map[string]string{}
	for _, name := range plan.PublishOrder() {
		image, _ := plan.Image(name)
		h.builds++
		err := p.do(request{repository: name}, true, func() error {
			digests[name] = push(h.at.Repository(name), labelsOf(plan, name), fmt.Sprint("build ", h.builds)).Digest
			return nil
		})
		made := built{version: image.Version, revision: image.Revision}
		if name == plan.Root {
			made.sources = maps.Clone(sources)
		}
		h.ledger.pushed[records.Content{Repository: name, Digest: digests[name]}] = made
		if err != nil {
			return nil, err
		}
	}
	return digests, nil
}

// released checks that what was published is what somebody wanted to.
func (h *history) released(outcome store.Outcome, ring string, sources storetest.Shop, lost bool) {
	top := h.ledger.pushed[records.Content{Repository: "deploy", Digest: outcome.Digest}]
	by := h.ledger.assigned[records.Content{Repository: "deploy", Tag: outcome.Version.String()}]
	has := h.ledger.newest().After[ring]
	switch {
	case !outcome.Done:
		h.fail("a publish without an error is not done")
	case !maps.Equal(top.sources, sources) || by == 0:
		h.fail("%s %s was published, by record %d, which was made of %v", outcome.Version, outcome.Digest, by, top.sources)
	case !lost && has.Digest != outcome.Digest:
		h.fail("ring %s has %s, and %s was published", ring, has.Digest, outcome.Digest)
	default:
		if err := h.ledger.release("deploy", h.ledger.records[by-1].Record.Images); err != nil {
			h.fail("%w", err)
		}
	}
}

// publishTrunk publishes a change of the trunk into the first ring.
func (h *history) publishTrunk() {
	h.trunk = h.edited(h.trunk)
	var merge []string
	for _, other := range shop.Rings[2:] {
		if !h.ledger.newest().After[other].Empty() && h.chance.IntN(4) == 0 {
			merge = append(merge, other)
		}
	}
	h.publish("developers", h.trunk, merge...)
}

// hotfix publishes a change of what some ring has into that ring.
func (h *history) hotfix() {
	ring := shop.Rings[h.chance.IntN(len(shop.Rings)-1)]
	sources := h.trunk
	if place := h.ledger.newest().After[ring]; !place.Empty() {
		sources = h.ledger.pushed[records.Content{Repository: "deploy", Digest: place.Digest}].sources
	}
	if h.chance.IntN(5) > 0 {
		sources = h.edited(sources)
	}
	h.publish(ring, sources)
}

// digestOf is what a tag names, "" for nothing.
func digestOf(at registry.Namespace, image, tag string) string {
	digest, _, err := at.Repository(image).Head(context.Background(), tag)
	mustNot(err)
	return digest
}
