package main

import (
	"context"
	"errors"
	"io"
	"time"

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
	wake chan string // what the ring holds, the newest only

	done     string // what was dealt with
	failures int
	skip     int       // so many polls are let pass
	resynced time.Time // when objects were compared last
	said     string
}

// tell wakes the site. It never waits.
func (s *watchedSite) tell(digest string) {
	select {
	case <-s.wake: // an older one
	default:
	}
	s.wake <- digest
}

// tend deploys to a site whenever there is a reason.
func (w *watch) tend(ctx context.Context, ring *watchedRing, s *watchedSite) error {
	s.resynced = time.Now()
	for last := ""; ; {
		var digest string
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case digest = <-s.wake:
		}
		if digest != last {
			last, s.failures, s.skip = digest, 0, 0
		}
		resync := w.flags.resync > 0 && time.Since(s.resynced) >= w.flags.resync
		if digest == s.done && !resync || digest == "" {
			continue
		}
		if s.skip > 0 {
			s.skip--
			continue
		}
		err := w.bring(ctx, ring, s, resync)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		w.settle(s, digest, err)
	}
}

// settle notes how it went. What only somebody else can change is not tried
// again until the ring changes.
func (w *watch) settle(s *watchedSite, digest string, err error) {
	if err == nil {
		s.done, s.failures, s.said = digest, 0, ""
		return
	}
	if text := err.Error(); text != s.said {
		s.said = text
		w.say("%s: %s", s.site.Name, text)
	}
	if errors.As(err, new(*deploy.DowngradeError)) || errors.As(err, new(*deploy.UnrelatedError)) {
		s.done = digest
		return
	}
	s.failures++
	s.skip = min(1<<min(s.failures, 10), 32) - 1
}

// bring deploys what the ring holds, or compares objects if it is there.
func (w *watch) bring(ctx context.Context, ring *watchedRing, s *watchedSite, resync bool) error {
	if resync {
		s.resynced = time.Now()
	}
	p, err := ring.open()
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
	if d.Plan.Nothing() && resync {
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
