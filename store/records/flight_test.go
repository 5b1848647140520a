package records

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// something lets a request be sent, carried out, or fly on.
func (h *history) something(live []*command) error {
	if len(live) > 0 && h.rng.IntN(2) == 0 {
		c := live[h.rng.IntN(len(live))]
		if c.got == nil {
			h.send(c)
			return nil
		}
	}
	if len(h.flying) == 0 {
		return nil
	}
	i := h.rng.IntN(len(h.flying))
	f := h.flying[i]
	if f.until > h.now {
		return nil
	}
	if f.by == nil && len(live) > 0 && h.rng.IntN(4) > 0 {
		return nil // nobody waits for it, so it may take its time
	}
	h.flying = slices.Delete(h.flying, i, i+1)
	return h.land(f)
}

func (h *history) send(c *command) {
	batch, _ := c.machine.Next()
	c.got, c.waits = make([]Response, len(batch)), len(batch)
	for i, request := range batch {
		c.requests++
		h.flying = append(h.flying, flight{request: request, by: c, slot: i, lost: request.Action != Wait && h.rng.IntN(100) < h.faults, until: h.delay(request)})
	}
}

// delay is how long a request takes at least: longer in later rounds, for some.
func (h *history) delay(r Request) int {
	if r.Action == Wait && r.Reason == Backoff {
		return h.now + h.rng.IntN(50<<min(r.Round, 8))
	}
	return h.now
}

// land carries a request out, and answers it. A request without an answer may
// have been carried out, or be so later, or twice, or never.
func (h *history) land(f flight) error {
	if f.lost && f.request.Action == Put {
		h.unhinted = h.unhinted || f.request.Tag == string(Hint)
		switch h.rng.IntN(4) {
		case 0: // never
			return h.reply(f, Response{Lost: true})
		case 1: // later
			h.flying = append(h.flying, flight{request: f.request})
			return h.reply(f, Response{Lost: true})
		case 2: // twice
			h.flying = append(h.flying, flight{request: f.request})
		}
	}
	response, err := h.serve(f.request)
	if err != nil {
		return err
	}
	if f.by == nil {
		h.landings++
		h.log("- %s %s:%s %.13s", f.request.Action, f.request.Repository, f.request.Tag, f.request.Digest)
		return nil
	}
	if f.lost {
		response = Response{Lost: true}
	}
	if f.by.old && response.Record != nil && response.Record.Schema > 1 {
		response.Record, response.Err = nil, &SchemaError{Got: response.Record.Schema, Known: 1}
	}
	return h.reply(f, response)
}

func (h *history) reply(f flight, response Response) error {
	c := f.by
	if c == nil {
		return nil
	}
	h.log("%d %s %s:%s%s %.13s → %v %.13s %v %s", c.id, f.request.Action, f.request.Repository, f.request.Tag, f.request.From, f.request.Digest,
		response.Found, response.Digest, response.Lost, strings.Join(response.Tags, " "))
	c.got[f.slot] = response
	if c.waits--; c.waits > 0 {
		return nil
	}
	got := c.got
	c.got = nil
	c.machine.Took(got)
	if c.machine.ended {
		c.end = h.now
		h.log("%d ends: %s %v", c.id, c.machine.result.Outcome, c.machine.result.Err)
	}
	return nil
}

// serve carries out a request on the registry.
func (h *history) serve(r Request) (Response, error) {
	switch r.Action {
	case Wait:
		return Response{Over: h.rng.IntN(2) == 0}, nil
	case List:
		return h.lists(r), nil
	case Put:
		old := h.look(h.world, r.Repository, r.Tag)
		name, ok := ParseName(r.Tag)
		moves := ok && (name.Mark == Hint || name.Mark == Decided) || r.Repository != Repository && !isVersion(r.Tag)
		if h.immutable && old != "" && !moves {
			return Response{Refused: true}, nil
		}
		if err := h.audit(r, old, name, ok); err != nil {
			return Response{}, err
		}
	}
	return h.answer(&h.world, r), nil
}

// lists shows a part of the log that only grows, and the order of its tags.
func (h *history) lists(r Request) Response {
	h.view = max(h.view, len(h.world.log)-12)
	if !h.lagging {
		h.view = len(h.world.log)
	}
	h.view += h.rng.IntN(len(h.world.log) - h.view + 1)
	if h.order == "lexical" {
		return h.list(h.world.log[:h.view], r, h.page)
	}
	at, _ := strconv.Atoi(r.Page) // such a registry makes nothing of From
	var tags []string
	for _, key := range h.world.log[:h.view] {
		tags = append(tags, h.what[key].Tag)
	}
	if h.order == "newest" {
		slices.Reverse(tags)
	}
	if tags = tags[min(at, len(tags)):]; len(tags) > h.page {
		return Response{Tags: tags[:h.page], Next: strconv.Itoa(at + h.page)}
	}
	return Response{Tags: tags}
}

// audit looks at a Put before it is carried out.
func (h *history) audit(r Request, old string, name Name, ok bool) error {
	switch {
	case r.Repository != Repository:
		return h.auditImage(r, old)
	case !ok || name.Mark == Hint || old == r.Digest:
		return nil
	case old != "":
		return fmt.Errorf("%s was overwritten", r.Tag)
	case name.Mark != Decided:
		return nil
	}
	sealed := *h.store[r.Digest]
	last := decision{}
	if len(h.decisions) > 0 {
		last = h.decisions[len(h.decisions)-1]
	}
	if name.Sequence != last.sealed.Record.Sequence+1 || sealed.Record.Sequence != name.Sequence || sealed.Record.Parent != last.sealed.Digest {
		return fmt.Errorf("record %d does not continue record %d", name.Sequence, last.sealed.Record.Sequence)
	}
	h.decisions = append(h.decisions, decision{h.now, sealed})
	return nil
}

// auditImage: a version is only written as a record says, and once.
func (h *history) auditImage(r Request, old string) error {
	if !isVersion(r.Tag) || old == r.Digest {
		return nil
	}
	if old != "" && !slices.Contains(h.foreign, Content{r.Repository, r.Tag, old}) {
		return fmt.Errorf("version %s:%s gets a second content", r.Repository, r.Tag)
	}
	for _, d := range h.decisions {
		if slices.Contains(d.sealed.Record.Versions(), Content{r.Repository, r.Tag, r.Digest}) {
			return nil
		}
	}
	return fmt.Errorf("version %s:%s is in no record", r.Repository, r.Tag)
}
