package records

import (
	"cmp"
	"fmt"
	"slices"
)

// Fault says what kind of thing is wrong.
type Fault string

// The faults that [Verify] finds.
const (
	Gone       Fault = "gone"       // a record or tag is not there any more
	Altered    Fault = "altered"    // a record is not what its tags say
	Broken     Fault = "broken"     // a record cannot be read
	Chain      Fault = "chain"      // a record names another parent or another table before
	Contested  Fault = "contested"  // a number has had two contents
	Twice      Fault = "twice"      // two records are of one operation, or assign one version
	Disordered Fault = "disordered" // votes that no registry with ordered listings allows
	Disagrees  Fault = "disagrees"  // a version or ring tag is not what the log says
	Unfinished Fault = "unfinished" // tags of the newest record are to follow yet
)

// Finding is one thing that is wrong, and what to do about it.
type Finding struct {
	Fault  Fault   `json:"fault"`
	Record uint64  `json:"record,omitempty"` // its sequence, 0 if it is of none
	Tag    Content `json:"tag"`              // where, with what was found there
	What   string  `json:"what"`
	Next   string  `json:"next"`
}

// String is the finding for people, in one line.
func (f Finding) String() string {
	return fmt.Sprintf("%s:%s: %s: %s", f.Tag.Repository, f.Tag.Tag, f.What, f.Next)
}

// What to do.
const (
	nextFork   = "two histories exist: stop writing, compare the records by digest, and start a new project from the right one"
	nextOrder  = "do not write to this registry from more than one place: it lists tags out of order"
	nextRepair = "run `quoit repair`, which puts it back"
	nextCopy   = "run `quoit repair --from COPY`, which takes it from a copy"
	nextForged = "somebody else wrote here: take away the right to push, and compare with a copy"
	nextRun    = "run `quoit repair`, or whatever writes next: it completes this"
)

func sortFindings(findings []Finding) []Finding {
	slices.SortStableFunc(findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Record, b.Record), cmp.Compare(a.Tag.Repository, b.Tag.Repository), cmp.Compare(a.Tag.Tag, b.Tag.Tag), cmp.Compare(a.Fault, b.Fault))
	})
	return findings
}
