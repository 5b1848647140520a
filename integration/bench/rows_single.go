package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/quoitbuild/quoit/integration/bench/measure"
	"github.com/quoitbuild/quoit/integration/bench/project"
	"github.com/quoitbuild/quoit/integration/bench/report"
)

// oneImage measures a project of one small image against the frontend that
// builds one image.
func (r *runner) oneImage(ctx context.Context) error {
	r.Say("one image")
	ours, theirs, err := r.pair(10, project.UsualSize)
	if err != nil {
		return err
	}
	defer func() { _, _ = os.RemoveAll(ours.Dir), os.RemoveAll(theirs.Dir) }()
	empty, err := r.Empty(ctx)
	if err != nil {
		return err
	}
	image, dockerfile := r.QuoitImage(ours, r.Stack.Registry), r.Dockerfile(theirs)
	still := measure.NewStage(report.WorkOne, ours, image, dockerfile, r.QuoitPlan(ours, r.Stack.Registry), empty)
	if err := r.release(ctx, ours, r.Stack.Registry, still); err != nil {
		return err
	}
	edited := measure.NewStage(report.WorkOneEdit, ours, image, dockerfile, empty)
	edited.Prepare = edit
	return errors.Join(
		r.Rounds(ctx, r.plan.short, r.keep, still),
		r.Rounds(ctx, r.plan.short, r.keep, edited),
	)
}

// edit changes the sources of a contestant with a single image.
func edit(_ context.Context, round int, c measure.Contestant) error {
	if c.Project == nil {
		return nil
	}
	return c.Project.EditSingle(fmt.Sprintf("edit %d", round))
}

// pair is the same single image twice, for us and for docker/dockerfile.
func (r *runner) pair(files, size int) (ours, theirs *project.Project, err error) {
	if ours, err = r.Bench.Project(project.Single, 1, files, size); err != nil {
		return nil, nil, err
	}
	theirs, err = r.Bench.Project(project.Single, 1, files, size)
	return ours, theirs, err
}

// hashing measures our hash command against the program sha256sum on the same
// files, both outside of any build and with the files in the page cache.
func (r *runner) hashing(ctx context.Context) error {
	r.Say("hashing %d files of %d bytes", r.plan.hugeFiles, project.HugeSize)
	p, err := r.Bench.Project(project.Single, 1, r.plan.hugeFiles, project.HugeSize)
	if err != nil {
		return err
	}
	defer os.RemoveAll(p.Dir)
	hash, err := r.Hash(p)
	if err != nil {
		return err
	}
	s := measure.NewStage(report.WorkHash, p, hash, r.SHA256Sum(p))
	if err := r.Warm(ctx, s); err != nil {
		return err
	}
	return r.Rounds(ctx, r.plan.short, r.keep, s)
}

// huge measures how a large context is loaded: the same two builds with all files
// new to BuildKit, with nothing changed, and with one file changed. Ours is not
// published, so that both build.
func (r *runner) huge(ctx context.Context) error {
	r.Say("one image with %d files of %d bytes", r.plan.hugeFiles, project.HugeSize)
	ours, theirs, err := r.pair(r.plan.hugeFiles, project.HugeSize)
	if err != nil {
		return err
	}
	defer func() { _, _ = os.RemoveAll(ours.Dir), os.RemoveAll(theirs.Dir) }()
	if r.plan.wants("huge-look") {
		if err := r.hugeLook(ctx, ours); err != nil {
			return err
		}
	}
	contestants := []measure.Contestant{r.QuoitImage(ours, r.Stack.Registry), r.Dockerfile(theirs)}
	for _, row := range []struct {
		name, work string
		prepare    func(context.Context, int, measure.Contestant) error
	}{
		{"huge-cold", report.WorkHugeAll, func(ctx context.Context, _ int, _ measure.Contestant) error { return r.Prune(ctx) }},
		{"huge", report.WorkHuge, nil},
		{"huge", report.WorkHugeOne, edit},
	} {
		if !r.plan.wants(row.name) {
			continue
		}
		s := measure.NewStage(row.work, ours, contestants...)
		s.Prepare = row.prepare
		// The last of the cold rounds emptied the cache of the first contestant.
		if err := r.Warm(ctx, s); err != nil {
			return err
		}
		if err := r.Rounds(ctx, r.plan.long, r.keep, s); err != nil {
			return err
		}
	}
	return nil
}

// hugeLook measures a plan beside git status of the same tree, nothing changed.
func (r *runner) hugeLook(ctx context.Context, p *project.Project) error {
	status, err := r.GitStatus(ctx, p)
	if err != nil {
		return err
	}
	defer os.RemoveAll(filepath.Join(p.Dir, ".git"))
	s := measure.NewStage(report.WorkLook, p, r.QuoitPlan(p, r.Stack.Registry), status)
	if err := r.Warm(ctx, s); err != nil {
		return err
	}
	return r.Rounds(ctx, r.plan.short, r.keep, s)
}
