package records

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/quoitbuild/quoit/versioning"
)

// images compares version and ring tags with the log.
func (v *verifier) images() {
	newest := uint64(len(v.decided) - 1)
	for sequence := uint64(1); sequence <= newest; sequence++ {
		record := v.Records[v.decided[sequence]]
		for _, tag := range record.Versions() {
			v.version(sequence, sequence == newest, tag)
		}
	}
	if record, found := v.Records[v.decided[newest]]; found {
		for _, ring := range sortedKeys(record.After) {
			v.ring(newest, TagOf(record.After, ring))
		}
	}
}

// version checks a version tag. For those of a void publish nothing is wrong
// with contents of others, which it is void for.
func (v *verifier) version(sequence uint64, newest bool, tag Content) {
	got, looked := v.Images[Content{Repository: tag.Repository, Tag: tag.Tag}]
	what := fmt.Sprintf("the log says %s", tag.Digest)
	switch {
	case !looked || got == tag.Digest || v.voided[sequence] && got != "":
	case !v.kept[Content{Repository: tag.Repository, Tag: tag.Tag}] && (got == "" || IsTombstone(got)):
	case got == "" && newest:
		v.image(Unfinished, sequence, tag, got, what, nextRun)
	case got == "":
		v.image(Gone, sequence, tag, got, what, v.back(tag))
	default:
		v.image(Disagrees, sequence, tag, got, what, v.back(tag))
	}
}

// back says how a tag of the log's is put back.
func (v *verifier) back(tag Content) string {
	if v.Lost[tag] {
		return nextCopy
	}
	return nextRepair
}

func (v *verifier) ring(sequence uint64, tag Content) {
	got, looked := v.Images[Content{Repository: tag.Repository, Tag: tag.Tag}]
	what := fmt.Sprintf("record %d says %s", sequence, tag.Digest)
	switch {
	case !looked || got == tag.Digest || (got == "" || IsNothing(got)) && IsNothing(tag.Digest):
	case v.had(tag.Tag, got):
		v.image(Unfinished, sequence, tag, got, what, nextRun)
	default:
		v.image(Disagrees, sequence, tag, got, what, nextRepair)
	}
}

// had reports whether a ring has ever had a digest, by the log.
func (v *verifier) had(ring, digest string) bool {
	if digest == "" || IsNothing(digest) {
		return true
	}
	return slices.ContainsFunc(v.decided, func(record string) bool {
		place, found := v.Records[record].After[ring]
		return found && place.Digest == digest
	})
}

func (v *verifier) image(fault Fault, sequence uint64, tag Content, got, what, next string) {
	v.findings = append(v.findings, Finding{fault, sequence, Content{tag.Repository, tag.Tag, got}, what, next})
}

// newest is the newest decided record; zero if there is none, or it cannot be read. The
// hint's, and those by which a mirror's rings were copied, count if they continue those
// that have their tags.
func (s Snapshot) newest() Sealed {
	var newest Sealed
	for tag, digest := range s.Tags {
		name, ok := ParseName(tag)
		if record, found := s.Records[digest]; ok && name.Mark == Decided && found && record.Sequence == name.Sequence && name.Sequence > newest.Record.Sequence {
			newest = Sealed{Record: record, Digest: digest}
		}
	}
	hint := s.Tags[string(Hint)]
	if record := s.Records[hint]; record.Sequence > newest.Record.Sequence && record.Parent == s.Tags[Name{Sequence: record.Sequence - 1}.String()] {
		newest = Sealed{Record: record, Digest: hint}
	}
	return Continued(newest, s.copied()...)
}

// Continued returns the newest of some records, by which the rings of a mirror were copied,
// that continues the newest one that has its tag; that one if none does. If none has its
// tag, it is the newest of them.
func Continued(tagged Sealed, copied ...Sealed) Sealed {
	newest := tagged
	slices.SortStableFunc(copied, func(a, b Sealed) int { return cmp.Compare(a.Record.Sequence, b.Record.Sequence) })
	for _, sealed := range copied {
		switch record, last := sealed.Record, newest.Record.Sequence; {
		case record.Sequence <= last:
		case tagged.Digest == "", record.Sequence == last+1 && record.Parent == newest.Digest, record.Digests[last] == newest.Digest:
			newest = sealed
		}
	}
	return newest
}

// copied are the records by which the rings of a mirror were copied.
func (s Snapshot) copied() []Sealed {
	var all []Sealed
	for _, tag := range sortedKeys(s.Tags) {
		name, ok := ParseName(tag)
		if record, found := s.Records[s.Tags[tag]]; s.Mirror && ok && name.Mark == Ring && found {
			all = append(all, Sealed{Record: record, Digest: s.Tags[tag]})
		}
	}
	return all
}

// Kept are the versions, without digest, of all releases that were published and
// whose numbers are not among the pruned ones.
func (s Snapshot) Kept(pruned versioning.Lineage) map[Content]bool {
	kept := map[Content]bool{}
	for _, record := range s.Records {
		if pruned.Has(record.Release()) {
			continue
		}
		for name, image := range record.Images {
			kept[Content{Repository: name, Tag: image.Version.String()}] = true
		}
	}
	return kept
}
