package records

// closing goes on when every tag follows the newest record: PROTOCOL's step 2 if
// the operation is in the log, else step 3.
func (m *Machine) closing() {
	switch {
	case m.own != nil && !m.marked && m.undone == nil:
		m.ask(marking, m.write(m.done(*m.own), m.own.Digest))
	case m.own != nil:
		m.closeUp(nil)
	case m.options.Operation == nil:
		m.finish(Result{Outcome: Settled}, false)
	default:
		m.check()
	}
}

// closeUp makes the closing check for the operation that is in the log.
func (m *Machine) closeUp([]Response) {
	m.marked = m.marked || m.undone == nil
	looks := []Request{}
	if m.doubtful() {
		doubt := Name{Mark: Doubt, Sequence: m.number, Value: m.own.Digest}
		looks = append(looks, head(Content{Repository: Repository, Tag: doubt.String()}))
	}
	m.lookAgain(looks...)
}

// lookAgain is the closing check: there is no newer record.
func (m *Machine) lookAgain(more ...Request) {
	m.ask(closing, append([]Request{headRecord(m.number + 1)}, more...)...)
}

// doubtful reports whether the operation's record could still be taken back.
func (m *Machine) doubtful() bool {
	return m.own != nil && m.own.Record.Sequence == m.number && len(m.own.Record.Versions()) > 0
}

func (m *Machine) closed(r []Response) {
	switch pending := m.pending; {
	case r[0].Found:
		m.climb(r)
	case pending != nil:
		m.end(*pending)
	case len(r) > 1 && r[1].Found:
		keep := m.newest.Record.Following(Keep)
		keep.Of = m.number
		m.propose(keep, true)
	default:
		m.dirty = false
		m.ask(hinting, m.write(Name{Mark: Hint}, m.digest))
	}
}

// succeedOrNot ends well, whatever became of the hint: an old one is right too.
func (m *Machine) succeedOrNot([]Response) {
	if m.undone == nil {
		m.end(Result{Outcome: Success})
		return
	}
	var tags []Found
	for _, tag := range m.undone.Taken {
		tags = append(tags, Found{tag, m.own.Record.Images[tag.Repository].Digest})
	}
	m.foreign("the publish was taken back: run the build again, it takes the next free versions", tags...)
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
