// Package prune gives up the releases of a project that nothing needs: [Prune] is all
// of it. plan.go finds what that is, write.go does it.
package prune

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/versioning"
)

// Options say what is still needed.
type Options struct {
	Rings  []string // all rings of the project in order, ante and post included
	Author store.Author
	// Keep is how many of the newest records count: what rings had then stays.
	// At least 1.
	Keep int
	// Needed are more releases that stay, by version.
	Needed []versioning.Version
	// DryRun only says what would happen.
	DryRun bool
}

// Outcome is what a prune does, dry or not. Its lists are never nil.
type Outcome struct {
	Project string `json:"project"`
	// Releases are those that are given up by this prune, by version.
	Releases []store.ReleaseName `json:"releases"`
	Kept     int                 `json:"kept"` // releases that stay
	// Tags are versions that no kept release has, with what they named: those of
	// Releases, and of earlier prunes that did not come to their end.
	Tags []store.Tag `json:"tags"`
	// Votes are tags of the log that matter no longer.
	Votes []string `json:"votes"`
	// Notes say what the registry did not let happen.
	Notes []string `json:"notes"`
	// Record is the number of its record, 0 if none was written.
	Record uint64 `json:"-"`
}

// Prune gives up the releases that nothing needs: no ring has them, or had
// them in the newest records; undoing the newest shift of a ring, or the one below it,
// does not bring them back; no image has its newest version in them; and the caller
// does not need them. First a record says so, from which on no ring can get them
// back. Then the tags of versions that are in no other release get an empty image,
// so the registry may free what they named and the version is taken for ever, and
// old votes are deleted, by tag, if the registry deletes just that tag. No record
// is ever deleted. What was stopped is completed by the next prune. If a record is gone,
// all that was published up to it stays, as nobody knows what else has its images.
//
// Errors are an [*UnfinishedError], or an [*store.OperationError], which wraps a [*store.MirrorError], a [*store.ForeignError],
// an [*store.UnknownError] or a [*registry.RequestError].
func Prune(ctx context.Context, project *store.Project, options Options) (Outcome, error) {
	at := project.Namespace()
	r := &pruner{
		project: project, at: at, pace: at.Pace(), options: options,
		reader: records.NewLog(project.Source()), log: map[uint64]records.Sealed{},
	}
	err := r.prune(ctx)
	if err != nil && r.begun {
		err = &UnfinishedError{Project: project.Name(), Record: r.outcome.Record, Err: err}
	} else if err != nil {
		err = &store.OperationError{Project: project.Name(), Operation: records.OpPrune, Others: project.Wrote(), Err: err}
	}
	return r.outcome, err
}

// pruner is one prune.
type pruner struct {
	project *store.Project
	at      registry.Namespace
	pace    registry.Pace
	options Options
	reader  *records.Log
	log     map[uint64]records.Sealed
	last    uint64 // up to which the log was read
	gap     uint64 // the last record that is gone, 0 if none is
	newest  records.Sealed
	pruned  versioning.Lineage // afterwards
	outcome Outcome
	begun   bool // to bury and to sweep
}

// plansAgain is how often a prune is planned anew because somebody else has written.
const plansAgain = 20

// UnfinishedError says that a prune did not come to its end after its record.
type UnfinishedError struct {
	Project string
	Record  uint64 // that gave releases up, 0 for an earlier prune's
	Err     error
}

// Error is the cause, and what to do.
func (e *UnfinishedError) Error() string {
	return fmt.Sprintf("prune of %s: %v; %s", e.Project, e.Err, e.Becomes())
}

// Becomes says what was done, and what to do.
func (e *UnfinishedError) Becomes() string {
	const again = "run `quoit prune` again, it continues"
	if e.Record > 0 {
		return fmt.Sprintf("releases were given up by record %d: %s", e.Record, again)
	}
	return again
}

// Unwrap returns the cause.
func (e *UnfinishedError) Unwrap() error { return e.Err }

// errStale says that the log has moved since it was read.
var errStale = errors.New("the log has moved")

func (r *pruner) prune(ctx context.Context) error {
	mark, found, err := r.at.Repository(records.Repository).Get(ctx, string(records.Hint))
	if err != nil {
		return err
	}
	if origin, is := store.OriginOf(mark); found && is {
		return &store.MirrorError{Mirror: r.at.String(), Origin: origin}
	}
	for again := 0; ; again++ {
		if err := r.read(ctx); err != nil {
			return err
		}
		if err := r.plan(ctx); err != nil || r.options.DryRun {
			return err
		}
		err := r.append(ctx)
		if errors.Is(err, errStale) && again < plansAgain {
			continue
		}
		if errors.Is(err, errStale) {
			return &store.OvertakenError{Record: r.newest.Record}
		}
		if err != nil {
			return err
		}
		r.begun = true
		if err := r.bury(ctx); err != nil {
			return err
		}
		return r.sweep(ctx)
	}
}

// read reads the records that were not read yet.
func (r *pruner) read(ctx context.Context) (err error) {
	if r.newest, err = r.reader.Newest(ctx); err != nil {
		return err
	}
	if r.newest.Digest == "" {
		return errors.New("there is no log: nothing was published yet, or only by an older quoit")
	}
	var mu sync.Mutex
	first, last := r.last+1, r.newest.Record.Sequence
	r.last = last
	return r.pace.Each(int(last+1-first), func(i int) error {
		sealed, err := r.reader.Record(ctx, first+uint64(i))
		mu.Lock()
		defer mu.Unlock()
		if gone := new(records.GoneError); errors.As(err, &gone) {
			r.gap = max(r.gap, first+uint64(i))
			return nil
		}
		if err == nil {
			r.log[first+uint64(i)] = sealed
		}
		return err
	})
}

// append writes the record, if there is something to give up.
func (r *pruner) append(ctx context.Context) error {
	if len(r.outcome.Releases) == 0 {
		return nil
	}
	operation := func(newest records.Record) (records.Record, error) {
		if newest.Sequence != r.newest.Record.Sequence {
			return records.Record{}, errStale
		}
		record := newest.Following(records.OpPrune)
		record.Pruned = r.pruned
		return record, nil
	}
	sealed, err := r.project.Append(ctx, r.options.Author, r.options.Rings, operation)
	r.outcome.Record = sealed.Record.Sequence
	return err
}

// String is the outcome for people, a line for each image.
func (o Outcome) String() string {
	var b strings.Builder
	if len(o.Releases)+len(o.Tags)+len(o.Votes) == 0 {
		fmt.Fprintf(&b, "%s has nothing to prune: %d releases are needed\n", o.Project, o.Kept)
	} else {
		fmt.Fprintf(&b, "%s: %d releases are not needed, %d stay; %d version tags, %d votes\n", o.Project, len(o.Releases), o.Kept, len(o.Tags), len(o.Votes))
	}
	for i, tag := range o.Tags {
		if i == 0 || o.Tags[i-1].Image != tag.Image {
			if i > 0 {
				b.WriteByte('\n')
			}
			fmt.Fprintf(&b, "  %s", tag.Image)
		}
		fmt.Fprintf(&b, " %s", tag.Tag)
	}
	if len(o.Tags) > 0 {
		b.WriteByte('\n')
	}
	for _, note := range o.Notes {
		fmt.Fprintf(&b, "note: %s\n", note)
	}
	return b.String()
}
