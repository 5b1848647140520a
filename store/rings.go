package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
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
		record.Tops, record.Under = plan.Tops, plan.Under
		return change{record: record, plan: plan}, nil
	})
}

// Unshift undoes the newest shift that can be undone in each of the rings, or without
// names the newest of all in every ring where it can, as [versioning.Unshift] says, and
// holds them. It works without the shift's record too: what lay below it is unknown then,
// and cannot be undone. Cost and errors are as of [Project.Shift], and of the shifts'
// records more.
func (p *Project) Unshift(ctx context.Context, options RingOptions, rings []string) (RingOutcome, error) {
	return operate(ctx, p, options, records.OpUnshift, func(ctx context.Context, r *ringer, newest records.Record) (change, error) {
		plan, err := versioning.Unshift(stateOf(newest, options.Rings), rings)
		if refused := new(versioning.UnshiftError); errors.As(err, &refused) {
			r.blame(ctx, newest, refused)
		}
		if err != nil {
			return change{}, err
		}
		c := change{record: newest.Following(records.OpUnshift), plan: plan}
		err = r.uncover(ctx, newest, &c)
		return c, err
	})
}

// Set places the release of a version in one ring, as [versioning.Set] says. Of one whose
// versions the newest record does not know any more it reads the records since its publish,
// and the tags of these images. Errors are as of [Project.Shift], or say that the log has no such release.
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
		record.Holds = withHolds(newest.Holds, newest.Sequence+1, []string{ring}, reason)
		return change{record: record, again: true}, nil
	})
}

// Unhold ends the hold of rings. Errors are as of [Project.Shift].
func (p *Project) Unhold(ctx context.Context, options RingOptions, rings []string) (RingOutcome, error) {
	return operate(ctx, p, options, records.OpUnhold, func(_ context.Context, _ *ringer, newest records.Record) (change, error) {
		record := newest.Following(records.OpUnhold)
		record.Unheld = map[string]records.Hold{}
		for _, ring := range rings {
			if _, used := newest.After[ring]; !used && newest.Holds[ring] == (records.Hold{}) {
				if err := knownRing(options.Rings, ring); err != nil {
					return change{}, err
				}
			}
			if hold, held := newest.Holds[ring]; held {
				record.Unheld[ring] = hold
			}
			delete(record.Holds, ring)
		}
		if len(record.Unheld) == 0 {
			return change{}, nil
		}
		return change{record: record, again: true}, nil
	})
}

func stateOf(newest records.Record, rings []string) versioning.RingState {
	return versioning.RingState{
		Rings: rings, Table: newest.After, Holds: heldRings(newest), Tops: newest.Tops, Pruned: newest.Pruned, Next: newest.Sequence + 1,
	}
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
	for _, undone := range c.undone { // the other held ones keep their reasons
		holds = withHolds(holds, newest.Sequence+1, undone.Rings, fmt.Sprintf("the shift of record %d was undone", undone.Record))
	}
	return after, holds
}

// withHolds adds holds by a record to others.
func withHolds(others map[string]records.Hold, record uint64, rings []string, reason string) map[string]records.Hold {
	holds := maps.Clone(others)
	if holds == nil {
		holds = map[string]records.Hold{}
	}
	for _, ring := range rings {
		if hold, held := holds[ring]; !held || hold.Reason != reason && reason != "" {
			holds[ring] = records.Hold{Record: record, Reason: reason}
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

// uncover says which shifts are undone, and lets those that lay below them be the next
// ones to undo.
func (r *ringer) uncover(ctx context.Context, newest records.Record, c *change) error {
	c.record.Digests = map[uint64]string{}
	for _, ring := range r.options.Rings {
		top, found := c.plan.Undone[ring]
		if !found {
			continue
		}
		if at := slices.IndexFunc(c.undone, func(u UndoneShift) bool { return u.Record == top.Record }); at >= 0 {
			c.undone[at].Rings = append(c.undone[at].Rings, ring)
		} else {
			c.undone = append(c.undone, UndoneShift{Record: top.Record, Rings: []string{ring}})
		}
	}
	slices.SortFunc(c.undone, func(a, b UndoneShift) int { return cmp.Compare(b.Record, a.Record) })
	for i := range c.undone {
		if err := r.below(ctx, newest, &c.undone[i], c); err != nil {
			return err
		}
	}
	c.record.Of, c.record.Tops = c.undone[0].Record, c.plan.Tops
	return nil
}

// below reads a shift's record, if it is still there.
func (r *ringer) below(ctx context.Context, newest records.Record, undone *UndoneShift, c *change) error {
	got := records.Got{Found: true, Sealed: records.Sealed{Record: newest}}
	if undone.Record != newest.Sequence {
		var err error
		if got, err = r.driver.get(ctx, identifier(newest, undone.Record)); err != nil {
			return err
		}
	}
	if !got.Found || got.Broken != nil || got.Record.Sequence != undone.Record {
		undone.By, undone.Gone = fmt.Sprintf("record %d, which is gone", undone.Record), true
		return nil
	}
	under, digests, err := r.driver.log.Under(ctx, got.Record)
	for _, ring := range undone.Rings {
		if top, found := under[ring]; found {
			c.plan.Tops[ring] = top
		}
	}
	maps.Copy(c.record.Digests, digests)
	undone.By = credit(got.Record)
	return err
}

// blame says which records moved the rings last in which nothing can be undone, if that
// is found soon.
func (r *ringer) blame(ctx context.Context, newest records.Record, refused *versioning.UnshiftError) {
	for i, stuck := range refused.Stuck {
		if mover := r.driver.mover(ctx, records.Sealed{Record: newest}, stuck.Ring); mover != nil {
			refused.Stuck[i].Moved = fmt.Sprintf("the %s by %s", mover.Operation, credit(*mover))
		}
	}
}

// recall lets the log know the versions of what rings get back. Of lines that it does not
// know any more the records since then say which versions were assigned; and the tags, if
// such a record is gone.
func (r *ringer) recall(ctx context.Context, newest records.Record, c *change) error {
	if len(newest.Assigned) == 0 || r.options.DryRun {
		return nil
	}
	for _, change := range c.plan.Changes {
		versions, place := r.versions[change.To.Digest], change.To
		var unknown []string
		for _, image := range slices.Sorted(maps.Keys(versions)) {
			if !c.record.Assigned.Knows(image, versions[image]) {
				unknown = append(unknown, image)
			}
		}
		assigned, err := r.assigned(ctx, newest, place, unknown)
		if err != nil {
			return err
		}
		c.record.Assigned = c.record.Assigned.Recall(place.Release, versions, assigned)
	}
	return nil
}

// assigned are versions of some images, with all that were assigned since a release was
// published, in no order. A line's versions rise, so others do not matter. Tags alone would
// not do: whoever may push may also delete one, and its version would be free.
func (r *ringer) assigned(ctx context.Context, newest records.Record, place records.Place, images []string) (map[string][]versioning.Version, error) {
	if len(images) == 0 {
		return nil, nil
	}
	all, err := r.driver.versions(ctx, images...)
	if err != nil {
		return nil, err
	}
	add := func(sealed records.Sealed) {
		for _, tag := range sealed.Record.Versions() {
			all[tag.Repository] = append(all[tag.Repository], sealed.Record.Images[tag.Repository].Version)
		}
	}
	add(records.Sealed{Record: newest})
	return all, r.driver.walk(ctx, max(place.Record, 1), newest.Sequence-1, add)
}
