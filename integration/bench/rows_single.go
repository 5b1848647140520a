package main

import (
	"context"
	"errors"
	"fmt"
	"os"
)

// oneImage measures a project of one small image against the frontend that
// builds one image.
func (r *runner) oneImage(ctx context.Context) error {
	r.say("one image")
	ours, theirs, err := r.pair(10, usualSize)
	if err != nil {
		return err
	}
	defer func() { _, _ = os.RemoveAll(ours.dir), os.RemoveAll(theirs.dir) }()
	empty, err := r.empty(ctx)
	if err != nil {
		return err
	}
	image, dockerfile := r.quoitImage(ours, r.stack.Registry), r.dockerfile(theirs)
	still := newStage(workOne, ours, image, dockerfile, r.quoitPlan(ours, r.stack.Registry), empty)
	if err := r.release(ctx, ours, r.stack.Registry, still); err != nil {
		return err
	}
	edited := newStage(workOneEdit, ours, image, dockerfile, empty)
	edited.prepare = edit
	return errors.Join(
		r.rounds(ctx, r.plan.short, r.keep, still),
		r.rounds(ctx, r.plan.short, r.keep, edited),
	)
}

// edit changes the sources of a contestant with a single image.
func edit(_ context.Context, round int, c contestant) error {
	if c.project == nil {
		return nil
	}
	return c.project.editSingle(fmt.Sprintf("edit %d", round))
}

// pair is the same single image twice, for us and for docker/dockerfile.
func (r *runner) pair(files, size int) (ours, theirs *project, err error) {
	if ours, err = r.bench.project(single, 1, files, size); err != nil {
		return nil, nil, err
	}
	theirs, err = r.bench.project(single, 1, files, size)
	return ours, theirs, err
}

// hashing measures our hash command against the program sha256sum on the same
// files, both outside of any build and with the files in the page cache.
func (r *runner) hashing(ctx context.Context) error {
	r.say("hashing %d files of %d bytes", r.plan.hugeFiles, hugeSize)
	p, err := r.bench.project(single, 1, r.plan.hugeFiles, hugeSize)
	if err != nil {
		return err
	}
	defer os.RemoveAll(p.dir)
	hash, err := r.hash(p)
	if err != nil {
		return err
	}
	s := newStage(workHash, p, hash, r.sha256sum(p))
	if err := r.warm(ctx, s); err != nil {
		return err
	}
	return r.rounds(ctx, r.plan.short, r.keep, s)
}

// huge measures how a large context is loaded: the same two builds with all files
// new to BuildKit, with nothing changed, and with one file changed. Ours is not
// published, so that both build.
func (r *runner) huge(ctx context.Context) error {
	r.say("one image with %d files of %d bytes", r.plan.hugeFiles, hugeSize)
	ours, theirs, err := r.pair(r.plan.hugeFiles, hugeSize)
	if err != nil {
		return err
	}
	defer func() { _, _ = os.RemoveAll(ours.dir), os.RemoveAll(theirs.dir) }()
	contestants := []contestant{r.quoitImage(ours, r.stack.Registry), r.dockerfile(theirs)}
	for _, row := range []struct {
		name, work string
		prepare    func(context.Context, int, contestant) error
	}{
		{"huge-cold", workHugeAll, func(ctx context.Context, _ int, _ contestant) error { return r.prune(ctx) }},
		{"huge", workHuge, nil},
		{"huge", workHugeOne, edit},
	} {
		if !r.plan.wants(row.name) {
			continue
		}
		s := newStage(row.work, ours, contestants...)
		s.prepare = row.prepare
		// The last of the cold rounds emptied the cache of the first contestant.
		if err := r.warm(ctx, s); err != nil {
			return err
		}
		if err := r.rounds(ctx, r.plan.long, r.keep, s); err != nil {
			return err
		}
	}
	return nil
}
