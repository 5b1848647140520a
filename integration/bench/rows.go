package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/quoitbuild/quoit/internal/testkit/proxy"
)

// runner runs the rows that were asked for.
type runner struct {
	*bench
	plan plan
	keep func(*Row) error
}

// all runs everything that is wanted, each part on an empty BuildKit.
func (r *runner) all(ctx context.Context) error {
	for _, images := range r.plan.sizes {
		if !r.plan.wants("noop") && !r.plan.wants("cycle") && !r.plan.wants("cold") {
			break
		}
		if err := r.fresh(ctx); err != nil {
			return err
		}
		if err := r.project(ctx, star, images); err != nil {
			return err
		}
	}
	for _, part := range []struct {
		rows string
		run  func(context.Context) error
	}{
		{"chain", func(ctx context.Context) error { return r.project(ctx, chain, 10) }},
		{"root-context", func(ctx context.Context) error { return r.project(ctx, rootContext, 100) }},
		{"files", r.files},
		{"latency", r.latency},
		{"one-image", r.oneImage},
		{"hash", r.hashing},
		{"huge-cold,huge", r.huge},
	} {
		if !slices.ContainsFunc(strings.Split(part.rows, ","), r.plan.wants) {
			continue
		}
		if err := r.fresh(ctx); err != nil {
			return err
		}
		if err := part.run(ctx); err != nil {
			return err
		}
	}
	return nil
}

// project measures one kind of project: nothing to do, then base, first leaf
// and leaf in turns, then cold.
func (r *runner) project(ctx context.Context, s shape, images int) error {
	r.say("%s, N=%d", s, images)
	ours, err := r.bench.project(s, images, usualFiles, usualSize)
	if err != nil {
		return err
	}
	theirs, err := r.bench.project(s, images, usualFiles, usualSize)
	if err != nil {
		return err
	}
	defer func() { _, _ = os.RemoveAll(ours.dir), os.RemoveAll(theirs.dir) }()
	if err := r.noop(ctx, ours, theirs); err != nil {
		return err
	}
	if r.plan.wants("cycle") {
		if err := r.cycle(ctx, ours, theirs); err != nil {
			return err
		}
	}
	if r.plan.wants("cold") {
		return r.cold(ctx, ours, theirs)
	}
	return nil
}

// noopStage has everybody who can do nothing, bake in the ways that are named.
func (r *runner) noopStage(ctx context.Context, work string, ours, theirs *project, host string, bakes ...string) (stage, error) {
	empty, err := r.empty(ctx)
	// Ours begin side by side: what follows a bake follows another load.
	contestants := []contestant{r.quoitBuild(ours, host), r.quoitPlan(ours, host), r.quoitImage(ours, host)}
	for _, name := range bakes {
		contestants = append(contestants, r.bake(name, theirs, host))
	}
	return newStage(work, ours, append(contestants, empty)...), err
}

var allBakes = []string{nameBake, nameBakePlain, nameBakeDry}

// release publishes a project into its first two rings, as it is usual, and
// warms up for a stage.
func (r *runner) release(ctx context.Context, p *project, host string, s stage) error {
	r.say("  the first release")
	if err := r.run(ctx, r.quoitBuild(p, host).command); err != nil {
		return err
	}
	shift := command{dir: p.dir, args: []string{r.quoit, "shift", "--to", "testers"}, env: []string{"QUOIT_REGISTRY=" + host}}
	if err := r.run(ctx, shift); err != nil {
		return err
	}
	return r.warm(ctx, s)
}

// noop also warms up for all rows after it.
func (r *runner) noop(ctx context.Context, ours, theirs *project) error {
	bakes := allBakes
	if ours.images > 300 {
		bakes = nil // it takes minutes each, which say nothing new
	}
	s, err := r.noopStage(ctx, workNoop, ours, theirs, r.stack.Registry, bakes...)
	if err != nil {
		return err
	}
	if err := r.release(ctx, ours, r.stack.Registry, s); err != nil {
		return err
	}
	if !r.plan.wants("noop") {
		return nil
	}
	return r.rounds(ctx, r.plan.short, r.keep, s)
}

// cycle changes and publishes the base, then a service that was not built since,
// then the same service once more.
func (r *runner) cycle(ctx context.Context, ours, theirs *project) error {
	host, leaf := r.stack.Registry, ours.leaf()
	base := newStage(workBase, ours, r.quoitBuild(ours, host), r.bake(nameBake, theirs, host))
	base.prepare = func(_ context.Context, round int, c contestant) error {
		return c.project.writeBase(fmt.Sprintf("edit %d", round))
	}
	stages := []stage{base}
	for _, work := range []string{workFirst, workLeaf} {
		s := newStage(work, ours, r.quoitBuild(ours, host), r.bake(nameBake, theirs, host, leaf))
		s.prepare = func(_ context.Context, round int, c contestant) error {
			return c.project.editLeaf(leaf, fmt.Sprintf("%s %d", work, round))
		}
		stages = append(stages, s)
	}
	return r.rounds(ctx, r.plan.long, r.keep, stages...)
}

// cold builds a project that nobody has seen on a BuildKit with nothing in its
// cache. It leaves neither cache nor projects to go on with.
func (r *runner) cold(ctx context.Context, ours, theirs *project) error {
	host := r.stack.Registry
	s := newStage(workCold, ours, r.quoitBuild(ours, host), r.bake(nameBake, theirs, host))
	if ours.images <= 100 {
		s.contestants = append(s.contestants, r.bake(nameBakePlain, theirs, host))
		s.row.Series = append(s.row.Series, &Series{Contestant: nameBakePlain})
	}
	s.prepare = func(ctx context.Context, _ int, c contestant) error {
		return errors.Join(r.renew(c.project), r.prune(ctx))
	}
	return r.rounds(ctx, r.plan.long, r.keep, s)
}

// files measures a no-op with fewer and with more files in as many images.
func (r *runner) files(ctx context.Context) error {
	for _, files := range []int{2, 200} {
		if err := r.withFiles(ctx, files); err != nil {
			return err
		}
	}
	return nil
}

func (r *runner) withFiles(ctx context.Context, files int) error {
	r.say("N=100, %d files each", files)
	p, err := r.bench.project(star, 100, files, usualSize)
	if err != nil {
		return err
	}
	defer os.RemoveAll(p.dir)
	s, err := r.noopStage(ctx, workFiles, p, p, r.stack.Registry, nameBake, nameBakeDry)
	if err != nil {
		return err
	}
	if err := r.release(ctx, p, r.stack.Registry, s); err != nil {
		return err
	}
	return r.rounds(ctx, r.plan.short, r.keep, s)
}

// latency measures a no-op of 100 images with a registry that is slow to answer.
func (r *runner) latency(ctx context.Context) error {
	p, err := r.bench.project(star, 100, usualFiles, usualSize)
	if err != nil {
		return err
	}
	defer os.RemoveAll(p.dir)
	between, err := proxy.Start(r.stack.Registry)
	if err != nil {
		return err
	}
	defer between.Close()
	for i, delay := range r.plan.delays {
		r.say("a registry with %d ms more for each answer", delay)
		s, err := r.noopStage(ctx, workLatency, p, p, between.Host, nameBake)
		if err != nil {
			return err
		}
		s.row.DelayMS = delay
		between.Use()
		if i == 0 {
			if err := r.release(ctx, p, between.Host, s); err != nil {
				return err
			}
		}
		if delay > 0 {
			between.Use(proxy.Rule{Fault: proxy.Delay(time.Duration(delay) * time.Millisecond)})
		}
		if err := r.rounds(ctx, r.plan.short, r.keep, s); err != nil {
			return err
		}
	}
	return nil
}
