package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/quoitbuild/quoit/integration/bench/measure"
	"github.com/quoitbuild/quoit/integration/bench/project"
	"github.com/quoitbuild/quoit/integration/bench/report"

	"github.com/quoitbuild/quoit/internal/testkit/proxy"
)

// runner runs the rows that were asked for.
type runner struct {
	*measure.Bench
	plan plan
	keep func(*report.Row) error
}

// all runs everything that is wanted, each part on an empty BuildKit.
func (r *runner) all(ctx context.Context) error {
	for _, images := range r.plan.sizes {
		if !r.plan.wants("noop") && !r.plan.wants("cycle") && !r.plan.wants("cold") {
			break
		}
		if err := r.Fresh(ctx); err != nil {
			return err
		}
		if err := r.project(ctx, project.Star, images); err != nil {
			return err
		}
	}
	for _, part := range []struct {
		rows string
		run  func(context.Context) error
	}{
		{"chain", func(ctx context.Context) error { return r.project(ctx, project.Chain, 10) }},
		{"root-context", func(ctx context.Context) error { return r.project(ctx, project.RootContext, 100) }},
		{"files", r.files},
		{"latency", r.latency},
		{"one-image", r.oneImage},
		{"hash", r.hashing},
		{"huge-look,huge-cold,huge", r.huge},
	} {
		if !slices.ContainsFunc(strings.Split(part.rows, ","), r.plan.wants) {
			continue
		}
		if err := r.Fresh(ctx); err != nil {
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
func (r *runner) project(ctx context.Context, s project.Shape, images int) error {
	r.Say("%s, N=%d", s, images)
	ours, err := r.Bench.Project(s, images, project.UsualFiles, project.UsualSize)
	if err != nil {
		return err
	}
	theirs, err := r.Bench.Project(s, images, project.UsualFiles, project.UsualSize)
	if err != nil {
		return err
	}
	defer func() { _, _ = os.RemoveAll(ours.Dir), os.RemoveAll(theirs.Dir) }()
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
func (r *runner) noopStage(ctx context.Context, work string, ours, theirs *project.Project, host string, bakes ...string) (measure.Stage, error) {
	empty, err := r.Empty(ctx)
	// Ours begin side by side: what follows a bake follows another load.
	contestants := []measure.Contestant{
		r.Start(ours), r.QuoitBuild(ours, host), r.QuoitPlan(ours, host), r.QuoitFresh(ours, host), r.QuoitImage(ours, host),
	}
	for _, name := range bakes {
		contestants = append(contestants, r.Bake(name, theirs, host))
	}
	return measure.NewStage(work, ours, append(contestants, empty)...), err
}

var allBakes = []string{report.NameBake, report.NameBakePlain, report.NameBakeDry}

// release publishes a project into its first two rings, as it is usual, and
// warms up for a stage.
func (r *runner) release(ctx context.Context, p *project.Project, host string, s measure.Stage) error {
	r.Say("  the first release")
	if err := r.Run(ctx, r.QuoitBuild(p, host).Command); err != nil {
		return err
	}
	shift := measure.Command{Dir: p.Dir, Args: []string{r.Quoit, "shift", "--to", "testers"}, Env: []string{"QUOIT_REGISTRY=" + host}}
	if err := r.Run(ctx, shift); err != nil {
		return err
	}
	return r.Warm(ctx, s)
}

// noop also warms up for all rows after it.
func (r *runner) noop(ctx context.Context, ours, theirs *project.Project) error {
	bakes := allBakes
	if ours.Images > 300 {
		bakes = nil // it takes minutes each, which say nothing new
	}
	s, err := r.noopStage(ctx, report.WorkNoop, ours, theirs, r.Stack.Registry, bakes...)
	if err != nil {
		return err
	}
	single, err := r.Bench.Project(project.Single, 1, 10, project.UsualSize)
	if err != nil {
		return err
	}
	defer os.RemoveAll(single.Dir)
	s.Add(r.Dockerfile(single))
	if err := r.release(ctx, ours, r.Stack.Registry, s); err != nil {
		return err
	}
	if !r.plan.wants("noop") {
		return nil
	}
	if err := r.Rounds(ctx, r.plan.short, r.keep, s); err != nil || bakes == nil {
		return err
	}
	return r.busy(ctx, ours, theirs)
}

// busy measures a no-op right after a build and beside one. What was built is as
// before when it ends.
func (r *runner) busy(ctx context.Context, ours, theirs *project.Project) error {
	host := r.Stack.Registry
	other := r.Bake(report.NameBake, theirs, host)
	s := measure.NewStage(report.WorkBusy, ours, r.QuoitBuild(ours, host), r.QuoitAfter(ours, host, other), r.QuoitBeside(ours, host, other))
	if err := r.Rounds(ctx, r.plan.long, r.keep, s); err != nil {
		return err
	}
	return errors.Join(theirs.WriteBase(""), r.Run(ctx, other.Command))
}

// cycle changes and publishes the base, then a service that was not built since,
// then the same service once more.
func (r *runner) cycle(ctx context.Context, ours, theirs *project.Project) error {
	host, leaf := r.Stack.Registry, ours.Leaf()
	base := measure.NewStage(report.WorkBase, ours, r.QuoitBuild(ours, host), r.Bake(report.NameBake, theirs, host))
	base.Prepare = func(_ context.Context, round int, c measure.Contestant) error {
		return c.Project.WriteBase(fmt.Sprintf("edit %d", round))
	}
	stages := []measure.Stage{base}
	for _, work := range []string{report.WorkFirst, report.WorkLeaf} {
		s := measure.NewStage(work, ours, r.QuoitBuild(ours, host), r.Bake(report.NameBake, theirs, host, leaf), r.Bake(report.NameBakeAll, theirs, host))
		s.Prepare = func(_ context.Context, round int, c measure.Contestant) error {
			return c.Project.EditLeaf(leaf, fmt.Sprintf("%s %d", work, round))
		}
		stages = append(stages, s)
	}
	return r.Rounds(ctx, r.plan.long, r.keep, stages...)
}

// cold builds a project that nobody has seen on a BuildKit with nothing in its
// cache. It leaves neither cache nor projects to go on with.
func (r *runner) cold(ctx context.Context, ours, theirs *project.Project) error {
	host := r.Stack.Registry
	s := measure.NewStage(report.WorkCold, ours, r.QuoitBuild(ours, host), r.Bake(report.NameBake, theirs, host))
	if ours.Images <= 100 {
		s.Add(r.Bake(report.NameBakePlain, theirs, host))
	}
	s.Prepare = func(ctx context.Context, _ int, c measure.Contestant) error {
		return errors.Join(r.Renew(c.Project), r.Prune(ctx))
	}
	return r.Rounds(ctx, r.plan.long, r.keep, s)
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
	r.Say("N=100, %d files each", files)
	p, err := r.Bench.Project(project.Star, 100, files, project.UsualSize)
	if err != nil {
		return err
	}
	defer os.RemoveAll(p.Dir)
	s, err := r.noopStage(ctx, report.WorkFiles, p, p, r.Stack.Registry, report.NameBake, report.NameBakeDry)
	if err != nil {
		return err
	}
	if err := r.release(ctx, p, r.Stack.Registry, s); err != nil {
		return err
	}
	return r.Rounds(ctx, r.plan.short, r.keep, s)
}

// latency measures a no-op of 100 images with a registry that is slow to answer.
func (r *runner) latency(ctx context.Context) error {
	p, err := r.Bench.Project(project.Star, 100, project.UsualFiles, project.UsualSize)
	if err != nil {
		return err
	}
	defer os.RemoveAll(p.Dir)
	between, err := proxy.Start(r.Stack.Registry)
	if err != nil {
		return err
	}
	defer between.Close()
	for i, delay := range r.plan.delays {
		r.Say("a registry with %d ms more for each answer", delay)
		s, err := r.noopStage(ctx, report.WorkLatency, p, p, between.Host, report.NameBake)
		if err != nil {
			return err
		}
		s.Row.DelayMS = delay
		between.Use()
		if i == 0 {
			if err := r.release(ctx, p, between.Host, s); err != nil {
				return err
			}
		}
		if delay > 0 {
			between.Use(proxy.Rule{Fault: proxy.Delay(time.Duration(delay) * time.Millisecond)})
		}
		if err := r.Rounds(ctx, r.plan.short, r.keep, s); err != nil {
			return err
		}
	}
	return nil
}
