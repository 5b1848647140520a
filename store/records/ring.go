package records

import (
	"errors"
	"fmt"
)

// lookAtRings compares every ring tag with the table, PROTOCOL's step 1. A record
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
		m.closing()
		return
	}
	m.ask(rings, looks...)
}

func (m *Machine) allRings() []string {
	return outermost(sortedKeys(m.newest.Record.After), m.options.Rings)
}

// wanted is a ring tag whose contents are not known.
func wanted(table Table, ring string) Found {
	tag := TagOf(table, ring)
	return Found{Content{Repository: tag.Repository, Tag: ring}, tag.Digest}
}

func (m *Machine) rang(r []Response) {
	m.rings = nil
	for i, ring := range m.allRings() {
		tag := wanted(m.newest.Record.After, ring)
		tag.Digest = r[i].Digest
		empty := !r[i].Found && tag.Wanted == Nothing().Digest
		if !empty && tag.Digest != tag.Wanted {
			m.rings = append(m.rings, tag)
		}
	}
	if len(m.rings) > 0 && m.impolite() {
		m.waitPolitely()
		return
	}
	m.moveNext()
}

// moveNext moves the next ring tag, if what it holds is from the log.
func (m *Machine) moveNext() {
	if len(m.rings) == 0 {
		m.closing()
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
	case tag.Digest == "" || tag.Digest == Nothing().Digest || record.placed(tag):
		m.ask(guarding, headRecord(m.number+1))
	case m.walk > 2:
		looks, most := []Request(nil), 1 // mostly the next one knows
		if m.walk < m.number {
			most = manyRecords
		}
		for ; len(looks) < most && m.walk > 2; m.walk -= 2 {
			looks = append(looks, getRecord(m.walk-2))
		}
		m.ask(older, looks...)
	default:
		m.finish(Result{Outcome: Foreign, Tags: []Found{tag}, Err: &TagError{[]Found{tag}, "somebody moved it by hand: run `quoit verify`, and put it back to what the log says"}}, true)
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

func (m *Machine) older(r []Response) {
	last := Record{}
	for i, response := range r {
		name, _ := ParseName(m.asked[i].Tag)
		if !m.readable(name.Sequence, response) {
			return
		}
		if last = *response.Record; last.placed(m.rings[0]) {
			break
		}
	}
	m.search(last)
}

func (m *Machine) guarded(r []Response) {
	if r[0].Found {
		m.climb(r)
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

func (m *Machine) moved(r []Response) {
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
