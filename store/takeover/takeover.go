// Package takeover takes releases into the log that were published past it, or before
// there was one: [TakeOver] is all of it. look.go finds what there is to take, outcome.go
// says it to people.
package takeover

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/versioning"
)

// Options say what to take over.
type Options struct {
	Root   string   // the name of the root image
	Rings  []string // all rings of the project in order, ante and post included
	Take   []string // those whose release is taken over
	Author store.Author
	// DryRun only says what would happen.
	DryRun bool
	// Confirm is asked before anything is written; its error ends the take-over. Nil:
	// nobody is asked.
	Confirm func(Outcome) error
}

// TakeOver appends a record of each release that the tags of some rings name and that
// the log does not know: what its images are now is what the log says of them from then
// on. A release that a ring has by the log of an older quoit, which did not record its
// images, is taken over too. No tag changes. Nothing is taken over if one of the rings
// has another release by the log, a tag that names no release of Quoit's, or one whose
// images are not all there under their versions.
//
// Where it is stopped, some releases are taken over and the others are not; the same
// command does the rest.
//
// Errors are an [*store.OperationError], which wraps a [*versioning.RingError], a
// [*store.MirrorError], a [*store.OvertakenError], a [*store.ForeignError], a
// [*registry.RequestError], or says what is wrong with a release.
func TakeOver(ctx context.Context, project *store.Project, options Options) (Outcome, error) {
	t := &taker{
		project: project, at: project.Namespace(), pace: project.Namespace().Pace().Filled(), options: options,
		log: records.NewLog(project.Source()),
	}
	err := t.run(ctx)
	if err != nil {
		err = &store.OperationError{Project: project.Name(), Operation: "take-over", Records: t.written, Others: project.Wrote(), Err: err}
	}
	return t.outcome, err
}

// looksAgain is how often it is looked anew because somebody else has written.
const looksAgain = 20

// taker is one take-over.
type taker struct {
	project *store.Project
	at      registry.Namespace
	pace    registry.Pace
	options Options
	log     *records.Log
	newest  records.Record // as it was looked at, then the last one that was written
	found   []found        // in the order of their records
	outcome Outcome
	written int // records
}

func (t *taker) run(ctx context.Context) error {
	if err := t.look(ctx); err != nil {
		return err
	}
	if len(t.found) == 0 || t.options.DryRun {
		return nil
	}
	if confirm := t.options.Confirm; confirm != nil {
		if err := confirm(t.outcome); err != nil {
			return err
		}
	}
	shown := t.outcome
	for again := 0; ; again++ {
		err := t.append(ctx)
		overtaken := new(store.OvertakenError)
		if !errors.As(err, &overtaken) || again >= looksAgain {
			return err
		}
		// What an interrupted take-over has left may have been completed first.
		done := t.outcome
		if err := t.look(ctx); err != nil {
			t.outcome = done
			return err
		}
		if !t.outcome.within(shown) {
			t.outcome = done
			return overtaken
		}
		t.outcome = t.outcome.after(done)
	}
}

// append writes the records.
func (t *taker) append(ctx context.Context) error {
	left := t.outcome.Releases[len(t.outcome.Releases)-len(t.found):]
	for i, found := range t.found {
		author := t.options.Author
		author.Source, author.Commit = found.origin()
		sealed, err := t.project.Append(ctx, author, t.options.Rings, func(newest records.Record) (records.Record, error) {
			if newest.Sequence != t.newest.Sequence {
				return records.Record{}, &store.OvertakenError{Record: newest}
			}
			return t.record(newest, found), nil
		})
		if err != nil {
			return err
		}
		t.newest, left[i].Record = sealed.Record, sealed.Record.Sequence
		t.written++
	}
	return nil
}

// record takes a release into the log: its number, what it descends from as far as the
// log knows that, its images, and the versions that have been used for these before.
func (t *taker) record(newest records.Record, found found) records.Record {
	record := newest.Following(records.OpTakeOver)
	place := found.place
	place.Record = newest.Sequence + 1
	if place.Release == 0 {
		record.Releases++
		place.Release = record.Releases
		for _, parent := range found.release.Parents {
			if ancestor := placed(newest, parent.Digest); ancestor.Release > 0 {
				place.Lineage = place.Lineage.Union(ancestor.Lineage).With(ancestor.Release)
				record.Parents = append(record.Parents, parent)
			}
		}
	}
	for _, ring := range found.rings {
		record.After[ring] = place
	}
	record.Images = maps.Clone(found.images)
	record.Assign(newest, place.Release)
	versions := map[string]versioning.Version{}
	for name, image := range found.images {
		versions[name] = image.Version
	}
	record.Assigned = record.Assigned.Recall(place.Release, versions, found.tags)
	for name, version := range versions {
		record.Assigned = record.Assigned.Burn(name, version, found.tags[name])
	}
	return record
}

// placed is the release of a digest that a ring has, the zero Place if none has it.
func placed(newest records.Record, digest string) records.Place {
	for _, ring := range slices.Sorted(maps.Keys(newest.After)) {
		if place := newest.After[ring]; digest != "" && place.Digest == digest {
			return place
		}
	}
	return records.Place{}
}
