package adversary

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/store/mirror"
	"github.com/quoitbuild/quoit/store/prune"
	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/store/repair"
	"github.com/quoitbuild/quoit/store/storetest"
	"github.com/quoitbuild/quoit/store/takeover"
	"github.com/quoitbuild/quoit/versioning"
)

// operate lets somebody run a command that builds nothing. If tags stop it that the log
// does not explain, somebody runs the command that the message names, and runs it again.
// No tag stops it twice, see [history.publish].
func (h *history) operate(what string, do func(p *process, project *store.Project) error) {
	if len(h.ledger.records) == 0 {
		return
	}
	defer h.adversary.quiet()()
	h.tell("%s", what)
	mended := mended{}
	for bold := true; h.err == nil; bold = false {
		p, records := h.process(bold), len(h.ledger.records)
		err := do(p, store.New(p, storetest.Project))
		h.reads()
		h.tell("  %v", result(p, err))
		kind, _, _ := strings.Cut(what, " ")
		switch {
		case p.dead:
			h.count("died")
			return
		case err == nil:
			h.count(kind)
			return
		case rules(err), h.lost(p, records) && restarts(err):
			h.count(kind + " that does not fit")
			return
		case stops(err):
			h.mend(err, mended)
		default:
			h.fail("%s: %w", what, err)
		}
	}
}

// lost reports whether somebody else's record was added to a log that had so many.
func (h *history) lost(p *process, before int) bool {
	return slices.ContainsFunc(h.ledger.records[before:], func(s records.Sealed) bool {
		actor := s.Record.Actor
		return actor != p.author().Actor && actor != "" // as who only completes something
	})
}

// rules reports whether an error is one of the rules of rings, whoever pushes what.
func rules(err error) bool {
	return errors.As(err, new(*versioning.DiscardError)) || errors.As(err, new(*versioning.HeldError)) ||
		errors.As(err, new(*versioning.UnshiftError)) || errors.As(err, new(*store.PrunedError))
}

// mended are the tags that were mended.
type mended map[string]bool

// mend does what a message says about tags that the log does not explain.
func (h *history) mend(stop error, before mended) {
	h.count("stopped")
	h.adversary.rings, h.adversary.versionsOfNewest = true, true
	var stray []string // tags of rings that have nothing by the log
	tags, foreign, difference := []string{}, new(store.ForeignError), new(store.DifferenceError)
	if errors.As(stop, &foreign) {
		tags = append(tags, foreign.Reference)
	}
	if errors.As(stop, &difference) {
		for _, d := range difference.Differences {
			tags = append(tags, d.Reference)
			if d.Wanted == "" {
				stray = append(stray, d.Ring)
			}
		}
	}
	for _, tag := range tags {
		if before[tag] {
			h.fail("%s stops again: %w", tag, stop)
		}
		before[tag] = true
	}
	h.obey(stop, stray, len(tags) > len(stray))
}

// obey runs what a message names.
func (h *history) obey(stop error, stray []string, others bool) {
	says := func(what string) bool { return strings.Contains(stop.Error(), what) }
	if len(stray) > 0 && !says("take the tag away") || others && !says("`quoit repair`") {
		h.fail("it does not say what to do: %w", stop)
	}
	for _, ring := range stray {
		_, err := h.at.Repository("deploy").Delete(context.Background(), ring)
		mustNot(err)
	}
	if !others {
		return
	}
	p := h.process(false)
	outcome, err := repair.Repair(context.Background(), store.New(p, storetest.Project), repair.Options{Rings: shop.Rings})
	h.reads()
	h.tell("  repair: %v, %d done, %v left", err, len(outcome.Done), outcome.Left)
	if err != nil {
		h.fail("what mends %w: %w", stop, err)
	}
}

func options(p *process) store.RingOptions {
	return store.RingOptions{Root: "deploy", Rings: shop.Rings, Author: p.author()}
}

func (h *history) shift() {
	from := h.chance.IntN(3)
	request := versioning.ShiftRequest{From: shop.Rings[from], To: shop.Rings[from+1+h.chance.IntN(len(shop.Rings)-1-from)]}
	if h.chance.IntN(2) == 0 {
		request = versioning.ShiftRequest{}
	}
	if h.chance.IntN(2) == 0 {
		request.Discard = shop.Rings
	}
	h.operate(fmt.Sprintf("shift from %q to %q", request.From, request.To), func(p *process, project *store.Project) error {
		_, err := project.Shift(context.Background(), options(p), request)
		return err
	})
}

func (h *history) unshift() {
	var rings []string
	for _, ring := range slices.Sorted(maps.Keys(h.ledger.newest().Tops)) {
		if h.chance.IntN(2) == 0 {
			rings = append(rings, ring)
		}
	}
	h.operate(fmt.Sprintf("unshift %v", rings), func(p *process, project *store.Project) error {
		_, err := project.Unshift(context.Background(), options(p), rings)
		return err
	})
}

// set places one of the releases that there were.
func (h *history) set() {
	var releases []versioning.Version
	for _, sealed := range h.ledger.records {
		if r := sealed.Record; r.Operation == records.OpPublish && !h.ledger.void[r.Sequence] {
			releases = append(releases, r.Images["deploy"].Version)
		}
	}
	if len(releases) == 0 {
		return
	}
	version, ring := releases[max(0, len(releases)-1-h.chance.IntN(10))], shop.Rings[h.chance.IntN(len(shop.Rings))]
	discard := h.chance.IntN(3) > 0
	h.operate(fmt.Sprintf("set %s %s", ring, version), func(p *process, project *store.Project) error {
		_, err := project.Set(context.Background(), options(p), ring, version, discard)
		return err
	})
}

func (h *history) hold() {
	ring := shop.Rings[h.chance.IntN(len(shop.Rings))]
	h.operate("hold "+ring, func(p *process, project *store.Project) error {
		_, err := project.Hold(context.Background(), options(p), ring, "a reason")
		return err
	})
}

func (h *history) unhold() {
	h.operate("unhold", func(p *process, project *store.Project) error {
		_, err := project.Unhold(context.Background(), options(p), shop.Rings)
		return err
	})
}

func (h *history) prune() {
	keep := 1 + h.chance.IntN(5)
	h.operate(fmt.Sprintf("prune --keep %d", keep), func(p *process, project *store.Project) error {
		_, err := prune.Prune(context.Background(), project, prune.Options{Rings: shop.Rings, Keep: keep, Author: p.author()})
		return err
	})
}

func (h *history) repair() {
	h.operate("repair", func(_ *process, project *store.Project) error {
		_, err := repair.Repair(context.Background(), project, repair.Options{Rings: shop.Rings})
		return err
	})
}

var errNotOurs = errors.New("nobody of us has pushed this")

// takeOver looks what the tags of rings have, and refuses it.
func (h *history) takeOver() {
	defer h.adversary.quiet()()
	before := len(h.ledger.records)
	p := h.process(true)
	h.tell("take-over")
	_, err := takeover.TakeOver(context.Background(), store.New(p, storetest.Project), takeover.Options{
		Root: "deploy", Rings: shop.Rings, Take: shop.Rings[h.chance.IntN(len(shop.Rings)):], Author: p.author(),
		Confirm: func(takeover.Outcome) error { return errNotOurs },
	})
	h.reads()
	h.tell("  %v", err)
	if errors.Is(err, errNotOurs) {
		h.count("refused take-over")
	}
	if len(h.ledger.records) > before && !h.lost(p, before) {
		h.fail("a take-over that was refused has written record %d", len(h.ledger.records))
	}
}

// mirror copies what some rings have, and looks what the copy says.
func (h *history) mirror() {
	var rings []string
	newest := h.ledger.newest()
	for _, ring := range shop.Rings {
		if !newest.After[ring].Empty() && !newest.Before[ring].Empty() && h.chance.IntN(2) == 0 {
			rings = append(rings, ring)
		}
	}
	if len(rings) == 0 {
		return
	}
	h.operate(fmt.Sprintf("copy %v", rings), func(p *process, _ *store.Project) error {
		to := &process{inner: h.copy, left: -1, seen: map[records.Content]string{}, overwrites: p.overwrites}
		_, err := mirror.Copy(context.Background(), p, to, mirror.Request{Releases: rings})
		return err
	})
	for _, image := range shop.Images {
		tags, _, err := h.copy.Repository(image).Tags(context.Background(), "", "")
		mustNot(err)
		for _, tag := range tags {
			h.copied(image, tag)
		}
	}
}

// copied checks a tag of the mirror.
func (h *history) copied(image, tag string) {
	digest := digestOf(h.copy, image, tag)
	made, honest := h.ledger.pushed[records.Content{Repository: image, Digest: digest}]
	by := h.ledger.assigned[records.Content{Repository: image, Tag: made.version.String()}]
	switch {
	case !slices.Contains(shop.Rings, tag) && !isVersion(tag):
	case !honest || by == 0 || h.ledger.records[by-1].Record.Images[image].Digest != digest:
		h.fail("the copy has %s:%s, which is %s, and no record has assigned that", image, tag, digest)
	case isVersion(tag) && made.version.String() != tag:
		h.fail("the copy has %s:%s, which is %s", image, tag, made.version)
	}
}
