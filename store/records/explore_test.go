package records

import (
	"fmt"
	"strconv"
	"strings"
)

// scenario is what an exhaustive check explores.
type scenario struct {
	operations []Operation // one for each writer
	crashes    int         // at any request; a Put that crashed may land at any time later
	foreign    []Content   // each is pushed by somebody else, at any time or never
	begin      []Operation // records that are there; the last one's tags are not
	settled    bool        // the last one's tags are there too
	impatient  bool        // politeness is over at once
	variant    func(*Machine, []Response) bool
	sample     uint64 // each so many states, every writer is left alone
	rounds     int    // in a later one, the writers go on one after the other
	stale      bool   // a listing may be what it was at any time before
	page       int    // or each of its pages, of this size, so long as none is older than the one before
	unordered  bool   // a listing may lack tags; what goes wrong then has to be reported
	blind      bool   // by the writers themselves, as nobody verifies the log
}

type writer struct {
	machine *Machine
	got     []Response // of the batch
	crashed bool
	key     uint64
}

func (w writer) live() bool { return !w.crashed && !w.machine.ended }

type state struct {
	world   world
	writers []writer
	crashes int
	landing []Content // Puts of crashed writers
	pushed  int       // bits of foreign
	view    int       // the tags of the slot that every page will show
	wrong   error     // what went wrong and has to be reported
}

// explorer walks every state once, depth first.
type explorer struct {
	*numbers
	scenario scenario
	seen     map[uint64]struct{}
	path     []string
	steps    int
	most     int // requests of a writer left alone
	fresh    int // of those, since it began a round
	ends     map[string]int
	cut      int // states in a later round than asked for
}

func explore(s scenario) (*explorer, error) {
	e := &explorer{numbers: newNumbers(), scenario: s, seen: map[uint64]struct{}{}, ends: map[string]int{}}
	start := state{crashes: s.crashes}
	for i, operation := range s.begin {
		m := e.machine(100+i, operation)
		if _, _, err := alone(e.numbers, &start.world, m, nil, 1000); err != nil || m.result.Outcome != Success {
			return e, fmt.Errorf("beginning: %v %v", err, m.result)
		}
	}
	if !s.settled {
		e.untag(&start.world)
	}
	for i, operation := range s.operations {
		m := e.machine(i+1, operation)
		m.variant = s.variant
		start.writers = append(start.writers, writer{machine: m, key: machineKey(m, nil)})
	}
	return e, e.visit(start)
}

// untag puts the tags of the newest record back, as if its writer had crashed.
func (e *explorer) untag(w *world) {
	newest, _ := e.newest(*w)
	for _, tag := range newest.Record.Versions() {
		e.write(w, Content{tag.Repository, tag.Tag, ""})
	}
	for _, ring := range newest.Record.Moved() {
		e.write(w, TagOf(newest.Record.Before, ring))
	}
	e.write(w, Content{Repository, Name{Mark: Done, Sequence: newest.Record.Sequence, Value: newest.Digest}.String(), ""})
}

func (e *explorer) machine(id int, operation Operation) *Machine {
	m, err := New(Options{Operation: operation, Signature: signature(id), Rings: []string{"dev", "testers", "users"}})
	if err != nil {
		panic(err) // a bug of the test
	}
	m.seal = e.seal
	return m
}

func text(h uint64, s string) uint64 {
	sum := uint64(14695981039346656037)
	for i := range len(s) {
		sum = (sum ^ uint64(s[i])) * 1099511628211
	}
	return mix(h, sum)
}

func (s state) key() uint64 {
	h := mix(s.world.hash, uint64(s.view)<<16|uint64(s.crashes)<<8|uint64(s.pushed))
	for _, w := range s.writers {
		h = mix(h, w.key)
		if w.crashed {
			h = mix(h, 7)
		}
	}
	if s.wrong != nil {
		h = mix(h, 9)
	}
	for _, tag := range s.landing {
		h = text(h, tag.Tag+tag.Digest)
	}
	return h
}

func (e *explorer) visit(s state) error {
	key := s.key()
	if e.scenario.stale {
		for _, tag := range s.world.log {
			key = mix(key, uint64(tag))
		}
	}
	if _, seen := e.seen[key]; seen {
		return nil
	}
	e.seen[key] = struct{}{}
	if e.scenario.sample > 0 && !e.scenario.unordered && key%e.scenario.sample == 0 {
		if err := e.leaveAlone(s); err != nil {
			return err
		}
	}
	for _, w := range s.writers {
		if w.live() && w.machine.round > e.scenario.rounds && w.machine.mine != nil {
			e.cut++
			return e.inTurn(s)
		}
	}
	for i, w := range s.writers {
		if w.live() && e.harmless(s, w) {
			return e.request(s, i, Response{})
		}
	}
	live := false
	for i, w := range s.writers {
		if !w.live() {
			continue
		}
		live = true
		if err := e.events(s, i); err != nil {
			return err
		}
	}
	if err := e.others(s); err != nil || live {
		return err
	}
	return e.rest(s)
}

// harmless reports whether the writer's next request commutes with everything
// that others can do, now and later: then no other order has to be looked at.
func (e *explorer) harmless(s state, w writer) bool {
	r := w.machine.asked[len(w.got)]
	digest := e.look(s.world, r.Repository, r.Tag)
	forever := r.Repository == Repository && r.Tag != string(Hint) && digest != "" && !strings.Contains(r.Tag, "claim")
	switch r.Action {
	case HeadDigest:
		return true
	case Get, Head:
		return forever
	case Put:
		return forever && digest == r.Digest
	case Wait:
		return r.Reason == Listing || r.Reason == Polite && e.scenario.impatient
	}
	return false
}

// events are what can happen to a writer.
func (e *explorer) events(s state, i int) error {
	r := s.writers[i].machine.asked[len(s.writers[i].got)]
	if r.Action == List && (e.scenario.stale || e.scenario.unordered) {
		for _, response := range e.lists(s, i, r) {
			if err := e.request(s, i, response); err != nil {
				return err
			}
		}
	} else if err := e.request(s, i, Response{Over: true}); err != nil {
		return err
	}
	if r.Action == Wait && r.Reason != Listing {
		if err := e.request(s, i, Response{}); err != nil {
			return err
		}
	}
	if s.crashes == 0 {
		return nil
	}
	after := s.clone()
	after.crashes--
	after.writers[i].crashed, after.writers[i].got = true, nil
	if err := e.enter(fmt.Sprintf("%d crashes", i), after); err != nil || r.Action != Put {
		return err
	}
	after = after.clone()
	after.landing = append(after.landing, Content{r.Repository, r.Tag, r.Digest})
	return e.enter(fmt.Sprintf("%d crashes, sending %s:%s=%.13s", i, r.Repository, r.Tag, r.Digest), after)
}

// others are what can happen besides: a delayed Put lands, somebody pushes.
func (e *explorer) others(s state) error {
	for i, tag := range s.landing {
		after := s.clone()
		after.landing = append(append([]Content{}, s.landing[:i]...), s.landing[i+1:]...)
		if err := e.audit(&after, tag, -1); err != nil && !e.wrong(&after, err) {
			return e.fail(err)
		}
		e.write(&after.world, tag)
		if err := e.enter(fmt.Sprintf("%s:%s=%.13s lands", tag.Repository, tag.Tag, tag.Digest), after); err != nil {
			return err
		}
	}
	for i, tag := range e.scenario.foreign {
		if s.pushed&(1<<i) != 0 {
			continue
		}
		after := s.clone()
		after.pushed |= 1 << i
		e.write(&after.world, tag)
		if err := e.enter(fmt.Sprintf("somebody pushes %s:%s", tag.Repository, tag.Tag), after); err != nil {
			return err
		}
	}
	return nil
}

func (s state) clone() state {
	s.writers = append([]writer{}, s.writers...)
	s.landing = append([]Content{}, s.landing...)
	return s
}

// request lets a writer make its next request; the response counts for waits.
func (e *explorer) request(s state, i int, response Response) error {
	after := s.clone()
	w := &after.writers[i]
	r := w.machine.asked[len(w.got)]
	if r.Action == Wait {
		response.Over = response.Over || e.scenario.impatient
	} else {
		if r.Action == Put {
			if err := e.audit(&after, Content{r.Repository, r.Tag, r.Digest}, i); err != nil && !e.wrong(&after, err) {
				return e.fail(err)
			}
		}
		if r.Action != List || response.Tags == nil {
			response = e.answer(&after.world, r)
		} else if e.scenario.page > 0 {
			after.view, _ = strconv.Atoi(response.Digest)
		}
	}
	e.steps++
	w.got = append(w.got[:len(w.got):len(w.got)], response)
	if len(w.got) == len(w.machine.asked) {
		m := *w.machine
		m.Took(w.got)
		w.machine, w.got = &m, nil
		if m.ended {
			if err := e.ended(&after, i); err != nil && !e.wrong(&after, err) {
				return e.fail(err)
			}
		}
	}
	w.key = machineKey(w.machine, w.got)
	return e.enter(fmt.Sprintf("%d: %s %s:%s%s %.13s over=%v", i, r.Action, r.Repository, r.Tag, r.From, r.Digest, response.Over), after)
}

func (e *explorer) enter(what string, s state) error {
	e.path = append(e.path, what)
	err := e.visit(s)
	e.path = e.path[:len(e.path)-1]
	return err
}

func (e *explorer) fail(err error) error {
	return fmt.Errorf("%w after %d steps:\n  %s", err, len(e.path), strings.Join(e.path, "\n  "))
}
