// Package apply does what a root image is run for: it changes the objects of a
// site to those of a release.
//
// What is to be there comes from the root image's folder: overlays for
// kustomize, hooks, and the release's own description. What is there is asked
// of the cluster, and remembered in an inventory beside the objects, so that a
// run which ends anywhere is completed by the next one.
package apply

import (
	"context"
	"errors"
	"io"
	"time"

	"k8s.io/client-go/rest"

	"github.com/quoitbuild/quoit/deploy"
	"github.com/quoitbuild/quoit/versioning"
)

// Request is what a root image is asked to do.
type Request struct {
	Project     string // "" takes it from the root's quoit/release.json
	Site        string
	Environment string // the overlay: <Root>/overlays/<Environment>
	Ring        string // "" if the site follows none
	Namespace   string // of the site
	Action      deploy.Action
	From, To    versioning.Version // zero where there is none

	// Root is the folder that holds what a root image has: overlays, hooks and
	// quoit/release.json. Nothing outside of it is read.
	Root string
	// Images are the release's images and externals by name, each a reference
	// with a digest, as the site pulls them. If there are none, images are
	// named by the versions that quoit/release.json says, in the registry that
	// the objects name, else in Registry.
	Images   map[string]string
	Registry string

	// Cluster allows objects outside of the site's namespace (scope: cluster).
	Cluster bool
	// Adopt takes fields that somebody else owns, instead of stopping.
	Adopt bool
	// DryRun asks the cluster what would change, and changes nothing. Hooks are
	// named, not run.
	DryRun bool
	// Timeout bounds the wait for each hook, and for the objects to become
	// ready or to be gone; zero is [DefaultTimeout].
	Timeout time.Duration
}

// DefaultTimeout is how long is waited where a request does not say.
const DefaultTimeout = 5 * time.Minute

// Run carries out a request: it returns when the objects are ready and the
// hooks have ended. Lines for people, and the output of hooks, go to progress.
//
// Before the first write everything is known that can be: a build that fails,
// an image that is not in the release, a value that is missing, an object that
// does not belong to the site's namespace. What fails later leaves an inventory
// of all that may be there, and the same request run again completes it. The
// result of a failed run says what was done before.
func Run(ctx context.Context, config *rest.Config, request Request, progress io.Writer) (Result, error) {
	return Result{}, errors.New("not there yet")
}
