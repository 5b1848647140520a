package records

import (
	"errors"
	"fmt"
)

// readState is what the step Read finds out.
type readState struct {
	reads  bool   // the machine writes nothing, and believes the hint
	number uint64 // of the newest record seen; 0 for none
	digest string // its digest, "" if not known yet
	above  string // digest of the record before it, if seen on the way
	newest Sealed // the newest record read, number's own after [Machine.arrived]
	base   uint64 // the record after which the search for newer ones began
	upper  uint64 // a record that is looked for, or is not there
}

// readHint begins the step Read: find the newest record, first by the hint.
func (m *Machine) readHint() {
	m.ask(readingHint, Request{Action: Get, Repository: Repository, Tag: string(Hint)})
}

// readingHint takes the hint. If it is of no use, all tags are listed: there is no other
// record that has to be there, as old ones may be gone.
func (m *Machine) readingHint(r []Response) {
	if !r[0].Found || r[0].Record == nil {
		m.ask(finding, Request{Action: List, Repository: Repository})
		return
	}
	m.number, m.digest = r[0].Record.Sequence, r[0].Digest
	m.newest = Sealed{Record: *r[0].Record, Digest: r[0].Digest}
	if m.reads {
		m.climb()
		return
	}
	m.ask(trustingHint, headRecord(m.number), headRecord(m.number+1))
}

// finding takes a page of the tags. What the listing does not show yet is found by the
// numbers after those that it shows.
func (m *Machine) finding(r []Response) {
	for _, tag := range r[0].Tags {
		if name, ok := ParseName(tag); ok && name.Mark == Decided {
			m.number = max(m.number, name.Sequence)
		}
	}
	if r[0].Next != "" {
		m.ask(finding, Request{Action: List, Repository: Repository, Page: r[0].Next})
		return
	}
	m.climb()
}

// trustingHint takes whether the hint is a decided record.
func (m *Machine) trustingHint(r []Response) {
	switch {
	case r[0].Digest != m.digest:
		m.forked("the tag %s is %s, which says that it is record %d; that is %s", Hint, m.digest, m.number, orNothing(r[0].Digest))
	default:
		m.climbing(r[1:])
	}
}

// climb looks for records after the newest one that was seen: the next one, and if
// that is there, those 2, 4, 8 … after, and then between.
func (m *Machine) climb() { m.ask(climbing, headRecord(m.number+1)) }

func (m *Machine) climbing(r []Response) {
	m.base, m.upper = m.number, m.number+1
	m.leaping(r)
}

func (m *Machine) leaping(r []Response) {
	if !r[0].Found {
		m.between()
		return
	}
	if m.upper > maxSequence {
		m.Stop(fmt.Errorf("the registry says that record %d is there, more than a log can have: it does not answer as a registry does", m.upper))
		return
	}
	m.reached(m.upper, r[0].Digest)
	m.upper = min(m.base+2*(m.number-m.base), maxSequence+1)
	m.ask(leaping, headRecord(m.upper))
}

func (m *Machine) halving(r []Response) {
	middle := m.number + (m.upper-m.number)/2
	if r[0].Found {
		m.reached(middle, r[0].Digest)
	} else {
		m.upper = middle
	}
	m.between()
}

func (m *Machine) between() {
	switch {
	case m.upper > m.number+1:
		m.ask(halving, headRecord(m.number+(m.upper-m.number)/2))
	case m.number == m.newest.Record.Sequence:
		m.arrived()
	default:
		m.ask(loading, getRecord(m.number))
	}
}

// reached notes a decided record. If this was the slot of mine, that is over: the slot
// is always the first that is looked at, before any is passed over.
func (m *Machine) reached(sequence uint64, digest string) {
	m.above = ""
	if sequence == m.number+1 {
		m.above = m.digest
	}
	m.number, m.digest, m.fresh = sequence, digest, false
	m.pending = nil
	if m.mine == nil {
		return
	}
	if !m.side && m.mine.Digest != digest {
		m.exposed = false // the slot is another's for ever
	}
	if m.mine.Digest == digest {
		m.latest = sequence
		switch {
		case !m.side:
			m.own = m.mine
		case m.mine.Record.Operation == OpVoid:
			m.voided = append(m.voided[:len(m.voided):len(m.voided)], m.mine.Record.Of)
		}
	}
	m.mine = nil
}

// loading takes the newest record, which has to continue the chain.
func (m *Machine) loading(r []Response) {
	if !r[0].Found { // a HEAD has found it
		m.Stop(fmt.Errorf("the registry says that record %d is there, and does not have it: run the command again later, and if that stays so, `quoit verify`", m.number))
		return
	}
	if !m.readable(m.number, r[0]) {
		return
	}
	record := *r[0].Record
	switch {
	case m.digest != "" && r[0].Digest != m.digest:
		m.forked("record %d was %s and is %s", m.number, m.digest, r[0].Digest)
	case m.above != "" && record.Parent != m.above:
		m.forked("record %d is %s, whose parent is %s, and record %d is %s", m.number, r[0].Digest, record.Parent, m.number-1, m.above)
	default:
		m.digest, m.newest = r[0].Digest, Sealed{Record: record, Digest: r[0].Digest}
		m.arrived()
	}
}

// readable reports whether a record that has to be there is; if not, it ends.
func (m *Machine) readable(sequence uint64, r Response) bool {
	newer := new(SchemaError)
	switch {
	case !r.Found:
		m.forked("record %d was there and is gone", sequence)
	case r.Record == nil && errors.As(r.Err, &newer):
		m.Stop(newer)
	case r.Record == nil:
		m.forked("record %d cannot be read: %v", sequence, r.Err)
	case r.Record.Sequence != sequence:
		m.forked("record %d says that it is record %d", sequence, r.Record.Sequence)
	default:
		return true
	}
	return false
}

// arrived goes on with the newest record read. If the operation is in the log
// below it, whether it stays is up to the record after the operation's.
func (m *Machine) arrived() {
	if m.own == nil || m.confirmed || m.undone != nil || m.own.Record.Sequence >= m.number {
		m.follow()
		return
	}
	next := m.own.Record.Sequence + 1
	if next == m.number {
		m.judge(m.newest.Record)
		return
	}
	m.ask(judging, getRecord(next))
}

func (m *Machine) judging(r []Response) {
	if m.readable(m.own.Record.Sequence+1, r[0]) {
		m.judge(*r[0].Record)
	}
}

func (m *Machine) judge(next Record) {
	if next.Operation == OpVoid {
		m.undone = &next
	} else {
		m.confirmed = true
	}
	m.follow()
}
