package apply

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/quoitbuild/quoit/deploy"
	"github.com/quoitbuild/quoit/deploy/render"
	"github.com/quoitbuild/quoit/versioning"
)

// Request is what a root image is asked to do.
type Request struct {
	render.Target
	From versioning.Version // that the site comes from, zero where there is none
	// Root is the folder that holds what a root image has: overlays, hooks and
	// quoit/release.json. Nothing outside of it is read.
	Root string
	// TakeOver takes fields that somebody else owns, instead of stopping.
	TakeOver bool
	// DryRun asks the cluster what would change, and changes nothing. Hooks are
	// named, not run.
	DryRun bool
	// Timeout bounds the wait for each hook, and for the objects to become
	// ready or to be gone; zero is [DefaultTimeout].
	Timeout time.Duration
}

// DefaultTimeout is how long is waited where a request does not say.
const DefaultTimeout = 5 * time.Minute

// check reports what a request lacks.
func (r Request) check() error {
	var missing []string
	for _, need := range [][2]string{{"site", r.Site}, {"environment", r.Environment}, {"namespace", r.Namespace}, {"root folder", r.Root}} {
		if need[1] == "" {
			missing = append(missing, need[0])
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("the request has no %s", strings.Join(missing, ", no "))
	}
	if !slices.Contains(deploy.Actions(), r.Action) {
		return fmt.Errorf("unknown action %q; choose one of %q", r.Action, deploy.Actions())
	}
	if r.Timeout < 0 {
		return errors.New("the timeout is negative")
	}
	return nil
}

// environment is what hooks are told.
func (r Request) environment() map[string]string {
	return map[string]string{
		"QUOIT_ACTION":       string(r.Action),
		"QUOIT_FROM_VERSION": render.VersionText(r.From),
		"QUOIT_TO_VERSION":   render.VersionText(r.To),
		"QUOIT_SITE":         r.Site,
		"QUOIT_RING":         r.Ring,
	}
}
