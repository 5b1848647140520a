package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/quoitbuild/quoit/deploy"
	"github.com/quoitbuild/quoit/deploy/site"
	"github.com/quoitbuild/quoit/manifest"
	"github.com/quoitbuild/quoit/registry"
)

// watchedSite is one site of a ring that is followed.
type watchedSite struct {
	site manifest.Site
	// work connects to the site anew, with credentials as they are now.
	work func(context.Context, *registry.Project) (siteWork, error)
	said string // the error that was said last
}

// settle notes how it went, and whether it is dealt with: what only somebody
// else can change is not tried again until the ring changes.
func (w *watch) settle(s *watchedSite, err error) (dealt bool) {
	refused := errors.As(err, new(*deploy.DowngradeError)) || errors.As(err, new(*deploy.UnrelatedError))
	if refused {
		err = fmt.Errorf("%w: waiting for `quoit deploy %s`", err, s.site.Name)
	}
	w.complain(s.site.Name, &s.said, err)
	return err == nil || refused
}

// deploy brings a site to what the ring holds, or compares objects if it is
// there.
func (w *watch) deploy(ctx context.Context, ring *watchedRing, s *watchedSite, compare bool) error {
	p, err := ring.open(w.flags.options(0))
	if err != nil {
		return err
	}
	work, err := s.work(ctx, p)
	if err != nil {
		return err
	}
	options := deploy.Options{Downgrade: s.site.Downgrade == manifest.DowngradeAuto}
	d, err := work.prepare(ctx, options, false)
	if err != nil {
		w.metrics.deployed(s.site.Name, "refused")
		return err
	}
	if d.Plan.Nothing() && compare {
		if d, err = w.compare(ctx, work, options); err != nil || d == nil {
			return err
		}
	}
	if d.Plan.Nothing() {
		w.metrics.runs(s.site.Name, d.Plan.Target.Version.String())
		return nil
	}
	w.say("%s", newSiteResult(d))
	say := func(line string) { w.say("%s: %s", s.site.Name, line) }
	run := w.flags.settings(site.Jobs{Cluster: work.cluster, Log: harmlessWriter{w.log}, Say: say}, say)
	if err := d.Run(ctx, run); err != nil {
		w.metrics.deployed(s.site.Name, "failed")
		return err
	}
	w.metrics.deployed(s.site.Name, "done")
	w.metrics.runs(s.site.Name, d.Plan.Target.Version.String())
	say("runs " + d.Plan.Target.Version.String() + " now")
	return nil
}

// compare says which objects somebody else has changed, and returns what
// corrects them, nil if nothing is to be done. What others have changed is
// theirs now, so it has to be taken back.
func (w *watch) compare(ctx context.Context, work siteWork, options deploy.Options) (*site.Deployment, error) {
	d, err := work.prepare(ctx, options, true)
	if err != nil {
		return nil, err
	}
	result, err := d.Diff(ctx, io.Discard)
	if err != nil {
		return nil, err
	}
	w.metrics.drifted(work.site.Name, result.Changed())
	if result.Changed() == 0 {
		return nil, nil
	}
	w.say("%s has drifted:\n%s", work.site.Name, result)
	if !w.flags.correct {
		return nil, nil
	}
	options.Again = true
	return work.prepare(ctx, options, true)
}
