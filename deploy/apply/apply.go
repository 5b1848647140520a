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
	"io"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
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
	s, err := newSession(config, request, progress)
	if err == nil {
		err = s.run(ctx)
	}
	return s.result, s.values.maskError(err)
}

func (s *session) run(ctx context.Context) error {
	if err := s.prepare(ctx); err != nil {
		return err
	}
	return s.change(ctx)
}

// change carries out what was prepared.
func (s *session) change(ctx context.Context) error {
	switch {
	case s.request.Action == deploy.Uninstall:
		return s.uninstall(ctx)
	case !s.request.installs():
		return s.downgrade(ctx)
	}
	return s.install(ctx)
}

// install brings the objects to those of the release. What is no longer needed
// goes last: until the new objects are ready, the old ones may be in use.
func (s *session) install(ctx context.Context) error {
	if err := s.preflight(ctx); err != nil {
		return err
	}
	if err := s.begin(ctx); err != nil {
		return err
	}
	if err := s.runHooks(ctx, pre(s.request.Action)); err != nil {
		return err
	}
	if !s.request.DryRun {
		if err := s.applyAll(ctx); err != nil {
			return err
		}
		if err := s.wait(ctx, refsOf(s.plain)); err != nil {
			return err
		}
	}
	stale := without(s.held.objects, refsOf(s.objects()))
	if _, err := s.prune(ctx, stale); err != nil {
		return err
	}
	if err := s.runHooks(ctx, post(s.request.Action)); err != nil {
		return err
	}
	if s.request.DryRun {
		return nil
	}
	left := without(s.held.objects, stale)
	return s.writeInventory(ctx, inventory{union(left, refsOf(s.objectsOfRun())), s.made})
}

// downgrade runs hooks only: the older release brings its own objects.
func (s *session) downgrade(ctx context.Context) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	if err := s.runHooks(ctx, pre(s.request.Action)); err != nil {
		return err
	}
	return s.runHooks(ctx, post(s.request.Action))
}

// uninstall deletes everything. What hooks need goes last, after them.
func (s *session) uninstall(ctx context.Context) error {
	hooks := refsOf(s.objectsOfRun())
	if err := s.begin(ctx); err != nil {
		return err
	}
	if err := s.runHooks(ctx, pre(s.request.Action)); err != nil {
		return err
	}
	gone, err := s.prune(ctx, without(s.held.objects, hooks))
	if err != nil {
		return err
	}
	if err := s.waitGone(ctx, gone); err != nil {
		return err
	}
	if err := s.runHooks(ctx, post(s.request.Action)); err != nil {
		return err
	}
	if gone, err = s.prune(ctx, hooks); err != nil || s.request.DryRun {
		return err
	}
	if err := s.waitGone(ctx, gone); err != nil {
		return err
	}
	return s.deleteInventory(ctx)
}

// begin makes the inventory what was there and what will be, so that whatever a
// run leaves behind that dies is pruned by the next one, and ends the hooks that
// an earlier run has left.
func (s *session) begin(ctx context.Context) error {
	if s.request.DryRun {
		return nil
	}
	if err := s.writeInventory(ctx, inventory{union(s.held.objects, refsOf(s.objectsOfRun())), s.held.made}); err != nil {
		return err
	}
	return s.endHooks(ctx)
}

// objectsOfRun are those that this run may write: plain ones, and hooks of its
// own points.
func (s *session) objectsOfRun() []*unstructured.Unstructured {
	all := slices.Clone(s.plain)
	for _, point := range []string{pre(s.request.Action), post(s.request.Action)} {
		needs, jobs := at(s.hooks, point)
		all = slices.Concat(all, needs, jobs)
	}
	return all
}
