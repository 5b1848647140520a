package store_test

import (
	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/versioning"
)

// ledger is a log as it is in the registry.
type ledger struct {
	*server
	all     map[string]map[string]string // image → tag → digest
	records []records.Record
	digests []string
	void    map[uint64]bool
}

func readLedger(s *server) *ledger {
	s.T.Helper()
	l := &ledger{server: s, all: s.EveryTag(), void: map[uint64]bool{}}
	for sequence := uint64(1); ; sequence++ {
		tag := records.Name{Sequence: sequence}.String()
		digest, found := l.all[records.Repository][tag]
		if !found {
			return l
		}
		record := s.Record(tag)
		l.records, l.digests = append(l.records, record), append(l.digests, digest)
		if record.Operation == records.OpVoid {
			l.void[record.Of] = true
		}
	}
}

// whole checks that there is one record for each number, and that they are a chain.
func (l *ledger) whole() {
	l.T.Helper()
	decided := 0
	for tag := range l.all[records.Repository] {
		if name, ok := records.ParseName(tag); ok && name.Mark == records.Decided {
			decided++
		}
	}
	if decided != len(l.records) {
		l.T.Errorf("%d records, and record %d is not there", decided, len(l.records)+1)
	}
	parent := ""
	for i, record := range l.records {
		if record.Sequence != uint64(i+1) || record.Parent != parent {
			l.T.Errorf("record %d says that it is record %d after %s, which is %s", i+1, record.Sequence, record.Parent, parent)
		}
		parent = l.digests[i]
	}
}

// tags checks that versions have one content for ever, and rings what the newest
// record says.
func (l *ledger) tags() {
	l.T.Helper()
	assigned := map[records.Content]uint64{}
	for _, record := range l.records {
		for _, version := range record.Versions() {
			key := records.Content{Repository: version.Repository, Tag: version.Tag}
			if got := l.all[version.Repository][version.Tag]; !l.void[record.Sequence] && got != version.Digest {
				l.T.Errorf("%s:%s is %s, record %d says %s", version.Repository, version.Tag, got, record.Sequence, version.Digest)
			}
			if before := assigned[key]; before > 0 && !l.void[before] && !l.void[record.Sequence] {
				l.T.Errorf("%s:%s is in records %d and %d", version.Repository, version.Tag, before, record.Sequence)
			}
			assigned[key] = record.Sequence
		}
	}
	after := l.records[len(l.records)-1].After
	for tag, digest := range l.all["deploy"] {
		if _, err := versioning.Parse(tag); err != nil && records.TagOf(after, tag).Digest != digest {
			l.T.Errorf("ring %s is %s, the log says %s", tag, digest, after[tag].Digest)
		}
	}
	for ring := range after {
		if got, want := l.all["deploy"][ring], records.TagOf(after, ring).Digest; got != want && (got != "" || want != records.Nothing().Digest) {
			l.T.Errorf("ring %s is %s, the log says %s", ring, got, want)
		}
	}
}

// rounds is the highest round of a vote.
func (l *ledger) rounds() int {
	most := 0
	for tag := range l.all[records.Repository] {
		if name, ok := records.ParseName(tag); ok {
			most = max(most, name.Round)
		}
	}
	return most
}
