package repair

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/store/records"
)

// opener opens a blob of the copy.
func opener(from registry.Repository, blob registry.Descriptor) registry.Opener {
	return func(ctx context.Context) (io.ReadCloser, error) { return from.Open(ctx, blob) }
}

// versions puts back the tags of versions.
func (r *repairer) versions(ctx context.Context) error {
	var once []image
	seen := map[[2]string]bool{} // the later assignment of a version counts
	for _, need := range r.needs {
		if key := [2]string{need.name, need.tag}; !seen[key] {
			seen[key] = true
			once = append(once, need)
		}
	}
	return r.several(len(once), func(i int) error { return r.version(ctx, once[i]) })
}

func (r *repairer) version(ctx context.Context, need image) error {
	here := r.at.Repository(need.name)
	was, _, err := here.Head(ctx, need.tag)
	if err != nil || was == need.digest {
		return err
	}
	return r.tag(ctx, need, was, "version")
}

// tag puts a tag back whose manifest is there, or was just taken from the copy.
func (r *repairer) tag(ctx context.Context, need image, was, what string) error {
	here := r.at.Repository(need.name)
	manifest, found, err := here.Get(ctx, need.digest)
	if err = ignoreBroken(err); err != nil {
		return err
	}
	if !found && r.options.DryRun && r.options.From != nil { // it was not taken
		from, err := r.source(need)
		if err == nil && from != nil {
			manifest, found, err = from.Get(ctx, need.digest)
		}
		if err != nil {
			return err
		}
	}
	if !found {
		r.leave(here.Reference(need.tag), fmt.Sprintf("the log says %s, which is gone: %s", need.digest, r.lacking()))
		return nil
	}
	return r.do(ctx, here.Reference(need.tag), putBack(what, need.digest, was), func() error { return r.put(ctx, need.name, need.tag, was, manifest) })
}

// rings lets the rings' tags name what the log says. In a project that is for the
// protocol of the log: others may be moving them.
func (r *repairer) rings(ctx context.Context) error {
	if r.origin != "" {
		return r.copies(ctx)
	}
	table, moved, lost := r.newest.Record.After, []Step{}, false
	for _, ring := range slices.Sorted(maps.Keys(table)) {
		tag := records.TagOf(table, ring)
		here := r.at.Repository(tag.Repository)
		was, _, err := here.Head(ctx, ring)
		if err != nil {
			return err
		}
		if was == tag.Digest || (was == "" || records.IsNothing(was)) && records.IsNothing(tag.Digest) {
			continue
		}
		if _, found, err := here.Head(ctx, tag.Digest); err != nil {
			return err
		} else if !found && !records.IsNothing(tag.Digest) && !r.options.DryRun {
			r.leave(here.Reference(ring), fmt.Sprintf("the log says %s, which is gone: %s", tag.Digest, r.lacking()))
			lost = true
			continue
		}
		moved = append(moved, Step{here.Reference(ring), putBack("ring", tag.Digest, was)})
	}
	if lost { // the protocol lets all rings follow, or none
		for _, step := range moved {
			r.leave(step.Reference, "it was not put back: another ring has a release that is gone, and all rings are put back together")
		}
		return nil
	}
	if !r.options.DryRun && (len(moved) > 0 || !r.closed) {
		if err := r.project.Mend(ctx, r.options.Rings); err != nil {
			return err
		}
	}
	r.outcome.Done = append(r.outcome.Done, moved...)
	return nil
}

// hint lets the hint name a record, if it names none. Every tag follows the newest one by
// now, which is what the hint says.
func (r *repairer) hint(ctx context.Context) error {
	for _, digest := range r.vouched {
		if digest == r.mark.Digest {
			return nil
		}
	}
	log := r.at.Repository(records.Repository)
	switch {
	case r.origin != "":
		return nil
	case r.mark.Digest == "" && r.wasMirror():
		r.leave(log.Reference(string(records.Hint)), "it is gone, and other tags say that this was a mirror: run `quoit copy` to it again")
		return nil
	case r.options.DryRun:
	default:
		if err := r.project.Mend(ctx, r.options.Rings); err != nil {
			return err
		}
	}
	state, err := r.project.State(ctx)
	if err != nil {
		return err
	}
	if state.Newest.Digest != r.newest.Digest {
		return nil // others write, and write the hint
	}
	return r.tag(ctx, image{name: records.Repository, tag: string(records.Hint), digest: r.newest.Digest}, r.mark.Digest, "hint")
}
