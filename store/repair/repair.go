// Package repair brings back what a registry has lost of a project: [Repair] is all of it.
// log.go finds the log's records, images.go what its releases consist of, tags.go puts
// back the tags that follow.
//
// Only the log decides. Each record names the one before it by digest, and images by
// theirs; so whatever is brought back is what it was, wherever it is taken from.
package repair

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/store/records"
)

// Options say what to repair with.
type Options struct {
	Rings []string // all rings of the project in order, ante and post included
	// From is a copy, from which is taken what the registry has lost; nil: only tags
	// are put back, whose contents are still there.
	From registry.Namespace
	// DryRun looks, and writes nothing.
	DryRun bool
}

// Outcome is what a repair did, or with DryRun would do. Next to an error it is what was
// done until then.
type Outcome struct {
	Project string `json:"project"`
	From    string `json:"from,omitempty"`
	DryRun  bool   `json:"dryRun,omitempty"`
	Done    []Step `json:"done"` // in order; never null
	Left    []Step `json:"left"` // what could not be done, and why; never null
}

// Step is one thing that was done, or could not be.
type Step struct {
	Reference string `json:"reference"`
	What      string `json:"what"`
}

// String is the step in one line.
func (s Step) String() string { return s.Reference + ": " + s.What }

// Repair puts back the tags of records, versions and rings, and the hint, as the log says,
// and takes from a copy what the registry has lost of records and of the images of
// releases that were not given up. Whatever it writes has the digest that the log says of
// it. It comes in an order in which it may be stopped anywhere, and be run again: records
// from the newest on, blobs before manifests before what names them, versions, rings, the
// hint.
//
// A version's tag with other contents is put back too: the log gave that version its
// contents before anybody could see it, and every deployment, copy and build goes by
// those. A version that the log does not know is left alone, and so is one whose publish
// was taken back because others had it first, or was given up, or is not done yet.
//
// A mirror is repaired like a project, by what was copied there. The error is an
// [*UnfinishedError]. It wraps a [*registry.RequestError], a [*records.ForkError] if records
// contradict each other, or says that there is no log.
func Repair(ctx context.Context, project *store.Project, options Options) (Outcome, error) {
	r := &repairer{
		project: project, options: options, at: project.Namespace(), pace: project.Namespace().Pace().Filled(),
		read: map[string]records.Sealed{}, decided: map[uint64]string{}, tags: map[string]bool{}, votes: map[vote]bool{}, vouched: map[uint64]string{}, log: map[uint64]records.Record{},
		outcome: Outcome{Project: project.Name(), DryRun: options.DryRun, Done: []Step{}, Left: []Step{}},
	}
	if options.From != nil {
		r.outcome.From = options.From.String()
		if r.outcome.From == r.at.String() {
			err := errors.New("what is repaired and what is copied from are the same: name another registry or folder")
			return r.outcome, &UnfinishedError{At: r.at.String(), Err: err}
		}
	}
	for _, step := range []func(context.Context) error{r.find, r.chain, r.releases, r.versions, r.rings, r.hint} {
		if err := step(ctx); err != nil {
			return r.outcome, &UnfinishedError{At: r.at.String(), Written: r.written.Load() || project.Wrote(), Err: err}
		}
	}
	return r.outcome, nil
}

// UnfinishedError says that a repair did not come to its end.
type UnfinishedError struct {
	At      string // what was repaired
	Written bool   // something was put back, or perhaps
	Err     error
}

// Error is the cause, and what became of it.
func (e *UnfinishedError) Error() string {
	if e.Written && errors.As(e.Err, new(*records.ForkError)) {
		return fmt.Sprintf("repairing %s: %v", e.At, e.Err) // it cannot continue
	}
	return fmt.Sprintf("repairing %s: %v (%s)", e.At, e.Err, e.Becomes())
}

// Becomes says whether something was written, and what to do then.
func (e *UnfinishedError) Becomes() string {
	if e.Written {
		return "run `quoit repair` again, it continues"
	}
	return "nothing was written"
}

// Unwrap returns the cause.
func (e *UnfinishedError) Unwrap() error { return e.Err }

// several does something for 0 … n-1 at once, and notes what it does by reference.
func (r *repairer) several(n int, f func(i int) error) error {
	done, left := len(r.outcome.Done), len(r.outcome.Left)
	err := r.pace.Each(n, f)
	for _, steps := range [][]Step{r.outcome.Done[done:], r.outcome.Left[left:]} {
		slices.SortStableFunc(steps, func(a, b Step) int { return strings.Compare(a.Reference, b.Reference) })
	}
	return err
}

// repairer is one repair.
type repairer struct {
	project *store.Project
	options Options
	at      registry.Namespace
	pace    registry.Pace

	tags    map[string]bool           // all of the log
	votes   map[vote]bool             // those that decided, by its tags
	decided map[uint64]string         // what the tags of records name
	mark    registry.Manifest         // what the hint names
	origin  string                    // of a mirror
	copied  map[string]records.Record // of a mirror: by which its rings were copied
	newest  records.Sealed
	vouched map[uint64]string         // digests of records, as the newest and those before say
	log     map[uint64]records.Record // those that were read, by vouched digests
	closed  bool                      // every tag should follow the newest record
	needs   []image

	written atomic.Bool // something by this repair itself, or perhaps

	mu      sync.Mutex                // of what follows, while several run
	read    map[string]records.Sealed // records, by digest
	outcome Outcome
}

// do does something, unless this is a dry run, and notes it.
func (r *repairer) do(ctx context.Context, reference, what string, act func() error) error {
	if !r.options.DryRun {
		if ctx.Err() != nil {
			return registry.Interrupted(ctx, nil)
		}
		err := act()
		if !registry.Undone(err) {
			r.written.Store(true)
		}
		if other := new(registry.OtherError); errors.As(err, &other) {
			r.leave(reference, fmt.Sprintf("it is %s, and the registry does not let %s take its place", other.Got, other.Wanted))
			return nil
		}
		if err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.outcome.Done = append(r.outcome.Done, Step{reference, what})
	return nil
}

func (r *repairer) leave(reference, what string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.outcome.Left = append(r.outcome.Left, Step{reference, what})
}

// from is a repository of the copy, nil without one.
func (r *repairer) from(image string) registry.Repository {
	if r.options.From == nil {
		return nil
	}
	return r.options.From.Repository(image)
}

// lacking says where something is missing besides, and what would help.
func (r *repairer) lacking() string {
	if r.options.From == nil {
		return "run `quoit repair --from COPY`, which takes it from a copy"
	}
	return r.outcome.From + " lacks it too: name another copy"
}

// put lets a tag name a manifest, where nothing else may be than what was.
func (r *repairer) put(ctx context.Context, image, tag, was string, manifest registry.Manifest) error {
	_, err := r.at.Repository(image).Replace(ctx, tag, was, manifest)
	return err
}

// String is the outcome for people, a line for each thing.
func (o Outcome) String() string {
	var b strings.Builder
	for _, step := range o.Done {
		fmt.Fprintln(&b, step)
	}
	for _, step := range o.Left {
		fmt.Fprintf(&b, "not repaired: %s\n", step)
	}
	switch {
	case len(o.Done)+len(o.Left) == 0:
		fmt.Fprintf(&b, "%s has nothing to put back\n", o.Project)
	case o.DryRun:
		fmt.Fprintf(&b, "%s: %d things would be put back, %d cannot be\n", o.Project, len(o.Done), len(o.Left))
	default:
		fmt.Fprintf(&b, "%s: %d things were put back, %d could not be\n", o.Project, len(o.Done), len(o.Left))
	}
	return b.String()
}
