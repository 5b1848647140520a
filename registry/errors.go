package registry

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
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

	wait   time.Duration // before the next attempt, as the registry asks
	once   bool          // another attempt would end the same way
	passes bool          // another one may not, whatever the status
	unsent bool          // it failed before the request itself: connecting, or getting a token
	said   []transport.Diagnostic
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

// Broken reports whether an error is about contents that a registry has answered
// with: they are not what they should be, or gone. The registry itself is all right.
func Broken(err error) bool {
	var failed *RequestError
	return errors.As(err, &failed) && failed.once && failed.Err == nil && (failed.Status == 0 || failed.Status == http.StatusNotFound)
}

// Answered reports whether an error is what a registry has answered with.
func Answered(err error) bool {
	var failed *RequestError
	return errors.As(err, &failed) && failed.Status != 0
}

// Undone reports whether a write that ended with an error was certainly not carried
// out: the registry has declined it, or was not reached.
func Undone(err error) bool {
	var failed *RequestError
	if !errors.As(err, &failed) {
		return false
	}
	if failed.Status == 0 && !failed.unsent {
		return failed.Err != nil && unreached(failed.Err)
	}
	return failed.unsent || failed.Status >= 400 && failed.Status < 500 && failed.Status != http.StatusRequestTimeout
}

// unsent reports whether a request was not sent, because there was no session for it.
func unsent(err error) bool {
	var failed *RequestError
	return errors.As(err, &failed) && failed.unsent
}

// OtherError says that a tag names something else than what was there before it was
// written, or than was written. It was not overwritten.
type OtherError struct {
	Reference string
	Wanted    string // digest that should have been written
	Got       string // digest that is there
}

// Error names the tag and both digests.
func (e *OtherError) Error() string {
	return fmt.Sprintf("%s is %s by now, not %s", e.Reference, e.Got, e.Wanted)
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
	return fmt.Sprintf("%s was written as %s and names %s: somebody else writes there too: run the command again", e.Reference, e.Wanted, e.Got)
}
