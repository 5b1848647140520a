package records

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Snapshot is all of a log, as it was found in a registry.
type Snapshot struct {
	// Tags are all tags of the log's repository, and the digest that each names.
	Tags map[string]string
	// Records are the manifests that the tags of decided records and the hint name, and
	// those that [Snapshot.Chain] lacks, by digest, as far as [Open] could read them;
	// Errors says why it could not.
	Records map[string]Record
	Errors  map[string]error
	// Images is what version and ring tags name: the Content as [Record.Versions]
	// and [Table.Tag] give it, without digest; "" for an absent tag. Tags that are
	// no key were not looked at, and nothing is said of them.
	Images map[Content]string
	// Mirror says that this is a mirror's: it has no hint, and the newest record may have no
	// tag but that of a ring which was copied by it.
	Mirror bool
	// Lost are those versions, with their digests, that are not in the registry either.
	Lost map[Content]bool
}

// Chain are the digests of records by their numbers, as far as the newest one and those
// before it say: each names the one before it, and others. Lacks is a record among them
// that is not in Records and not in Errors, 0 for none.
func (s Snapshot) Chain() (digests map[uint64]string, lacks uint64) {
	newest := s.newest()
	digests = map[uint64]string{newest.Record.Sequence: newest.Digest}
	for sequence := newest.Record.Sequence; sequence > 0; sequence-- {
		record, read := s.Records[digests[sequence]]
		if digests[sequence] == "" {
			continue
		}
		if _, broken := s.Errors[digests[sequence]]; !read && !broken && lacks == 0 {
			lacks = sequence
		}
		if !read || record.Sequence != sequence {
			continue
		}
		for number, digest := range record.Digests {
			if digests[number] == "" {
				digests[number] = digest
			}
		}
		if sequence > 1 {
			digests[sequence-1] = record.Parent // the chain goes before what is said from afar
		}
	}
	return digests, lacks
}

// verifier collects findings.
type verifier struct {
	Snapshot
	findings []Finding
	names    map[uint64][]Name // tags by sequence
	chain    map[uint64]string // see [Snapshot.Chain]
	decided  []string          // digests; the first record is at 1
	voided   map[uint64]bool
	kept     map[Content]bool // versions that were not pruned, without digest
}

// Verify compares a log with itself and with the tags that follow it. It finds
// nothing in a log that writers made by [Machine] on a registry with ordered
// listings, wherever they were stopped, but Unfinished. In any other, what was
// lost or changed leaves a trace in tags that have one content for ever: nothing
// that a writer has reported as a success is lost without a finding, unless the
// tags were deleted too. Findings are sorted by record and tag.
func Verify(log Snapshot) []Finding {
	v := &verifier{Snapshot: log, names: map[uint64][]Name{}, voided: map[uint64]bool{}}
	v.chain, _ = log.Chain()
	last := log.newest().Record.Sequence
	for _, tag := range sortedKeys(log.Tags) {
		name, ok := ParseName(tag)
		if !ok || name.Mark == Hint || name.Mark == Ring {
			continue
		}
		v.names[name.Sequence] = append(v.names[name.Sequence], name)
		if name.Mark == Decided {
			last = max(last, name.Sequence)
		}
		if name.Value != "" && log.Tags[tag] != name.Value {
			v.tag(Altered, name, "a tag that names its content has another one", nextForged)
		}
	}
	v.decided = make([]string, last+1)
	for sequence := uint64(1); sequence <= last; sequence++ {
		v.decide(sequence)
		v.record(sequence)
	}
	for _, sequence := range slices.Sorted(maps.Keys(v.names)) {
		v.slot(sequence)
	}
	v.twice()
	v.hint()
	v.kept = v.Kept(v.newest().Record.Pruned)
	v.images()
	return sortFindings(v.findings)
}

func (v *verifier) tag(fault Fault, name Name, what, next string) {
	v.findings = append(v.findings, Finding{
		Fault: fault, Record: name.Sequence, What: what, Next: next,
		Tag: Content{Repository, name.String(), v.Tags[name.String()]},
	})
}

// decide finds out which record a number has: that of its tag, or what the records after
// it say, if the tag is gone, or names what nobody has voted for.
func (v *verifier) decide(sequence uint64) {
	name := Name{Sequence: sequence}
	tagged, chained := v.Tags[name.String()], v.chain[sequence]
	_, there := v.Records[chained]
	v.decided[sequence] = tagged
	switch {
	case tagged == "" && there:
		v.tag(Gone, name, "the tag of the record is not there, and the record is", nextRepair)
		v.decided[sequence] = chained
	case tagged == "":
		v.tag(Gone, name, "the record is not there, and later ones are", nextCopy)
		v.decided[sequence] = chained
	case chained != "" && tagged != chained && there && !v.voted(sequence, tagged):
		v.tag(Altered, name, "later records say "+chained+", and nobody has voted for this", nextRepair)
		v.decided[sequence] = chained
	}
}

// voted reports whether there is a vote for a record, or that it is done.
func (v *verifier) voted(sequence uint64, digest string) bool {
	return slices.ContainsFunc(v.names[sequence], func(name Name) bool {
		return (name.Mark == Yes || name.Mark == Done) && name.Value == digest
	})
}

// record checks one record against the one before it.
func (v *verifier) record(sequence uint64) {
	name, digest := Name{Sequence: sequence}, v.decided[sequence]
	if v.Tags[name.String()] == "" && v.Records[digest].Sequence == 0 {
		return // as was said
	}
	record, found := v.Records[digest]
	switch {
	case !found:
		v.tag(Broken, name, fmt.Sprintf("the record cannot be read: %v", v.Errors[digest]), nextCopy)
		return
	case record.Sequence != sequence:
		v.tag(Altered, name, fmt.Sprintf("it says that it is record %d", record.Sequence), nextForged)
		return
	}
	if record.Operation == OpVoid {
		v.voided[record.Of] = true
	}
	for _, number := range slices.Sorted(maps.Keys(record.Digests)) {
		if is := v.decided[number]; is != "" && is != record.Digests[number] {
			v.tag(Chain, name, fmt.Sprintf("it says that record %d is %s, and that is %s", number, record.Digests[number], is), nextFork)
		}
	}
	previous, found := v.Records[v.decided[sequence-1]]
	switch {
	case sequence > 1 && v.decided[sequence-1] != "" && record.Parent != v.decided[sequence-1]:
		v.tag(Chain, name, fmt.Sprintf("its parent is %s, and record %d is %s", record.Parent, sequence-1, v.decided[sequence-1]), nextFork)
	case (sequence == 1 || found) && !maps.Equal(record.Before, previous.After):
		v.tag(Chain, name, fmt.Sprintf("its table before is not the one that record %d left", sequence-1), nextForged)
	}
}

// slot checks the votes for one number, and that they were for what it has.
func (v *verifier) slot(sequence uint64) {
	yes, digest := map[int][]string{}, ""
	if sequence < uint64(len(v.decided)) {
		digest = v.decided[sequence]
	}
	chosen, voted := false, false
	for _, name := range v.names[sequence] {
		switch name.Mark {
		case Yes:
			yes[name.Round] = append(yes[name.Round], name.Value)
			chosen, voted = chosen || name.Value == digest, true
		case Try, No:
			voted = true
		case Done:
			switch {
			case digest == "" && sequence >= uint64(len(v.decided)):
				v.tag(Gone, Name{Sequence: sequence}, "the record was completed, and is no longer there", nextRepair)
			case name.Value != digest:
				v.tag(Contested, name, fmt.Sprintf("a writer has completed this record, and record %d is %s", sequence, orNothing(digest)), nextFork)
			}
		}
	}
	for _, round := range slices.Sorted(maps.Keys(yes)) {
		if len(yes[round]) > 1 {
			v.tag(Disordered, Name{Yes, sequence, round, yes[round][0]}, "in the same round there are votes for "+strings.Join(yes[round][1:], ", "), nextOrder)
		}
	}
	v.overtaken(sequence, digest, yes)
	if digest != "" && voted && !chosen { // old votes may have been cleaned up, all of them
		v.tag(Altered, Name{Sequence: sequence}, "nobody has voted for it", nextForged)
	}
}

// overtaken looks for votes for others in a later round than all those for the
// record: where a listing that shows a tag shows the earlier ones, every vote after
// the decision is for the record.
func (v *verifier) overtaken(sequence uint64, digest string, yes map[int][]string) {
	last, other := 0, Name{}
	for _, round := range slices.Sorted(maps.Keys(yes)) {
		for _, value := range yes[round] {
			if value == digest {
				last = round
			} else {
				other = Name{Yes, sequence, round, value}
			}
		}
	}
	if last > 0 && other.Round > last {
		v.tag(Disordered, other, fmt.Sprintf("it votes for another record in round %d, and the one that was decided was voted for in round %d", other.Round, last), nextOrder)
	}
}

// twice looks for operations and versions that two records are of.
func (v *verifier) twice() {
	operations, versions := map[string]uint64{}, map[Content]uint64{}
	digests := map[Content]string{}
	for sequence := uint64(1); sequence < uint64(len(v.decided)); sequence++ {
		record, found := v.Records[v.decided[sequence]]
		if !found || record.Operation == OpVoid || record.Operation == OpKeep {
			continue
		}
		if earlier := operations[record.ID]; earlier > 0 {
			v.tag(Twice, Name{Sequence: sequence}, fmt.Sprintf("it is of the same operation as record %d", earlier), nextFork)
		}
		operations[record.ID] = sequence
		for _, tag := range record.Versions() {
			key := Content{Repository: tag.Repository, Tag: tag.Tag}
			if earlier := versions[key]; earlier > 0 && digests[key] != tag.Digest {
				v.tag(Twice, Name{Sequence: sequence}, fmt.Sprintf("it assigns %s %s, as record %d did with other contents", tag.Repository, tag.Tag, earlier), nextFork)
			}
			versions[key], digests[key] = sequence, tag.Digest
		}
	}
}

func (v *verifier) hint() {
	digest, newest := v.Tags[string(Hint)], uint64(len(v.decided))
	switch {
	case digest == "" && newest > 2 && !v.Mirror: // the first of them could not be written in time
		v.tag(Unfinished, Name{Mark: Hint}, "the hint is not there: who reads has to list all tags", nextRepair)
	case digest == "" || slices.Contains(v.decided, digest):
	case slices.ContainsFunc(v.names[newest], func(name Name) bool { return name.Mark == Yes && name.Value == digest }):
		v.tag(Gone, Name{Sequence: newest}, "the record is the hint's, and is no longer there", nextRepair)
	default:
		v.tag(Disagrees, Name{Mark: Hint}, "the hint names no record of the log", nextRepair)
	}
}
