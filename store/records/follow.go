package records

import (
	"errors"
	"fmt"
	"maps"
)

// followState is what the steps Complete and Follow find out.
type followState struct {
	patient uint64    // the record for which politeness is over
	fresh   bool      // the ring tags were looked at just before number was decided
	clear   bool      // no newer record was there before the first of them was written
	missing []Content // versions without a tag
	taken   []Found   // versions with other contents
	rings   []Found   // ring tags that have to move
	walk    uint64    // the oldest record whose tables were searched
}

// follow lets the tags follow the newest record, versions first: the step Follow
// for one's own, Complete for another writer's. Where its writer says that the
// versions are there, that is one request for all.
func (m *Machine) follow() {
	if m.latest != m.number && len(m.newest.Record.Versions()) > 1 {
		m.ask(skipping, head(Content{Repository: Repository, Tag: m.done(m.newest).String()}))
		return
	}
	m.lookAtVersions()
}

func (m *Machine) skipping(r []Response) {
	if r[0].Found {
		m.lookAtRings()
		return
	}
	m.lookAtVersions()
}

func (m *Machine) lookAtVersions() {
	var looks []Request
	for _, tag := range m.newest.Record.Versions() {
		looks = append(looks, head(tag))
	}
	if len(looks) == 0 {
		m.lookAtRings()
		return
	}
	m.ask(lookingAtVersions, looks...)
}

func (m *Machine) lookingAtVersions(r []Response) {
	m.missing, m.taken = nil, nil
	for i, tag := range m.newest.Record.Versions() {
		switch {
		case !r[i].Found:
			m.missing = append(m.missing, tag)
		case r[i].Digest != tag.Digest:
			m.taken = append(m.taken, Found{Content{tag.Repository, tag.Tag, r[i].Digest}, tag.Digest})
		}
	}
	switch {
	case len(m.missing)+len(m.taken) == 0:
		m.lookAtRings()
	case m.impolite():
		m.waitPolitely()
	case len(m.missing) > 0:
		var puts []Request
		for _, tag := range m.missing {
			puts = append(puts, put(tag))
		}
		m.ask(filling, puts...)
	default:
		m.takeBack()
	}
}

func (m *Machine) filling(r []Response) {
	for _, response := range r {
		if response.Refused { // somebody was faster, with other contents
			m.lookAtVersions()
			return
		}
	}
	m.missing = nil
	if len(m.taken) > 0 {
		m.takeBack()
		return
	}
	m.lookAtRings()
}

// takeBack is for a record some of whose versions are taken. By now all the
// others have their tags, so none of its versions can be assigned again. Its own
// writer, which has not succeeded, may take it back; others have to make sure.
func (m *Machine) takeBack() {
	if m.latest == m.number {
		m.void()
		return
	}
	m.ask(doubting, m.write(Name{Mark: Doubt, Sequence: m.number, Value: m.digest}, m.digest))
}

func (m *Machine) doubting([]Response) {
	m.ask(askingDone, head(Content{Repository: Repository, Tag: m.done(m.newest).String()}))
}

func (m *Machine) askingDone(r []Response) {
	if !r[0].Found {
		m.void()
		return
	}
	m.finish(Result{Outcome: Foreign, Tags: m.taken, Err: &TagError{m.taken, "put these tags back to what the log says"}}, true)
}

// void proposes to take the newest record back.
func (m *Machine) void() {
	record := m.newest.Record
	void := record.Following(OpVoid)
	void.Of = m.number
	for ring, place := range record.After {
		void.After[ring] = Place{Root: place.Root}
	}
	maps.Copy(void.After, record.Before)
	for _, tag := range m.taken {
		void.Taken = append(void.Taken, tag.Content)
	}
	m.propose(void, true)
}

// impolite reports whether another writer may be about to do what is to do.
func (m *Machine) impolite() bool { return m.latest != m.number && m.patient != m.number }

func (m *Machine) waitPolitely() {
	m.ask(waiting, Request{Action: Wait, Reason: Polite, Record: m.newest.Record})
}

func (m *Machine) waiting(r []Response) {
	if r[0].Over {
		m.patient = m.number
	}
	m.climb()
}

func (m *Machine) done(record Sealed) Name {
	return Name{Mark: Done, Sequence: record.Record.Sequence, Value: record.Digest}
}

// lookAtRings compares every ring tag with the table. A record
// that this writer has just decided, without a contest, moves those that it moves:
// they were looked at right before.
func (m *Machine) lookAtRings() {
	record := m.newest.Record
	// Between the last look and the first ring tag are only version tags.
	m.clear = m.fresh && len(record.Versions()) == 0
	if m.fresh {
		m.rings = nil
		for _, ring := range outermost(record.Moved(), m.options.Rings) {
			m.rings = append(m.rings, wanted(record.After, ring))
		}
		m.moveNext()
		return
	}
	var looks []Request
	for _, ring := range m.allRings() {
		looks = append(looks, head(TagOf(record.After, ring)))
	}
	if len(looks) == 0 {
		m.followed()
		return
	}
	m.ask(lookingAtRings, looks...)
}

func (m *Machine) allRings() []string {
	return outermost(sortedKeys(m.newest.Record.After), m.options.Rings)
}

// wanted is a ring tag whose contents are not known.
func wanted(table Table, ring string) Found {
	tag := TagOf(table, ring)
	return Found{Content{Repository: tag.Repository, Tag: ring}, tag.Digest}
}

func (m *Machine) lookingAtRings(r []Response) {
	m.rings = nil
	for i, ring := range m.allRings() {
		tag := wanted(m.newest.Record.After, ring)
		tag.Digest = r[i].Digest
		empty := (!r[i].Found || IsNothing(tag.Digest)) && IsNothing(tag.Wanted)
		if !empty && tag.Digest != tag.Wanted {
			m.rings = append(m.rings, tag)
		}
	}
	if len(m.rings) > 0 && m.impolite() {
		m.waitPolitely()
		return
	}
	if len(m.rings) > 0 && m.options.Strict && m.own == nil && m.latest != m.number {
		m.ask(askingStrictly, head(Content{Repository: Repository, Tag: m.done(m.newest).String()}))
		return
	}
	m.moveNext()
}

// askingStrictly takes whether it is sure that somebody has moved ring tags by hand.
func (m *Machine) askingStrictly(r []Response) {
	if !r[0].Found {
		m.moveNext()
		return
	}
	m.finish(Result{Outcome: Foreign, Tags: m.rings, Err: &TagError{m.rings, nextMoved}}, true)
}

const nextMoved = "somebody moved it by hand: run `quoit verify`, and put it back to what the log says"

// moveNext moves the next ring tag, if what it names is from the log.
func (m *Machine) moveNext() {
	if len(m.rings) == 0 {
		m.followed()
		return
	}
	m.walk = m.number
	m.search(m.newest.Record)
}

// search looks for a ring's contents in the tables of a record. Both count, so
// every second record is enough.
func (m *Machine) search(record Record) {
	tag := m.rings[0]
	switch {
	case m.fresh && m.clear:
		m.move()
	case m.options.Mend || tag.Digest == "" || IsNothing(tag.Digest) || record.placed(tag):
		m.ask(guarding, headRecord(m.number+1))
	case m.walk > 2:
		looks, most := []Request(nil), 1 // mostly the next one knows
		if m.walk < m.number {
			most = manyRecords
		}
		for ; len(looks) < most && m.walk > 2; m.walk -= 2 {
			looks = append(looks, getRecord(m.walk-2))
		}
		m.ask(searching, looks...)
	default:
		m.finish(Result{Outcome: Foreign, Tags: []Found{tag}, Err: &TagError{[]Found{tag}, nextMoved}}, true)
	}
}

// placed reports whether a table of the record has a ring's contents.
func (r Record) placed(tag Found) bool {
	for _, table := range []Table{r.After, r.Before} {
		if place, found := table[tag.Tag]; found && place.Digest == tag.Digest {
			return true
		}
	}
	return false
}

// manyRecords is how many are read at once to find what a ring was given.
const manyRecords = 16

// searching takes old records. Those that are gone say nothing; where all are gone that
// were asked for, so are mostly those before them.
func (m *Machine) searching(r []Response) {
	last, there := Record{}, false
	for i, response := range r {
		if !response.Found {
			continue
		}
		name, _ := ParseName(m.asked[i].Tag)
		if !m.readable(name.Sequence, response) {
			return
		}
		if last, there = *response.Record, true; last.placed(m.rings[0]) {
			break
		}
	}
	if !there && len(r) > 1 {
		m.walk = 0
	}
	m.search(last)
}

func (m *Machine) guarding(r []Response) {
	if r[0].Found {
		m.climbing(r)
		return
	}
	m.clear = true
	m.move()
}

func (m *Machine) move() {
	tag := m.rings[0]
	move := put(Content{tag.Repository, tag.Tag, tag.Wanted})
	move.Register = true
	if empty := Nothing(); tag.Wanted == empty.Digest {
		move.Sealed = &empty
	}
	m.ask(moving, move)
}

// errRing says what a registry has to allow.
var errRing = errors.New("the registry does not let ring tags move: exempt them from its immutable tags")

func (m *Machine) moving(r []Response) {
	m.dirty, m.fresh = true, m.fresh && !r[0].Lost
	switch {
	case r[0].Refused:
		m.Stop(fmt.Errorf("writing %s:%s: %w", m.rings[0].Repository, m.rings[0].Tag, errRing))
	case r[0].Lost: // it may have moved, or others may have moved it since
		m.lookAtRings()
	default:
		m.rings = m.rings[1:]
		m.moveNext()
	}
}
