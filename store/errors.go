package store

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/quoitbuild/quoit/internal/show"
	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/versioning"
)

// MovedError says that a ring does not have what the plan has seen there.
type MovedError struct {
	Ring string
	Was  *versioning.Held // what the plan has seen, nil for nothing
	Is   *versioning.Held // what the log says, nil for nothing
	// Record is the one that moved it, nil if the log does not say so.
	Record *records.Record
}

// Error says who moved, from where to where, and what to do.
func (e *MovedError) Error() string {
	is := describe(e.Is)
	if e.Record != nil {
		is += " by " + credit(*e.Record)
	}
	return fmt.Sprintf("ring %s moved since the plan was made, from %s to %s: run the build again, and it continues from there",
		e.Ring, describe(e.Was), is)
}

// ParentError says that no ring has a release any more that the plan continues,
// or is said to contain.
type ParentError struct{ Version versioning.Version }

// Error says what to do.
func (e *ParentError) Error() string {
	return fmt.Sprintf("release %s, from which this one would descend, is no longer in any ring: run the build again", e.Version)
}

// UnheldError says that no ring has a release with an image that the plan adopts or
// leaves as it is.
type UnheldError struct {
	Image   string
	Version versioning.Version
}

// Error says what to do.
func (e *UnheldError) Error() string {
	return fmt.Sprintf("%s %s, which the plan takes as it is, is in no release that a ring has: run the build again", e.Image, e.Version)
}

// credit says in one line who made a record, when, and of what.
func credit(r records.Record) string {
	actor := clean(r.Actor)
	if actor == "" {
		actor = "somebody"
	}
	details := []string{fmt.Sprintf("record %d", r.Sequence)}
	if r.Commit != "" {
		commit := "commit " + clean(r.Commit)
		if r.Dirty {
			commit += "-dirty"
		}
		details = append(details, commit)
	}
	if r.Message != "" {
		message, _, _ := strings.Cut(show.MaskRequest(r.Message), "\n")
		details = append(details, show.Quote(message, 200))
	}
	return fmt.Sprintf("%s at %s (%s)", actor, r.Time.Format(time.RFC3339), strings.Join(details, ", "))
}

func describe(held *versioning.Held) string {
	switch {
	case held == nil:
		return "nothing"
	case held.Version.IsZero():
		return held.Digest
	}
	return held.Version.String()
}

// TakenError says that a version exists with other contents. It is never overwritten.
type TakenError struct {
	Image   string
	Version string
	Digest  string // what has the version, "" if the log has assigned it and nothing has its tag
	Wanted  string // what should have got it
}

// Error says what to do about it.
func (e *TakenError) Error() string {
	what := "is taken by " + e.Digest
	if e.Digest == "" {
		what = "was assigned by the log meanwhile"
	}
	return fmt.Sprintf("%s %s %s, and versions are never overwritten: run the build again, and it takes the next free version",
		e.Image, e.Version, what)
}

// VoidError says that a publish was taken back, because somebody who does not
// write through the log took a version of it between the last look and the write.
type VoidError struct {
	Record uint64 // of the publish
	Taken  TakenError
}

// Error says what to do about it.
func (e *VoidError) Error() string {
	return fmt.Sprintf("the publish was taken back (record %d of the log): %v", e.Record, &e.Taken)
}

// Unwrap returns the [*TakenError].
func (e *VoidError) Unwrap() error { return &e.Taken }

// ForeignError says that somebody wrote a tag past the log.
type ForeignError struct {
	Reference string // the tag
	Wanted    string // the digest that the log says
	Got       string // the digest that is there
	Hint      string // what to do
}

// Error names the tag, both digests, and what to do.
func (e *ForeignError) Error() string {
	return fmt.Sprintf("%s is %s, the log says %s; it was not written by quoit: %s", e.Reference, e.Got, e.Wanted, e.Hint)
}

// UnknownError says that a command ended when others could already carry its
// operation through.
type UnknownError struct {
	Record uint64 // that of the operation, 0 if it is not known to be in the log
	Err    error
}

// Error is the cause and what becomes of the operation.
func (e *UnknownError) Error() string { return fmt.Sprintf("%v; %s", e.Err, e.Becomes()) }

// Becomes says what to ask, or what happens next.
func (e *UnknownError) Becomes() string {
	if e.Record > 0 {
		return fmt.Sprintf("it is in the log as record %d, the next command completes it", e.Record)
	}
	return "the outcome is not known, ask `quoit history`"
}

// Unwrap returns the cause.
func (e *UnknownError) Unwrap() error { return e.Err }

// PrunedError says that a release, or an image of one, was pruned.
type PrunedError struct{ Version versioning.Version }

// Error says what to do.
func (e *PrunedError) Error() string {
	return fmt.Sprintf("release %s was pruned and cannot come back: build it again from its commit", e.Version)
}

// PublishError says how far publishing got. It wraps the cause, like a
// [*MovedError], a [*TakenError], a [*ReadBackError] or a [*registry.RequestError].
type PublishError struct {
	Project string
	Version versioning.Version
	Ring    string
	Written int      // tags that were written
	Unclear []string // tags whose last write had no answer
	Others  bool     // something else was written, as [Project.Wrote] says
	Err     error
}

// Unwrap returns the cause.
func (e *PublishError) Unwrap() error { return e.Err }

// Error names the release, the cause, and what was written.
func (e *PublishError) Error() string {
	return fmt.Sprintf("publishing %s %s to %s: %v (%s)", e.Project, e.Version, e.Ring, e.Err, e.Becomes())
}

// Becomes says what was written, and what to do.
func (e *PublishError) Becomes() string {
	var state string
	var unknown *UnknownError
	var taken *TakenError
	doubt := ", and perhaps "
	switch e.Written {
	case 0:
		state, doubt = nothing(e.Others), ", except perhaps "
		if errors.As(e.Err, &unknown) || errors.As(e.Err, &taken) { // a record says that it is taken
			state = "no version or ring was written"
		}
	case 1:
		state = "1 tag was written"
	default:
		state = fmt.Sprintf("%d tags were written", e.Written)
	}
	if len(e.Unclear) > 0 {
		state += doubt + strings.Join(e.Unclear, ", ")
	}
	if (e.Written+len(e.Unclear) > 0 || unknown != nil) && !restarts(e.Err) {
		state += "; run the same command again, it resumes"
	}
	return state
}

// OperationError says that an operation on rings did not come to its end.
type OperationError struct {
	Project   string
	Operation string
	Records   int  // of its own that are in the log all the same
	Others    bool // something else was written, as [Project.Wrote] says
	Err       error
}

// Error names the operation, the cause, and what became of it.
func (e *OperationError) Error() string {
	text := fmt.Sprintf("%s of %s: %v", e.Operation, e.Project, e.Err)
	if unknown := new(UnknownError); errors.As(e.Err, &unknown) {
		return text
	}
	return text + " (" + e.Becomes() + ")"
}

// Becomes says what was written, and what to do.
func (e *OperationError) Becomes() string {
	if e.Records > 0 {
		return "a part of it is in the log: run the same command again, it does the rest"
	}
	return nothing(e.Others)
}

// nothing says that nothing was written, or not of what was asked for.
func nothing(others bool) string {
	if others {
		return "nothing of it was written"
	}
	return "nothing was written"
}

// Unwrap returns the cause.
func (e *OperationError) Unwrap() error { return e.Err }

// OvertakenError says that somebody else wrote to the log in between.
type OvertakenError struct{ Record records.Record }

// Error says who, and what to do.
func (e *OvertakenError) Error() string {
	return fmt.Sprintf("there was a %s by %s in between: look at `quoit status`, and run the command again if it is still what you want",
		e.Record.Operation, credit(e.Record))
}

// clean makes one short line without credentials of what others wrote.
func clean(text string) string { return show.Short(show.MaskRequest(text), 200) }
