package records

import (
	"fmt"
	"slices"
)

// audit looks at a Put before it is carried out.
func (e *explorer) audit(s *state, tag Content, by int) error {
	old := e.look(s.world, tag.Repository, tag.Tag)
	if tag.Repository != Repository {
		return e.auditImage(s, tag, old)
	}
	name, ok := ParseName(tag.Tag)
	switch {
	case !ok || name.Mark == Hint:
		return nil
	case old != "" && old != tag.Digest:
		return fmt.Errorf("%s was overwritten", tag.Tag)
	case name.Mark != Decided || old != "":
		return nil
	}
	return e.auditRecord(s, name.Sequence, *e.store[tag.Digest])
}

// auditRecord: the chain is whole, tables follow, no operation is in it twice,
// and no success is taken back.
func (e *explorer) auditRecord(s *state, sequence uint64, sealed Sealed) error {
	record := sealed.Record
	newest, count := e.newest(s.world)
	switch {
	case record.Sequence != sequence || sequence != uint64(count)+1:
		return fmt.Errorf("record %d is written as %d after %d", record.Sequence, sequence, count)
	case record.Parent != newest.Digest:
		return fmt.Errorf("record %d has another parent", sequence)
	}
	for ring, place := range newest.Record.After {
		if record.Before[ring] != place {
			return fmt.Errorf("record %d does not follow the table before", sequence)
		}
	}
	for earlier := uint64(1); earlier < sequence; earlier++ {
		before := e.store[e.look(s.world, Repository, Name{Sequence: earlier}.String())].Record
		if before.ID == record.ID && !side(before) && !side(record) {
			return fmt.Errorf("one operation is in the log as %d and %d", earlier, sequence)
		}
		for name, image := range before.Images {
			if now, found := record.Images[name]; found && now.Version == image.Version && now.Digest != image.Digest {
				return fmt.Errorf("record %d assigns %s %s again", sequence, name, image.Version)
			}
		}
	}
	for i, w := range s.writers {
		own := w.machine.result.Record
		switch {
		case !w.machine.ended:
		case w.machine.result.Outcome == Success && record.Operation == OpVoid && own.Record.Sequence == record.Of:
			return fmt.Errorf("the success of writer %d is taken back by record %d", i, sequence)
		case w.machine.result.Outcome == Refused && record.ID == w.machine.options.Signature.ID && !side(record):
			return fmt.Errorf("writer %d was refused and is in the log as %d", i, sequence)
		}
	}
	return nil
}

func side(r Record) bool { return r.Operation == OpVoid || r.Operation == OpKeep }

// auditImage: a version is only written as a record says, and only once with
// contents of ours. A ring only gets what a record says.
func (e *explorer) auditImage(s *state, tag Content, old string) error {
	_, count := e.newest(s.world)
	for sequence := 1; sequence <= count; sequence++ {
		record := e.store[e.look(s.world, Repository, Name{Sequence: uint64(sequence)}.String())].Record
		for _, assigned := range record.Versions() {
			if assigned == tag {
				if old != "" && old != tag.Digest && !e.isForeign(Content{tag.Repository, tag.Tag, old}) {
					return fmt.Errorf("version %s:%s gets a second content", tag.Repository, tag.Tag)
				}
				return nil
			}
		}
		if _, found := record.After[tag.Tag]; found && TagOf(record.After, tag.Tag) == tag {
			return nil
		}
	}
	return fmt.Errorf("%s:%s=%.13s is in no record", tag.Repository, tag.Tag, tag.Digest)
}

func (e *explorer) isForeign(tag Content) bool { return slices.Contains(e.scenario.foreign, tag) }

// ended looks at what a writer reports.
func (e *explorer) ended(s *state, i int) error {
	m := s.writers[i].machine
	e.ends[string(m.result.Outcome)]++
	own := 0
	_, count := e.newest(s.world)
	for sequence := 1; sequence <= count; sequence++ {
		record := e.store[e.look(s.world, Repository, Name{Sequence: uint64(sequence)}.String())].Record
		if record.ID == m.options.Signature.ID && !side(record) {
			own = sequence
		}
	}
	switch m.result.Outcome {
	case Success:
		if own == 0 || m.result.Record == nil || m.result.Record.Record.Sequence != uint64(own) {
			return fmt.Errorf("writer %d reports success, and is in the log as %d", i, own)
		}
		next := e.store[e.look(s.world, Repository, Name{Sequence: uint64(own + 1)}.String())]
		if next != nil && next.Record.Operation == OpVoid {
			return fmt.Errorf("writer %d reports success, and was taken back", i)
		}
	case Refused:
		if own != 0 {
			return fmt.Errorf("writer %d reports %q, and is in the log as %d", i, m.result.Err, own)
		}
	case Foreign:
		if len(e.scenario.foreign) == 0 && !e.scenario.unordered {
			return fmt.Errorf("writer %d: %v", i, m.result.Err)
		}
	case Settled:
	case Forked:
		if !e.scenario.unordered {
			return fmt.Errorf("writer %d: %v", i, m.result.Err)
		}
	default:
		return fmt.Errorf("writer %d ends as %s: %v", i, m.result.Outcome, m.result.Err)
	}
	return nil
}

// rest looks at a world in which nobody does anything any more, and at what the
// next command makes of it.
func (e *explorer) rest(s state) error {
	if e.scenario.unordered {
		return e.reported(s)
	}
	crashed := s.crashes < e.scenario.crashes
	if !crashed && s.pushed == 0 {
		if err := e.agree(s.world, s); err != nil {
			return e.fail(fmt.Errorf("nobody crashed, and %w", err))
		}
	}
	next := e.machine(99, nil)
	w := s.world
	requests, _, err := alone(e.numbers, &w, next, nil, 100)
	e.most = max(e.most, requests)
	switch {
	case err != nil:
		return e.fail(err)
	case next.result.Outcome == Foreign && s.pushed != 0:
		return nil
	case next.result.Outcome != Settled:
		return e.fail(fmt.Errorf("the next command ends as %s: %v", next.result.Outcome, next.result.Err))
	}
	if err := e.agree(w, s); err != nil {
		return e.fail(fmt.Errorf("after the next command, %w", err))
	}
	return nil
}

// agree: the tags of the newest record are as it says.
func (e *explorer) agree(w world, s state) error {
	newest, _ := e.newest(w)
	for _, tag := range newest.Record.Versions() {
		if got := e.look(w, tag.Repository, tag.Tag); got != tag.Digest {
			return fmt.Errorf("version %s:%s is %.13q", tag.Repository, tag.Tag, got)
		}
	}
	for ring := range newest.Record.After {
		tag := TagOf(newest.Record.After, ring)
		got := e.look(w, tag.Repository, tag.Tag)
		if got != tag.Digest && (got != "" || tag.Digest != Nothing().Digest) {
			return fmt.Errorf("ring %s is %.13q, record %d says %.13q", ring, got, newest.Record.Sequence, tag.Digest)
		}
	}
	return nil
}

// inTurn lets the writers come to their end one after the other.
func (e *explorer) inTurn(s state) error {
	s = s.clone()
	for i, w := range s.writers {
		if !w.live() {
			continue
		}
		m := *w.machine
		requests, fresh, err := alone(e.numbers, &s.world, &m, w.got, 150)
		if err != nil {
			return e.fail(fmt.Errorf("in turn, writer %d: %w", i, err))
		}
		e.most, e.fresh = max(e.most, requests), max(e.fresh, fresh)
		s.writers[i].machine = &m
		if err := e.ended(&s, i); err != nil {
			return e.fail(fmt.Errorf("in turn, %w", err))
		}
	}
	return e.rest(s)
}

// leaveAlone: no writer waits for another one for ever.
func (e *explorer) leaveAlone(s state) error {
	for i, w := range s.writers {
		if !w.live() {
			continue
		}
		m, world := *w.machine, s.world
		requests, fresh, err := alone(e.numbers, &world, &m, w.got, 150)
		if err != nil {
			return e.fail(fmt.Errorf("writer %d: %w", i, err))
		}
		e.most, e.fresh = max(e.most, requests), max(e.fresh, fresh)
		after := s.clone()
		after.world, after.writers[i].machine = world, &m
		if err := e.ended(&after, i); err != nil {
			return e.fail(fmt.Errorf("left alone, %w", err))
		}
	}
	return nil
}

// reported: a registry whose listings are out of order can lose a success, but
// not without a trace.
func (e *explorer) reported(s state) error {
	lost := s.wrong
	for i, w := range s.writers {
		if own := w.machine.result.Record; w.machine.result.Outcome == Success && e.look(s.world, Repository, Name{Sequence: own.Record.Sequence}.String()) != own.Digest {
			lost = fmt.Errorf("the success of writer %d is lost", i)
		}
	}
	if lost == nil {
		return nil
	}
	e.ends["wrong"]++
	for _, w := range s.writers {
		if o := w.machine.result.Outcome; o == Forked || o == Foreign {
			return nil
		}
	}
	if e.scenario.blind {
		return e.fail(fmt.Errorf("not reported: %w", lost))
	}
	for _, finding := range Verify(e.wholeLog(s.world)) {
		if finding.Fault != Unfinished {
			return nil
		}
	}
	return e.fail(fmt.Errorf("not reported: %w", lost))
}

// wholeLog is everything that is to see in a world.
func (n *numbers) wholeLog(w world) Snapshot {
	log := Snapshot{Tags: map[string]string{}, Records: map[string]Record{}, Images: map[Content]string{}}
	for _, tag := range w.log {
		digest := n.what[w.get(tag)].Digest
		if digest == "" {
			continue
		}
		log.Tags[n.what[tag].Tag] = digest
		if sealed := n.store[digest]; sealed != nil {
			log.Records[digest] = sealed.Record
		}
	}
	for tag, what := range n.what {
		if what.Tag != "" && what.Repository != Repository {
			log.Images[what] = n.what[w.get(uint16(tag))].Digest
		}
	}
	return log
}
