package deploy

import (
	"fmt"

	"github.com/quoitbuild/quoit/versioning"
)

// Action is what a root image is asked to do: its QUOIT_ACTION.
type Action string

// The actions.
const (
	Install   Action = "install"   // nothing, or nothing whole, is there
	Upgrade   Action = "upgrade"   // an ancestor is there, or this release itself
	Downgrade Action = "downgrade" // run by the newer release: take back what the older one does not know
	Restore   Action = "restore"   // run by the older one after it: put back the objects, without install hooks
	Uninstall Action = "uninstall"
)

// Actions returns all of them.
func Actions() []Action { return []Action{Install, Upgrade, Downgrade, Restore, Uninstall} }

// Installs reports whether the action changes the site's objects to those of
// the release that runs. The others run hooks, or delete.
func (a Action) Installs() bool { return a == Install || a == Upgrade || a == Restore }

// Release is a release as a site knows it, by its root image. Releases with
// equal digests are the same one.
type Release struct {
	Version versioning.Version `json:"version"`
	Digest  string             `json:"digest"` // sha256:<hex>
}

// Same reports whether both are one release.
func (r Release) Same(other Release) bool { return r.Digest == other.Digest }

// Step is one run of a root image.
type Step struct {
	Action Action  `json:"action"`
	Run    Release `json:"run"` // whose root image runs
	// From and To are the versions that it is told: from which the site comes,
	// zero if nothing was there, and where it goes, zero if nothing stays.
	From versioning.Version `json:"from,omitzero"`
	To   versioning.Version `json:"to,omitzero"`
}

// String is the step for people: "upgrade 1.0.0 to 1.1.0".
func (s Step) String() string {
	switch {
	case s.Action == Install, s.Action == Restore, s.From == s.To:
		return fmt.Sprintf("%s %s", s.Action, s.To)
	case s.Action == Uninstall:
		return fmt.Sprintf("%s %s", s.Action, s.From)
	}
	return fmt.Sprintf("%s %s to %s", s.Action, s.From, s.To)
}
