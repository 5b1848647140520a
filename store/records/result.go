package records

import (
	"cmp"
	"fmt"
	"strings"
)

// Outcome is how a [Machine] ended.
type Outcome string

// The outcomes.
const (
	Success Outcome = "success" // the operation is in the log, every tag follows
	Settled Outcome = "settled" // there was no operation; every tag follows the newest record
	// Refused: the operation does not fit the newest table, or what it names is
	// missing or taken. It is not in the log. Err says why.
	Refused Outcome = "refused"
	// Foreign: tags have contents that are not the log's. If the operation is in
	// the log it was taken back ([Result.Voided]).
	Foreign Outcome = "foreign"
	// Forked: the log contradicts itself, so the registry's listings are out of
	// order or somebody else wrote there.
	Forked Outcome = "forked"
	// Stopped: the driver ended it. It is not in the log, and will not be.
	Stopped Outcome = "stopped"
	// Unknown: the driver ended it when a try tag was out, so another writer may
	// have carried it into the log, or still may: ask `quoit history`. With
	// [Result.Record] it is in the log.
	Unknown Outcome = "unknown"
)

// Result is what a [Machine] came to.
type Result struct {
	Outcome Outcome
	// Record is the operation's, if it is known to be in the log; with any other
	// outcome than Success, its tags may not follow yet, or it was taken back.
	Record *Sealed
	// Newest is the newest record that was seen; its Digest is "" if there is none.
	Newest Sealed
	// Tags are what Foreign and Forked are about, as they were found.
	Tags []Found
	// Voided are the sequences of the records that this run took back, or that
	// took back its own: not an error if the outcome is Success.
	Voided []uint64
	// Err is why, for Refused, Foreign, Forked, Stopped and Unknown.
	Err error
}

// Found is a tag with what it names and what it should name.
type Found struct {
	Content
	Wanted string // digest, "" if nothing is right
}

// TagError says that tags do not have the log's contents.
type TagError struct {
	Tags []Found
	Next string // what to do
}

// Error names the tags and what to do.
func (e *TagError) Error() string {
	var said []string
	for _, tag := range e.Tags {
		said = append(said, fmt.Sprintf("%s:%s is %s, the log says %s", tag.Repository, tag.Tag, orNothing(tag.Digest), orNothing(tag.Wanted)))
	}
	return strings.Join(said, "; ") + ": " + e.Next
}

// ForkError says how the log contradicts itself.
type ForkError struct{ What string }

// Error says so, and what to do.
func (e *ForkError) Error() string {
	return "the log is forked: " + e.What + ": stop writing to this project, and run `quoit verify`"
}

// GoneError says that a record is not there any more.
type GoneError struct {
	Reference string // where it should be
	Record    uint64 // its number, 0 if that is not known
}

// Error names the record, and the next step.
func (e *GoneError) Error() string {
	if e.Record == 0 {
		return e.Reference + ", a record of the log, is gone: run `quoit verify`"
	}
	return fmt.Sprintf("%s, record %d of the log, is gone: run `quoit verify`", e.Reference, e.Record)
}

// MissingError says that the registry lacks images that the operation names.
type MissingError struct{ Images []Content }

// Error names them, and what to do.
func (e *MissingError) Error() string {
	var said []string
	for _, image := range e.Images {
		said = append(said, image.Repository+"@"+image.Digest)
	}
	return "not in the registry: " + strings.Join(said, ", ") + ": run the build again, it pushes them"
}

// TakenError says that versions that the operation assigns have other contents; or, without
// a digest, that the log has assigned them and they have no tag.
type TakenError struct{ Tags []Found }

// Error names them, and what to do.
func (e *TakenError) Error() string {
	var said []string
	for _, tag := range e.Tags {
		said = append(said, fmt.Sprintf("%s %s by %s", tag.Repository, tag.Tag, cmp.Or(tag.Digest, "the log")))
	}
	return "versions are taken, and never overwritten: " + strings.Join(said, ", ") + ": run the build again, and it takes the next free ones"
}

func orNothing(digest string) string {
	if digest == "" {
		return "nothing"
	}
	return digest
}
