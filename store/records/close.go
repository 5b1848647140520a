package records

// closeState is what the step Close has to tell.
type closeState struct {
	own       *Sealed // the operation's record, once decided
	confirmed bool    // the record after own is there and is no void
	undone    *Record // it is one
	marked    bool    // own has its done tag
	settled   uint64  // the record that got its done tag by a machine without an operation
	voided    []uint64
	dirty     bool    // a ring tag was written after the last look for a newer record
	pending   *Result // to end with after that look
}

// followed goes on when every tag follows the newest record: with the step Close
// if the operation is in the log, else with Check.
func (m *Machine) followed() {
	switch {
	case m.own != nil && !m.marked && m.undone == nil:
		m.ask(marking, m.write(m.done(*m.own), m.own.Digest))
	case m.own != nil:
		m.closeUp()
	case m.options.Operation == nil && m.newest.Digest == "":
		m.end(Result{Outcome: Settled})
	case m.options.Operation == nil && m.settled == m.number:
		m.lookAgain()
	case m.options.Operation == nil: // so that who only reads knows it too
		m.settled = m.number
		m.ask(settling, m.write(m.done(m.newest), m.digest))
	default:
		m.check()
	}
}

func (m *Machine) marking([]Response) { m.closeUp() }

func (m *Machine) settling([]Response) { m.lookAgain() }

// closeUp looks again for the operation that is in the log.
func (m *Machine) closeUp() {
	m.marked = m.marked || m.undone == nil
	looks := []Request{}
	if m.doubtful() {
		doubt := Name{Mark: Doubt, Sequence: m.number, Value: m.own.Digest}
		looks = append(looks, head(Content{Repository: Repository, Tag: doubt.String()}))
	}
	m.lookAgain(looks...)
}

// lookAgain makes sure that there is no newer record.
func (m *Machine) lookAgain(more ...Request) {
	m.ask(lookingAgain, append([]Request{headRecord(m.number + 1)}, more...)...)
}

// doubtful reports whether the operation's record could still be taken back.
func (m *Machine) doubtful() bool {
	return m.own != nil && m.own.Record.Sequence == m.number && len(m.own.Record.Versions()) > 0
}

func (m *Machine) lookingAgain(r []Response) {
	switch pending := m.pending; {
	case r[0].Found:
		m.climbing(r)
	case pending != nil:
		m.end(*pending)
	case len(r) > 1 && r[1].Found:
		keep := m.newest.Record.Following(OpKeep)
		keep.Of = m.number
		m.propose(keep, true)
	default:
		m.dirty = false
		m.ask(hinting, m.write(Name{Mark: Hint}, m.digest))
	}
}

// hinting goes on whatever became of the hint: an old one is right too.
func (m *Machine) hinting([]Response) { m.succeed() }

// succeed ends well, unless the operation's record was taken back.
func (m *Machine) succeed() {
	switch {
	case m.options.Operation == nil:
		m.end(Result{Outcome: Settled})
		return
	case m.undone == nil:
		m.end(Result{Outcome: Success})
		return
	}
	var tags []Found
	for _, tag := range m.undone.Taken {
		tags = append(tags, Found{tag, m.own.Record.Images[tag.Repository].Digest})
	}
	m.foreign("the publish was taken back: run the build again, and it takes the next free versions", tags...)
}

// finish ends with a result that is only right if the newest record still is, so
// it looks once more if a ring tag was written, or if told to.
func (m *Machine) finish(result Result, look bool) {
	if !look && !m.dirty {
		m.end(result)
		return
	}
	m.pending = &result
	m.lookAgain()
}
