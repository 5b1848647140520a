package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/versioning"
)

// RingOptions are what every operation on rings needs to know. None of them
// builds, moves a layer or changes a digest.
type RingOptions struct {
	Root   string   // the name of the root image
	Rings  []string // all rings of the project in order, ante and post included
	Author Author
	// DryRun only says what would happen.
	DryRun bool
	// Before is asked before anything is written; its error ends the operation,
	// and what it returns goes into the record. Nil: nothing is asked. It runs as
	// long as it likes: should others write meanwhile, nothing moves.
	Before func(context.Context, RingOutcome) ([]records.Gate, error)
}

// Shift copies releases outward, as [versioning.Shift] says. With R rings in use
// it makes at most 3·R + 15 requests if nobody else writes, whatever the number
// of images, and one for each token. It is never repeated on a table that others
// have changed, which would shift twice: that is an [*OvertakenError].
//
// Errors are an [*OperationError], which wraps those of [versioning.Shift], an
// [*OvertakenError], a [*ForeignError], an [*UnknownError] or a [*registry.RequestError].
func (p *Project) Shift(ctx context.Context, options RingOptions, request versioning.ShiftRequest) (RingOutcome, error) {
	return operate(ctx, p, options, records.OpShift, func(_ context.Context, _ *ringer, newest records.Record) (change, error) {
		plan, err := versioning.Shift(stateOf(newest, options.Rings), request)
		if err != nil || len(plan.Changes) == 0 {
			return change{}, err
		}
		record := newest.Following(records.OpShift)
		record.Below = newest.Undo
		record.Undo = &records.Shifted{Record: newest.Sequence + 1, Moves: plan.Moves}
		return change{record: record, plan: plan}, nil
	})
}

var errNoShift = errors.New("there is no shift to undo: `quoit history` shows what was done")

// Unshift undoes the newest shift that is not undone, in some rings or in all, as
// [versioning.Unshift] says, and holds them. Cost and errors are as of
// [Project.Shift], and of a shift's record more.
func (p *Project) Unshift(ctx context.Context, options RingOptions, rings []string) (RingOutcome, error) {
	return operate(ctx, p, options, records.OpUnshift, func(ctx context.Context, r *ringer, newest records.Record) (change, error) {
		undo := newest.Undo
		if undo == nil {
			return change{}, errNoShift
		}
		sealed, err := r.driver.log.Record(ctx, undo.Record)
		if err != nil {
			return change{}, err
		}
		shift := sealed.Record
		plan, err := versioning.Unshift(stateOf(newest, options.Rings), versioning.Shifted{
			Record: undo.Record, Moves: undo.Moves, Before: shift.Before,
		}, rings)
		if err != nil {
			return change{}, err
		}
		record := newest.Following(records.OpUnshift)
		record.Of = undo.Record
		record.Undo = shift.Below
		if len(plan.Left) > 0 {
			record.Undo = &records.Shifted{Record: undo.Record, Moves: plan.Left}
		}
		return change{record: record, plan: plan, undone: &shift}, nil
	})
}

// Set places the release of a version in one ring, as [versioning.Set] says.
// Errors are as of [Project.Shift], or say that the log has no such release.
func (p *Project) Set(ctx context.Context, options RingOptions, ring string, version versioning.Version, discard bool) (RingOutcome, error) {
	return operate(ctx, p, options, records.OpSet, func(ctx context.Context, r *ringer, newest records.Record) (change, error) {
		place, found, err := r.driver.log.Find(ctx, newest, options.Root, version)
		if err == nil && !found {
			err = fmt.Errorf("the log has no release %s of %s: `quoit history` shows which there are", version, options.Root)
		}
		if err != nil {
			return change{}, err
		}
		plan, err := versioning.Set(stateOf(newest, options.Rings), ring, place, discard)
		if err != nil || len(plan.Changes) == 0 {
			return change{}, err
		}
		return change{record: newest.Following(records.OpSet), plan: plan}, nil
	})
}

// Hold lets shifts leave a ring alone, for a reason, until [Project.Unhold].
// Errors are as of [Project.Shift].
func (p *Project) Hold(ctx context.Context, options RingOptions, ring, reason string) (RingOutcome, error) {
	return operate(ctx, p, options, records.OpHold, func(_ context.Context, _ *ringer, newest records.Record) (change, error) {
		if err := knownRing(options.Rings, ring); err != nil {
			return change{}, err
		}
		if hold, held := newest.Holds[ring]; held && hold.Reason == reason {
			return change{}, nil
		}
		record := newest.Following(records.OpHold)
		record.Holds = withHolds(newest, []string{ring}, reason)
		return change{record: record, again: true}, nil
	})
}

// Unhold ends the hold of rings. Errors are as of [Project.Shift].
func (p *Project) Unhold(ctx context.Context, options RingOptions, rings []string) (RingOutcome, error) {
	return operate(ctx, p, options, records.OpUnhold, func(_ context.Context, _ *ringer, newest records.Record) (change, error) {
		record := newest.Following(records.OpUnhold)
		for _, ring := range rings {
			delete(record.Holds, ring)
		}
		if len(record.Holds) == len(newest.Holds) {
			return change{}, nil
		}
		return change{record: record, again: true}, nil
	})
}

func stateOf(newest records.Record, rings []string) versioning.RingState {
	return versioning.RingState{Rings: rings, Table: newest.After, Holds: heldRings(newest)}
}

func knownRing(rings []string, ring string) error {
	if slices.Contains(rings, ring) {
		return nil
	}
	return &versioning.RingError{Ring: ring, Rings: rings}
}

// tables are what the rings have after a change, and which are held.
func tables(newest records.Record, c change) (records.Table, map[string]records.Hold) {
	if c.none() {
		return newest.After, newest.Holds
	}
	after, holds := c.record.After, c.record.Holds
	if c.plan.Table != nil {
		after = c.plan.Table
	}
	if c.undone != nil {
		var rings []string // the other held ones keep their reasons
		for _, move := range c.plan.Moves {
			if slices.Contains(c.plan.Holds, move.To) { // unless it is no longer declared
				rings = append(rings, move.To)
			}
		}
		holds = withHolds(newest, rings, fmt.Sprintf("the shift of record %d was undone", c.undone.Sequence))
	}
	return after, holds
}

// withHolds adds holds to those of the newest record.
func withHolds(newest records.Record, rings []string, reason string) map[string]records.Hold {
	holds := newest.Following("").Holds
	if holds == nil {
		holds = map[string]records.Hold{}
	}
	for _, ring := range rings {
		if hold, held := holds[ring]; !held || hold.Reason != reason && reason != "" {
			holds[ring] = records.Hold{Record: newest.Sequence + 1, Reason: reason}
		}
	}
	return holds
}

// signatureOf signs a record of an author, now.
func signatureOf(author Author) records.Signature {
	return records.Signature{
		ID: newID(), Actor: author.Actor, Message: author.Message, Source: author.Source, Commit: author.Commit, Dirty: author.Dirty,
		Time: time.Now().UTC().Truncate(time.Second),
	}
}

// OperationError says that an operation on rings did not come to its end.
type OperationError struct {
	Project   string
	Operation string
	Err       error
}

// Error names the operation, the cause, and what became of it.
func (e *OperationError) Error() string {
	text := fmt.Sprintf("%s of %s: %v", e.Operation, e.Project, e.Err)
	if unknown := new(UnknownError); errors.As(e.Err, &unknown) {
		return text
	}
	return text + " (nothing was moved)"
}

// Unwrap returns the cause.
func (e *OperationError) Unwrap() error { return e.Err }

// OvertakenError says that somebody else wrote to the log in between.
type OvertakenError struct{ Record records.Record }

// Error says who, and what to do.
func (e *OvertakenError) Error() string {
	return fmt.Sprintf("there was a %s by %s in between: look at `quoit status`, and run the command again if it is still what you want",
		e.Record.Operation, credit(e.Record))
}
