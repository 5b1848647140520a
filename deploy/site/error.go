package site

import (
	"fmt"
	"strings"

	"github.com/quoitbuild/quoit/deploy"
)

// Cause says why a step has not ended well.
type Cause string

// The causes.
const (
	NotStarted Cause = "not started" // it was not pulled or placed in time, and did nothing
	Exited     Cause = "exited"      // the root image said so
	Evicted    Cause = "evicted"     // its node had to make room, or went away
	TooLong    Cause = "too long"    // the timeout is over
	Gone       Cause = "gone"        // somebody deleted it
)

// StepError says that a step has not ended well.
type StepError struct {
	Site    string
	Step    deploy.Step
	Job     string // namespace/name, "" if it ran here
	Cause   Cause
	Message string   // what Kubernetes or the root image says of it
	Lines   []string // what it printed last, if that was not printed here already
}

// Error names the step, the cause, the Job to look at, and, unless the message
// says it, how to go on.
func (e *StepError) Error() string {
	text := fmt.Sprintf("site %s: %s ", e.Site, e.Step)
	switch e.Cause {
	case NotStarted:
		text += "did not start, so nothing has changed"
	case Exited:
		text += "failed"
	case Evicted:
		text += "was evicted"
	case TooLong:
		text += "took longer than its timeout"
	case Gone:
		text += "was deleted before it ended"
	}
	if e.Message != "" {
		text += ": " + e.Message
	}
	switch {
	case e.Job != "" && strings.Contains(e.Message, "\n"):
		text += "\n(Job " + e.Job + ")"
	case e.Job != "":
		text += " (Job " + e.Job + ")"
	}
	return text + e.next()
}

// next is a line about how to go on after what the root image did not choose.
func (e *StepError) next() string {
	again := "deploy again"
	if e.Step.Action == deploy.Uninstall {
		again = "delete again"
	}
	const part = "\nit may have done part of its work: "
	switch e.Cause {
	case Evicted:
		return part + "remove the cause, and " + again
	case TooLong:
		return part + again + ", with a longer --timeout if it needs one"
	case Gone:
		return part + again
	default:
		return ""
	}
}

// Outcome is what the cause means for the site's record.
func (e *StepError) Outcome() deploy.Outcome {
	if e.Cause == NotStarted {
		return deploy.NotStarted
	}
	return deploy.Failed
}

// UnfinishedError says that a deploy, or what removes a site, did not come to its end, and
// that no step is to blame.
type UnfinishedError struct {
	Site    string
	Removes bool
	Written bool   // something was written to the cluster, or perhaps
	State   string // of the newest step that was begun, "" for none
	Err     error
}

// Error is the cause, and what became of the site.
func (e *UnfinishedError) Error() string { return fmt.Sprintf("%v (%s)", e.Err, e.Becomes()) }

// Becomes says what state the site is in, and what to do.
func (e *UnfinishedError) Becomes() string {
	again := "deploy again"
	if e.Removes {
		again = "delete again"
	}
	switch {
	case !e.Written:
		return "nothing was written to site " + e.Site
	case e.State == "":
		return fmt.Sprintf("site %s is as it was: %s", e.Site, again)
	}
	return fmt.Sprintf("site %s: %s: %s, it continues", e.Site, e.State, again)
}

// Unwrap returns the cause.
func (e *UnfinishedError) Unwrap() error { return e.Err }
