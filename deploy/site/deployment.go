package site

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/quoitbuild/quoit/deploy"
	"github.com/quoitbuild/quoit/deploy/apply"
)

// Goal is what a deploy is for.
type Goal struct {
	// Target is where the site is to go, nil if it is to be removed.
	Target   *deploy.Release
	Releases Releases
	Options  deploy.Options
	// TakeOver takes fields that somebody else owns, instead of stopping.
	TakeOver bool
}

// Deployment is a decided change of a site.
type Deployment struct {
	Site Site
	Plan deploy.Plan
	// Before is the record that it was decided by.
	Before deploy.Record
	// Values says that the site is where it should be, but was made with other
	// values than it has now.
	Values bool

	cluster  *Cluster
	goal     Goal
	kept     kept
	descends deploy.Descends
	written  bool   // a request that writes was sent, and not refused
	state    string // of the newest step, as in [UnfinishedError]
}

// Prepare reads a site's record and decides what has to be done. It changes
// nothing. Errors are those of [deploy.Decide], or of reading.
func (c *Cluster) Prepare(ctx context.Context, s Site, goal Goal) (*Deployment, error) {
	found, err := c.read(ctx, s)
	if err != nil {
		return nil, err
	}
	d := &Deployment{Site: s, Before: found.record, cluster: c, goal: goal, kept: found}
	releases := slices.Clone(found.record.Reached)
	if goal.Target != nil {
		releases = append(releases, *goal.Target)
	}
	if d.descends, err = goal.Releases.Lineage(ctx, releases); err != nil {
		return nil, fmt.Errorf("reading where the releases of site %s come from: %w", s.Name, err)
	}
	if goal.Target == nil {
		d.Plan = deploy.DecideUninstall(found.record, d.descends)
		return d, nil
	}
	if d.Plan, err = deploy.Decide(found.record, *goal.Target, d.descends, goal.Options); err != nil {
		return nil, err
	}
	if d.Plan.Nothing() {
		if d.Values, err = apply.ValuesChanged(ctx, c.Config, s.Namespace, s.Name); err != nil {
			return nil, explain(s, "looking for changed values of site "+s.Name, err)
		}
	}
	if d.Values {
		goal.Options.Again = true
		d.Plan, err = deploy.Decide(found.record, *goal.Target, d.descends, goal.Options)
	}
	return d, err
}

// Downgrades reports whether the site goes back.
func (d *Deployment) Downgrades() bool {
	return slices.ContainsFunc(d.Plan.Steps, func(s deploy.Step) bool { return s.Action == deploy.Downgrade || s.Action == deploy.Restore })
}

// Run says how a deployment is carried out.
type Run struct {
	Actor string // who deploys
	// Runner runs the steps.
	Runner Runner
	// Timeout is for one step, Start for how long it may take until it runs.
	Timeout, Start time.Duration
	// Wait bounds each wait of a root image; zero leaves that to it.
	Wait time.Duration
	// Say gets a line about what is going on; it may be nil.
	Say func(string)
}

// Run carries the plan out: under the site's lease, each step recorded before
// and after it. It is over at the first step that fails. If ctx ends, the step
// that runs goes on, and the next deploy to the same target goes on with it.
//
// Errors are a [*HeldError], a [*MovedError], a [*LostError] or a [*StepError]. All others,
// and every one once ctx has ended, are in an [*UnfinishedError].
func (d *Deployment) Run(ctx context.Context, run Run) error {
	err := d.run(ctx, run)
	known := errors.As(err, new(*HeldError)) || errors.As(err, new(*MovedError)) || errors.As(err, new(*LostError)) || errors.As(err, new(*StepError))
	if err == nil || known && ctx.Err() == nil {
		return err
	}
	return &UnfinishedError{Site: d.Site.Name, Removes: d.Plan.Target == nil, Written: d.written, State: d.state, Err: err}
}

func (d *Deployment) run(ctx context.Context, run Run) (err error) {
	if run.Say == nil {
		run.Say = func(string) {}
	}
	if d.Plan.Nothing() && d.Plan.Target != nil {
		return nil
	}
	held, err := d.cluster.acquire(ctx, d.Site, run.Actor, func() { d.written = true })
	if err != nil {
		d.written = d.written && passing(err) // a lease that was refused is none
		return err
	}
	released := context.WithoutCancel(ctx)
	ctx, cancel := context.WithCancelCause(ctx)
	kept := make(chan struct{})
	go func() {
		defer close(kept)
		held.keep(ctx, cancel)
	}()
	defer func() {
		lost := new(LostError)
		if errors.As(context.Cause(ctx), &lost) {
			err = lost
		}
		cancel(nil)
		<-kept
		held.release(released)
	}()
	for i := range d.Plan.Steps {
		if err := d.step(ctx, run, i); err != nil {
			return err
		}
	}
	if d.Plan.Target == nil {
		return d.cluster.forget(ctx, d.Site, d.kept)
	}
	return nil
}

// step runs one step between its two records.
func (d *Deployment) step(ctx context.Context, run Run, i int) error {
	step, before := d.Plan.Steps[i], d.kept.record
	images, err := d.goal.Releases.Images(ctx, step.Run)
	if err != nil {
		return fmt.Errorf("reading release %s: %w", step.Run.Version, err)
	}
	begun := before.Begin(d.Plan, i, d.descends)
	attempt, err := identify(begun)
	if err != nil {
		return err
	}
	task := Task{Site: d.Site, Step: step, Images: images, TakeOver: d.goal.TakeOver, Timeout: run.Timeout, Start: run.Start, Wait: run.Wait, Attempt: attempt}
	last := d.state
	d.state = step.String() + " was begun, and how it ends is not known"
	if d.kept, err = d.cluster.write(ctx, d.Site, d.kept, begun, run.Actor); err != nil {
		if !passing(err) {
			d.state = last
		}
		return err
	}
	if err := d.cluster.sweep(ctx, d.Site, run.Runner.Resumes(task), run.Say); err != nil {
		return err
	}
	d.cluster.tell(ctx, d.Site, d.kept, run.Actor, reasonDeploying, step.String())
	run.Say(step.String())
	failure := run.Runner.Run(ctx, task)
	if ctx.Err() != nil {
		// Nobody knows how the step ends, so its beginning is what the record says.
		return context.Cause(ctx)
	}
	outcome, result := deploy.Done, deploy.Result{Time: time.Now().UTC().Truncate(time.Second)}
	reason, message := reasonDeployed, step.String()
	if failure != nil {
		outcome, result.Error = outcomeOf(failure), failure.Error()
		reason, message = reasonFailed, failure.Error()
	}
	d.kept, err = d.cluster.write(ctx, d.Site, d.kept, before.Finish(d.Plan, i, outcome, result, d.descends), run.Actor)
	if err != nil {
		return errors.Join(failure, err)
	}
	d.state = step.String() + " has ended"
	d.cluster.tell(ctx, d.Site, d.kept, run.Actor, reason, message)
	return failure
}

// outcomeOf is what the record says of a step that has not ended well.
func outcomeOf(err error) deploy.Outcome {
	failed := new(StepError)
	if errors.As(err, &failed) {
		return failed.Outcome()
	}
	return deploy.Failed
}

// identify tells the attempts of a step from each other: the record of one that
// was begun stays as it is until somebody knows how it ended.
func identify(begun deploy.Record) (string, error) {
	text, err := deploy.Format(begun)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), nil
}
