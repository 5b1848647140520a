package store

import (
	"fmt"
	"strings"

	"github.com/quoitbuild/quoit/versioning"
)

// Outcome is what publishing did. Next to an error it is what was done until then.
type Outcome struct {
	Project string             `json:"project"`
	Ring    string             `json:"ring"`
	Root    string             `json:"root"`
	Version versioning.Version `json:"version"` // of the release
	Digest  string             `json:"digest"`  // of the root image; "" if not known yet
	// Written are the tags that were written, in order, the ring's last; never nil.
	Written []Tag `json:"written"`
	// Existed are those that an earlier attempt had written; never nil.
	Existed []Tag `json:"existed"`
	// Moved says that the ring's tag was written; Done, that the ring has the
	// release, whoever moved it.
	Moved bool `json:"moved"`
	Done  bool `json:"done"`
}

// String is the outcome for people: what the ring has, and a line for every
// version that was written. No line feed ends it.
func (o Outcome) String() string {
	var b strings.Builder
	switch {
	case !o.Done:
		fmt.Fprintf(&b, "it is not known whether %s has %s %s", o.Ring, o.Project, o.Version)
	case o.Moved:
		fmt.Fprintf(&b, "%s has %s %s now", o.Ring, o.Project, o.Version)
	default:
		fmt.Fprintf(&b, "nothing to publish: %s has %s %s already", o.Ring, o.Project, o.Version)
	}
	width := 0
	for _, tag := range o.Written {
		width = max(width, len(tag.String()))
	}
	for _, tag := range o.Written {
		fmt.Fprintf(&b, "\n  %-*s  %s", width, tag, tag.Digest)
	}
	return b.String()
}
