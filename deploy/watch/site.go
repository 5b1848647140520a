package watch

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/quoitbuild/quoit/deploy"
	"github.com/quoitbuild/quoit/deploy/rollout"
	"github.com/quoitbuild/quoit/deploy/site"
	"github.com/quoitbuild/quoit/internal/show"
	"github.com/quoitbuild/quoit/manifest"
)

// settle notes how it went, and returns the digest that is dealt with, "" if
// none is: what only somebody else can change is not tried again until the ring
// changes.
func (w *Watcher) settle(s *member, digest string, err error) (dealt string) {
	refused := refusedDigest(err)
	if refused != "" {
		err = fmt.Errorf("%w: waiting for `quoit deploy %s`", err, s.site.Name)
	}
	w.complain(s.site.Name, &s.said, err)
	if err != nil {
		return refused
	}
	return digest
}

// refusedDigest is that of a release to which only somebody may go, "" if it is
// not that.
func refusedDigest(err error) string {
	var downgrade *deploy.DowngradeError
	var unrelated *deploy.UnrelatedError
	switch {
	case errors.As(err, &downgrade):
		return downgrade.Target.Digest
	case errors.As(err, &unrelated):
		return unrelated.Target.Digest
	}
	return ""
}

// deploy brings a site to what the ring has, or compares objects if it is
// there. It returns the digest of that.
func (w *Watcher) deploy(ctx context.Context, ring *Ring, s *member, compare bool) (string, error) {
	p, err := ring.open(w.registry(0))
	if err != nil {
		return "", err
	}
	work, err := s.open(ctx, p)
	if err != nil {
		return "", err
	}
	options := deploy.Options{Downgrade: s.site.Downgrade == manifest.DowngradeAuto}
	d, err := work.Prepare(ctx, options, false)
	if err != nil {
		w.metrics.deployed(s.site.Name, "refused")
		return "", err
	}
	digest := d.Plan.Target.Digest
	if d.Plan.Nothing() && compare {
		if d, err = w.compare(ctx, work, options); err != nil || d == nil {
			return digest, err
		}
	}
	if d.Plan.Nothing() {
		w.metrics.runs(s.site.Name, d.Plan.Target.Version.String())
		return d.Plan.Target.Digest, nil
	}
	return d.Plan.Target.Digest, w.carryOut(ctx, work, d)
}

// carryOut runs what was decided, and says so.
func (w *Watcher) carryOut(ctx context.Context, work rollout.Site, d *site.Deployment) error {
	name, target := work.Place.Name, d.Plan.Target.Version.String()
	w.Say("%s", rollout.NewResult(d))
	say := func(line string) { w.Say("%s: %s", name, line) }
	run := w.options.Limits.Run(w.options.Actor, site.Jobs{Cluster: work.Cluster, Log: show.NewWriter(w.options.Log), Say: say}, say)
	if err := d.Run(ctx, run); err != nil {
		w.metrics.deployed(name, "failed")
		return err
	}
	w.metrics.deployed(name, "done")
	w.metrics.runs(name, target)
	say("runs " + target + " now")
	return nil
}

// compare says which objects somebody else has changed, and returns what
// corrects them, nil if nothing is to be done. What others have changed is
// theirs now, so it has to be taken back.
func (w *Watcher) compare(ctx context.Context, work rollout.Site, options deploy.Options) (*site.Deployment, error) {
	d, err := work.Prepare(ctx, options, true)
	if err != nil {
		return nil, err
	}
	result, err := d.Diff(ctx, io.Discard)
	if err != nil {
		return nil, err
	}
	w.metrics.drifted(work.Place.Name, result.Changed())
	if result.Changed() == 0 {
		return nil, nil
	}
	w.Say("%s has drifted:\n%s", work.Place.Name, result)
	if !w.options.Correct {
		return nil, nil
	}
	options.Again = true
	return work.Prepare(ctx, options, true)
}
