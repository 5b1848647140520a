package records

import "maps"

// roll rolls the newest record forward, PROTOCOL's step 1: version tags first.
// Where its writer says that they are there, that is one request for all.
func (m *Machine) roll() {
	if m.latest != m.number && len(m.newest.Record.Versions()) > 1 {
		m.ask(followed, head(Content{Repository: Repository, Tag: m.done(m.newest).String()}))
		return
	}
	m.lookAtVersions()
}

func (m *Machine) follows(r []Response) {
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
	m.ask(versions, looks...)
}

func (m *Machine) versions(r []Response) {
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

func (m *Machine) filled(r []Response) {
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

func (m *Machine) doubted([]Response) {
	m.ask(asking, head(Content{Repository: Repository, Tag: m.done(m.newest).String()}))
}

func (m *Machine) asksDone(r []Response) {
	if !r[0].Found {
		m.void()
		return
	}
	m.finish(Result{Outcome: Foreign, Tags: m.taken, Err: &TagError{m.taken, "put these tags back to what the log says"}}, true)
}

// void proposes to take the newest record back.
func (m *Machine) void() {
	record := m.newest.Record
	void := record.Following(Void)
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

func (m *Machine) waited(r []Response) {
	if r[0].Over {
		m.patient = m.number
	}
	m.look()
}

func (m *Machine) done(record Sealed) Name {
	return Name{Mark: Done, Sequence: record.Record.Sequence, Value: record.Digest}
}
