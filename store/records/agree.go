package records

import (
	"errors"
	"slices"
	"strings"
)

// agreeState is what the step Agree knows.
type agreeState struct {
	mine    *Sealed // proposed as the record after number
	side    bool    // mine is a void or a keep, not the operation
	exposed bool
	value   string // what this writer is for
	round   int
	list    listing
	latest  uint64 // the last record that this machine made
}

// listing is what was seen of the tags of a round after one's own tag was written.
// Tags only come, so what one listing showed stays true in the next.
type listing struct {
	own   Name // the tag that has to be in it
	tags  []Name
	pages int
	lags  int  // listings that did not show the own tag
	shown bool // a listing of several pages did, so the next one is good
	first bool // the own try is the smallest of the round
	over  bool // enough of backing off

	later uint64 // a record after the slot that is decided
}

// maxRound is when it is better to tell that there is no end to it.
const maxRound = 99

var errBusy = errors.New("too many others write to the log at the same time")

func (m *Machine) slot() uint64 { return m.number + 1 }

// try begins a round of the step Agree.
func (m *Machine) try() {
	if m.round > maxRound {
		m.Stop(errBusy)
		return
	}
	m.list = listing{}
	m.ask(trying, m.write(m.tag(Try), m.value))
}

func (m *Machine) tag(mark Mark) Name {
	return Name{Mark: mark, Sequence: m.slot(), Round: m.round, Value: m.value}
}

func (m *Machine) trying([]Response) {
	m.list = listing{own: m.tag(Try)}
	m.poll()
}

func (m *Machine) voting([]Response) {
	m.list = listing{own: m.list.own, first: m.list.first}
	m.poll()
}

func (m *Machine) lagging([]Response) { m.poll() }

// poll asks for the first page of a listing.
func (m *Machine) poll() {
	m.list.pages = 0
	request := Request{Action: List, Repository: Repository, From: from(m.slot(), m.round)}
	if m.list.lags%4 == 3 {
		request.From = "" // a registry may not understand a tag that is not there
	}
	m.ask(polling, request)
}

// polling takes a page of the listing, until it is complete and shows the own tag.
// The pages are asked for one after the other, so a registry whose listings lag
// could show the own tag on one and lack older tags on another: those of the next
// listing, whose views are later, cannot.
func (m *Machine) polling(r []Response) {
	tags := slices.Clone(m.list.tags)
	for _, tag := range r[0].Tags {
		name, ok := ParseName(tag)
		switch {
		case ok && name.Sequence == m.slot() && name.Round == m.round && !slices.Contains(tags, name):
			tags = append(tags, name)
		case ok && name.Mark == Decided && name.Sequence > m.slot():
			m.list.later = max(m.list.later, name.Sequence)
		}
	}
	m.list.tags = tags
	m.list.pages++
	switch {
	case r[0].Next != "":
		m.ask(polling, Request{Action: List, Repository: Repository, Page: r[0].Next})
	case !slices.Contains(tags, m.list.own):
		m.list.lags++
		m.ask(lagging, Request{Action: Wait, Reason: Listing, Repository: Repository, Tag: m.list.own.String(), Round: m.list.lags})
	case m.list.pages > 1 && !m.list.shown:
		m.list.shown = true
		m.poll()
	default:
		m.listed()
	}
}

// listed goes on with a complete listing.
func (m *Machine) listed() {
	if m.list.own.Mark == Try {
		m.ask(looking, headRecord(m.slot()))
		return
	}
	m.count()
}

// looking goes on to vote: yes for the only try of the round.
func (m *Machine) looking(r []Response) {
	switch {
	case r[0].Found:
		m.climbing(r)
		return
	case m.list.later > 0: // the registry has lost what was between
		m.forked("record %d is there, and record %d is gone", m.list.later, m.slot())
		return
	}
	mark := Yes
	if len(m.values(Try)) > 1 {
		mark = No
	}
	m.list.own = m.tag(mark)
	m.list.first = m.values(Try)[0] == m.value
	m.ask(voting, m.write(m.list.own, m.value))
}

// values are what the tags of the round with a mark are for, sorted.
func (m *Machine) values(mark Mark) []string {
	var values []string
	for _, name := range m.list.tags {
		if name.Mark == mark {
			values = append(values, name.Value)
		}
	}
	slices.Sort(values)
	return values
}

// count takes the votes of the round: a yes and no no decides, a yes is carried on.
func (m *Machine) count() {
	yes := m.values(Yes)
	switch {
	case len(yes) > 1:
		m.forked("in round %d for record %d there are votes for %s: the registry lists tags out of order", m.round, m.slot(), strings.Join(yes, " and "))
		return
	case len(yes) == 1 && len(m.values(No)) == 0:
		m.value = yes[0]
		m.ask(deciding, m.write(Name{Sequence: m.slot()}, m.value))
		return
	case len(yes) == 1:
		m.value = yes[0]
	}
	if m.list.first {
		m.nextRound()
		return
	}
	m.backOff()
}

func (m *Machine) nextRound() {
	m.round++
	m.try()
}

func (m *Machine) backOff() {
	m.ask(backingOff, Request{Action: Wait, Reason: Backoff, Round: m.round})
}

func (m *Machine) backingOff(r []Response) {
	m.list.over = r[0].Over
	m.ask(peeking, headRecord(m.slot()))
}

func (m *Machine) peeking(r []Response) {
	switch {
	case r[0].Found:
		m.climbing(r)
	case m.list.over:
		m.nextRound()
	default:
		m.backOff()
	}
}

// deciding goes on with the record that this writer has written.
func (m *Machine) deciding([]Response) {
	mine, fresh := m.mine, m.round == 1 && !m.side // before a void nobody has looked at the rings
	m.reached(m.slot(), m.value)
	if mine.Digest != m.digest {
		m.ask(loading, getRecord(m.number))
		return
	}
	m.newest, m.fresh = *mine, fresh
	m.arrived()
}
