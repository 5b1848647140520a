package mirror

import (
	"fmt"
	"strings"
)

// NotMirrorError says that the target of a copy has another log than the source.
type NotMirrorError struct {
	Target string // the project there
	Record uint64 // the first one that differs, 0 if the target is no mirror at all
	Here   string // its digest at the source, "" if it has none
	There  string // its digest at the target
	From   string // what is copied from, and of what that is a copy, if the target is no mirror
	Origin string
}

// Error says what to do.
func (e *NotMirrorError) Error() string {
	switch {
	case e.Record == 0 && e.Origin == e.Target:
		return fmt.Sprintf("%s is the project that this is a copy of: to bring back what it has lost run `quoit repair --from COPY`, where COPY is %s", e.Target, strings.TrimPrefix(e.From, "oci:"))
	case e.Record == 0:
		return e.Target + " has a log and is not a mirror: it is a project that is published there; copy to another place"
	case e.Here == "":
		return fmt.Sprintf("%s has record %d (%s), which is not here: what is copied from is older; copy from where it came from", e.Target, e.Record, e.There)
	}
	return fmt.Sprintf("record %d is %s at %s, and %s here: somebody else writes there; copy to another place", e.Record, e.There, e.Target, e.Here)
}

// CopyError says that a copy did not come to its end.
type CopyError struct {
	From, To string
	Written  bool // something was, so that the same copy continues
	Err      error
}

// Error names both ends, the cause, and what became of it.
func (e *CopyError) Error() string {
	return fmt.Sprintf("copying from %s to %s: %v (%s)", e.From, e.To, e.Err, e.Becomes())
}

// Becomes says whether something was written, and what to do then.
func (e *CopyError) Becomes() string {
	if e.Written {
		return "run the same command again, it continues the copy"
	}
	return "nothing was written"
}

// Unwrap returns the cause.
func (e *CopyError) Unwrap() error { return e.Err }
