package site

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/quoitbuild/quoit/deploy"
	"github.com/quoitbuild/quoit/deploy/apply"
	"github.com/quoitbuild/quoit/deploy/render"
	"github.com/quoitbuild/quoit/internal/scratch"
	"github.com/quoitbuild/quoit/manifest"
	"github.com/quoitbuild/quoit/registry"
)

// Local does in this process what the root image would do in a Job, with the
// rights of whoever runs it. Hooks that are files of the root image run on this
// machine.
type Local struct {
	Cluster *Cluster
	Log     io.Writer // what would be the root image's output
}

// Run unpacks the root image and applies it.
func (l Local) Run(ctx context.Context, task Task) error {
	failed := &StepError{Site: task.Site.Name, Step: task.Step}
	limited, cancel := context.WithTimeout(ctx, task.Timeout)
	defer cancel()
	_, err := task.apply(limited, l.Cluster, l.Log, false)
	var unpacked *unpackError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &unpacked):
		failed.Cause = NotStarted
	case limited.Err() != nil && ctx.Err() == nil:
		failed.Cause = TooLong
	default:
		failed.Cause = Exited
	}
	failed.Message = err.Error()
	return failed
}

// Resumes names none: what a Job has begun cannot be gone on with from here.
func (Local) Resumes(Task) string { return "" }

// newFolder makes a folder for a root image's files.
func newFolder() (*scratch.Folder, error) {
	folder, err := scratch.New("", "quoit-root-")
	if err != nil {
		err = fmt.Errorf("creating a folder for the root image: %w", err)
	}
	return folder, err
}

// unpackError says that a root image is not what can be applied.
type unpackError struct{ error }

// apply applies the task's root image from here.
func (t Task) apply(ctx context.Context, c *Cluster, log io.Writer, dryRun bool) (apply.Result, error) {
	unpacked, err := newFolder()
	if err != nil {
		return apply.Result{}, &unpackError{err}
	}
	defer unpacked.Close()
	folder := unpacked.Path
	foreign, err := Unpack(ctx, t.Images.Root, folder, registry.Options{UserAgent: c.Config.UserAgent, Say: c.say})
	if err != nil {
		return apply.Result{}, &unpackError{err}
	}
	if _, err := os.Lstat(filepath.Join(folder, "hooks")); err == nil && foreign != "" && !dryRun {
		return apply.Result{}, &unpackError{fmt.Errorf("the root image's programs in /hooks are for %s, but this machine is %s: deploy without --local", foreign, machine)}
	}
	return apply.Run(ctx, c.Config, t.request(folder, dryRun), log)
}

func (t Task) request(folder string, dryRun bool) apply.Request {
	return apply.Request{
		Target: render.Target{
			Project: t.Site.Project, Site: t.Site.Name, Environment: t.Site.Environment, Ring: t.Site.Ring, Namespace: t.Site.Namespace,
			Action: t.Step.Action, To: t.Step.To, Images: t.Images.All, Cluster: t.Site.Scope == manifest.ScopeCluster,
		},
		From: t.Step.From, Root: folder, TakeOver: t.TakeOver, DryRun: dryRun, Timeout: t.Wait,
	}
}

// Diff asks the cluster what the last step of a deployment would change in the
// site's objects, or, if there is nothing to do, what somebody else has changed.
// Nothing is changed by it.
func (d *Deployment) Diff(ctx context.Context, log io.Writer) (apply.Result, error) {
	step := deploy.Step{Action: deploy.Upgrade}
	switch {
	case len(d.Plan.Steps) > 0:
		step = d.Plan.Steps[len(d.Plan.Steps)-1]
	case d.Plan.Target != nil:
		step.Run, step.From, step.To = *d.Plan.Target, d.Plan.Target.Version, d.Plan.Target.Version
	}
	var result apply.Result
	err := within(ctx, d.cluster.times.look, "comparing the objects of site "+d.Site.Name, func(ctx context.Context) error {
		images, err := d.goal.Releases.Images(ctx, step.Run)
		if err != nil {
			return fmt.Errorf("reading release %s: %w", step.Run.Version, err)
		}
		task := Task{Site: d.Site, Step: step, Images: images, TakeOver: d.goal.TakeOver}
		result, err = task.apply(ctx, d.cluster, log, true)
		return err
	})
	return result, err
}

// within does what only looks, for a time: a registry that stalls would keep
// whoever waits for ever.
func within(ctx context.Context, limit time.Duration, doing string, look func(context.Context) error) error {
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := look(limited)
	if err != nil && limited.Err() != nil && ctx.Err() == nil {
		return fmt.Errorf("%s took longer than %s: see whether the registry and the cluster answer: %w", doing, limit, err)
	}
	return err
}

// Rules are the least rights that the site needs for a release.
func (s Site) Rules(ctx context.Context, images Images, options registry.Options) (Rules, error) {
	return s.rules(ctx, images, options, usual.look)
}

func (s Site) rules(ctx context.Context, images Images, options registry.Options, limit time.Duration) (Rules, error) {
	unpacked, err := newFolder()
	if err != nil {
		return Rules{}, err
	}
	defer unpacked.Close()
	folder := unpacked.Path
	if err := within(ctx, limit, "reading what site "+s.Name+" needs", func(ctx context.Context) error {
		_, err := Unpack(ctx, images.Root, folder, options)
		return err
	}); err != nil {
		return Rules{}, err
	}
	source, err := render.Load(folder)
	if err != nil {
		return Rules{}, err
	}
	objects, err := source.Build(s.Environment)
	if err != nil {
		return Rules{}, err
	}
	return RulesFor(s, objects)
}
