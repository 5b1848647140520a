package records

// machineKey is a hash of everything that a machine's further course depends on.
func machineKey(m *Machine, got []Response) uint64 {
	if m.ended {
		h := text(1, string(m.result.Outcome))
		if m.result.Record != nil {
			h = text(h, m.result.Record.Digest)
		}
		return h
	}
	h := mix(uint64(m.phase), m.number)
	h = text(h, m.digest)
	h = text(h, m.newest.Digest)
	h = mix(h, m.upper<<40|m.latest<<20|m.patient)
	h = mix(h, m.base)
	h = mix(h, uint64(m.round)<<20|uint64(len(m.checked))<<10|uint64(len(m.voided)))
	for i, flag := range []bool{m.side, m.exposed, m.own != nil, m.confirmed, m.undone != nil, m.marked, m.fresh, m.dirty, m.pending != nil} {
		if flag {
			h = mix(h, uint64(i+1))
		}
	}
	if m.mine != nil {
		h = text(h, m.mine.Digest)
		h = text(h, m.value)
	}
	if m.own != nil {
		h = text(h, m.own.Digest)
	}
	if m.pending != nil {
		h = text(h, string(m.pending.Outcome))
	}
	switch m.phase {
	case loading:
		h = text(h, m.above)
	case lookingAtRings, searching, guarding, moving:
		h = mix(h, m.walk)
		for _, tag := range m.rings {
			h = text(h, tag.Tag+tag.Digest)
		}
	case filling, doubting, askingDone:
		for _, tag := range m.taken {
			h = text(h, tag.Repository+tag.Digest)
		}
	case polling, looking, voting, lagging, deciding, backingOff, peeking:
		h = listKey(h, m.list)
	}
	for _, r := range m.asked {
		h = text(h, r.Tag+r.Digest+r.Page)
	}
	h = mix(h, uint64(len(m.batch)))
	for _, responses := range [][]Response{got, m.answered} {
		for _, r := range responses {
			h = text(h, r.Digest)
			h = mix(h, uint64(len(r.Tags)))
		}
	}
	return h
}

func listKey(h uint64, l listing) uint64 {
	h = text(h, string(l.own.Mark)+l.own.Value)
	var tags uint64
	for _, name := range l.tags {
		tags += mix(text(uint64(name.Round), string(name.Mark)), uint64(len(name.Value))) * text(3, name.Value)
	}
	h = mix(h, tags)
	return mix(h, uint64(l.pages)<<3|bit(l.shown)<<2|bit(l.first)<<1|bit(l.over))
}

func bit(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}
