package registry

import (
	"fmt"
	"strings"
	"time"

	"github.com/quoitbuild/quoit/versioning"
)

// RequestError says that a registry could not be asked, or answered something
// else than was expected.
type RequestError struct {
	Doing     string // "reading", "writing" or "connecting to"
	Reference string // what was read or written; the host when connecting
	Status    int    // of the answer, 0 if there was none
	Problem   string // what happened, one line
	Hint      string // what to do, "" if nothing is known to help
	Err       error  // the cause if there was no answer, or nil

	wait time.Duration // before the next attempt, as the registry asks
	once bool          // another attempt would end the same way
}

// Error names the reference, what happened and what to do.
func (e *RequestError) Error() string {
	text := fmt.Sprintf("%s %s: %s", e.Doing, e.Reference, e.Problem)
	if e.Hint != "" {
		text += ": " + e.Hint
	}
	return text
}

// Unwrap returns the cause, like context.Canceled.
func (e *RequestError) Unwrap() error { return e.Err }

// MovedError says that a ring does not hold what the plan has seen there.
type MovedError struct {
	Ring string
	Was  *versioning.Held // what the plan has seen, nil for nothing
	Is   *versioning.Held // nil for nothing; without a version if that could not be read
	// Commit is the one that the release which is there now was built from, if
	// it says so.
	Commit string
}

// Error says who moved, from where to where, and what to do.
func (e *MovedError) Error() string {
	is := describe(e.Is)
	if e.Commit != "" {
		is += " (built from commit " + e.Commit + ")"
	}
	return fmt.Sprintf("ring %s moved since the plan was made, from %s to %s: run the build again, it continues from there",
		e.Ring, describe(e.Was), is)
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
	Digest  string // what has the version
	Wanted  string // what should have got it
}

// Error says what to do about it.
func (e *TakenError) Error() string {
	return fmt.Sprintf("%s %s is taken by %s, and versions are never overwritten: run the build again, it takes the next free version",
		e.Image, e.Version, e.Digest)
}

// ReadBackError says that a tag does not name what was written to it.
type ReadBackError struct {
	Reference string
	Wanted    string // digest that was written
	Got       string // digest that is there, "" for none
}

// Error names the tag and both digests.
func (e *ReadBackError) Error() string {
	if e.Got == "" {
		return fmt.Sprintf("%s was written as %s and is not there: the registry forgets, or is not consistent", e.Reference, e.Wanted)
	}
	return fmt.Sprintf("%s was written as %s and names %s: someone else writes there too, run the build again", e.Reference, e.Wanted, e.Got)
}

// PublishError says how far publishing got. It wraps the cause, like a
// [*MovedError], a [*TakenError], a [*ReadBackError] or a [*RequestError].
type PublishError struct {
	Project string
	Version versioning.Version
	Ring    string
	Written int      // tags that were written
	Unclear []string // tags whose last write had no answer
	Err     error
}

// Unwrap returns the cause.
func (e *PublishError) Unwrap() error { return e.Err }

// Error names the release, the cause, and what was written.
func (e *PublishError) Error() string {
	return fmt.Sprintf("publishing %s %s to %s: %v (%s)", e.Project, e.Version, e.Ring, e.Err, e.state())
}

func (e *PublishError) state() string {
	var state string
	doubt := ", and perhaps "
	switch e.Written {
	case 0:
		state, doubt = "nothing was written", ", except perhaps "
	case 1:
		state = "1 tag was written"
	default:
		state = fmt.Sprintf("%d tags were written", e.Written)
	}
	if len(e.Unclear) > 0 {
		state += doubt + strings.Join(e.Unclear, ", ")
	}
	if e.Written+len(e.Unclear) > 0 && !restarts(e.Err) {
		state += "; run the same command again, it resumes"
	}
	return state
}
