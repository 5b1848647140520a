// Package apply is what a root image runs: it changes the objects of a site to
// those of a release.
//
// [Run] does it all. What there should be it gets from package render, which
// reads the root image's files; what there is it asks the cluster, and remembers
// in an inventory beside the objects, so that a run that dies anywhere is
// completed by the next one. The files are named after what a run does: it
// compares (applier), changes, waits, prunes, and runs hooks as Jobs or as the
// root image's own executables (exec).
package apply

import (
	"context"
	"io"

	"k8s.io/client-go/rest"

	"github.com/quoitbuild/quoit/deploy"
	"github.com/quoitbuild/quoit/deploy/render"
)

// Run carries out a request: it returns when the objects are ready and the
// hooks have ended. Lines for people, and the output of hooks, go to progress.
//
// Before the first write everything is known that can be: a build that fails,
// an image that is not in the release, a value that is missing, an object that
// does not belong to the site's namespace. What fails later leaves an inventory
// of all that may be there, and the same request run again completes it. The
// result of a failed run says what was done before.
func Run(ctx context.Context, config *rest.Config, request Request, progress io.Writer) (Result, error) {
	if request.Timeout == 0 {
		request.Timeout = DefaultTimeout
	}
	console := &console{out: progress}
	report := newReport(request, console)
	err := run(ctx, config, request, report)
	return report.result, console.values.maskError(err)
}

func run(ctx context.Context, config *rest.Config, request Request, report *report) error {
	if err := request.check(); err != nil {
		return err
	}
	api, err := connect(config, report.console.out)
	if err != nil {
		return err
	}
	s, err := newSession(ctx, api, request, report)
	if err != nil {
		return err
	}
	return s.change(ctx)
}

// change carries out what was prepared.
func (s *session) change(ctx context.Context) error {
	switch {
	case s.request.Action == deploy.Uninstall:
		return s.uninstall(ctx)
	case !s.request.Action.Installs():
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
	if err := s.runHooks(ctx, render.Pre(s.request.Action)); err != nil {
		return err
	}
	if !s.request.DryRun {
		if err := s.applyAll(ctx); err != nil {
			return err
		}
		if err := s.cluster.wait(ctx, render.Refs(s.objects.Plain)); err != nil {
			return err
		}
	}
	stale := without(s.held.objects, render.Refs(s.objects.All()))
	if _, err := s.prune(ctx, stale); err != nil {
		return err
	}
	if err := s.runHooks(ctx, render.Post(s.request.Action)); err != nil {
		return err
	}
	if s.request.DryRun {
		return nil
	}
	left := without(s.held.objects, stale)
	return s.cluster.writeInventory(ctx, inventory{union(left, s.written()), s.made})
}

// downgrade runs hooks only: the older release brings its own objects.
func (s *session) downgrade(ctx context.Context) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	if err := s.runHooks(ctx, render.Pre(s.request.Action)); err != nil {
		return err
	}
	return s.runHooks(ctx, render.Post(s.request.Action))
}

// uninstall deletes everything. What hooks need goes last, after them.
func (s *session) uninstall(ctx context.Context) error {
	hooks := s.written()
	if err := s.begin(ctx); err != nil {
		return err
	}
	if err := s.runHooks(ctx, render.Pre(s.request.Action)); err != nil {
		return err
	}
	gone, err := s.prune(ctx, without(s.held.objects, hooks))
	if err != nil {
		return err
	}
	if err := s.cluster.waitGone(ctx, gone); err != nil {
		return err
	}
	if err := s.runHooks(ctx, render.Post(s.request.Action)); err != nil {
		return err
	}
	if gone, err = s.prune(ctx, hooks); err != nil || s.request.DryRun {
		return err
	}
	if err := s.cluster.waitGone(ctx, gone); err != nil {
		return err
	}
	return s.cluster.deleteInventory(ctx)
}

// begin makes the inventory what was there and what will be, so that whatever a
// run leaves behind that dies is pruned by the next one, and ends the hooks that
// an earlier run has left.
func (s *session) begin(ctx context.Context) error {
	if s.request.DryRun {
		return nil
	}
	if err := s.cluster.writeInventory(ctx, inventory{union(s.held.objects, s.written()), s.held.made}); err != nil {
		return err
	}
	return s.hooks.endLeft(ctx, s.held.objects)
}

// written are the objects that this run may write.
func (s *session) written() []render.Ref { return render.Refs(s.objects.Of(s.request.Action)) }
