package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/quoitbuild/quoit/labels"
	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/versioning"
)

// change is what an operation makes of the newest record; the zero change is
// none.
type change struct {
	record records.Record
	plan   versioning.RingPlan
	undone []UndoneShift // the newest first
	again  bool          // may be made anew on a table that others have changed
}

func (c change) none() bool { return c.record.Operation == "" }

// rule makes a change of the newest record; it may read what it needs.
type rule func(ctx context.Context, r *ringer, newest records.Record) (change, error)

// errNoLog ends it to look first whether the rings have something that was published
// before there was a log.
var errNoLog = errors.New("there is no log")

// errNothing ends the protocol without a record.
var errNothing = errors.New("nothing to do")

// ringer is one operation on rings.
type ringer struct {
	project  *Project
	options  RingOptions
	name     string
	rule     rule
	driver   *driver
	versions map[string]map[string]versioning.Version // of releases, by the root image's digest

	planned bool
	on      uint64 // the record that it was planned on
	change  change
	err     error
	outcome RingOutcome
	looked  bool // no ring has a tag, if there is no log
}

// operate carries out a rule through the log, or says what it would do.
func operate(ctx context.Context, p *Project, options RingOptions, name string, rule rule) (RingOutcome, error) {
	r := &ringer{
		project: p, options: options, name: name, rule: rule, driver: newDriver(p),
		versions: map[string]map[string]versioning.Version{},
	}
	err := r.run(ctx)
	if err != nil {
		return r.outcome, &OperationError{Project: p.name, Operation: name, Others: p.Wrote(), Err: err}
	}
	return r.outcome, nil
}

func (r *ringer) run(ctx context.Context) error {
	if r.options.DryRun {
		return r.look(ctx)
	}
	r.driver.whole = true
	for {
		err := r.append(ctx)
		if !errors.Is(err, errNoLog) {
			return err
		}
		r.looked = true
		if err := r.driver.unused(ctx, r.options.Root, r.options.Rings); err != nil {
			return err
		}
	}
}

// look is a dry run.
func (r *ringer) look(ctx context.Context) error {
	r.driver.reader = true
	state, err := r.project.State(ctx)
	newest := state.Newest
	if err == nil && r.strict() {
		err = r.undisturbed(ctx, state)
	}
	if err == nil && newest.Digest == "" {
		err = r.driver.unused(ctx, r.options.Root, r.options.Rings)
	}
	if err == nil && newest.Record.Schema == 1 {
		newest.Record, err = r.driver.upgraded(ctx, newest)
	}
	if err == nil {
		_, err = r.plan(ctx, newest.Record)
	}
	if errors.Is(err, errNothing) {
		return nil
	}
	return err
}

// strict says that it would write rings' tags, so it stops if somebody has moved one.
func (r *ringer) strict() bool { return r.name != records.OpHold && r.name != records.OpUnhold }

// undisturbed looks that no ring's tag differs from the log.
func (r *ringer) undisturbed(ctx context.Context, state State) error {
	differences, err := Differences(ctx, r.project, state, r.options.Root, slices.Sorted(maps.Keys(state.Rings())))
	if err == nil && len(differences) > 0 {
		err = &DifferenceError{differences}
	}
	return err
}

// append runs the log's protocol once.
func (r *ringer) append(ctx context.Context) error {
	return r.judge(ctx, r.driver.append(ctx, records.Options{
		Operation: func(newest records.Record) (records.Record, error) {
			if newest.Sequence == 0 && !r.looked {
				return records.Record{}, errNoLog
			}
			return r.plan(ctx, newest)
		},
		Signature: signatureOf(r.options.Author), Rings: r.options.Rings, Strict: r.strict(),
	}))
}

// plan makes the record once for every newest one.
func (r *ringer) plan(ctx context.Context, newest records.Record) (records.Record, error) {
	if r.planned && r.on == newest.Sequence {
		return r.change.record, r.err
	}
	if r.planned && !r.change.again && !r.change.none() {
		return records.Record{}, &OvertakenError{newest}
	}
	r.planned, r.on = true, newest.Sequence
	r.change, r.err = r.make(ctx, newest)
	return r.change.record, r.err
}

func (r *ringer) make(ctx context.Context, newest records.Record) (change, error) {
	c, err := r.rule(ctx, r, newest)
	if err == nil {
		err = unpruned(newest, c.plan.Changes)
	}
	if err != nil {
		return change{}, err
	}
	c.record.After, c.record.Holds = tables(newest, c)
	if r.outcome, err = r.describe(ctx, newest, c); err != nil {
		return change{}, err
	}
	if c.none() {
		return change{}, errNothing
	}
	if err := r.recall(ctx, newest, &c); err != nil {
		return change{}, err
	}
	if before := r.options.Before; before != nil && !r.options.DryRun {
		if c.record.Gates, err = before(ctx, r.outcome); err != nil {
			return change{}, err
		}
	}
	return c, nil
}

// judge says what the end of the protocol means.
func (r *ringer) judge(ctx context.Context, result records.Result) error {
	switch result.Outcome {
	case records.Success:
		r.outcome.Record = result.Record.Record.Sequence
		return nil
	case records.Refused:
		if errors.Is(result.Err, errNothing) {
			return nil
		}
		if gone := new(records.MissingError); errors.As(result.Err, &gone) {
			return missing(r.driver.repository(gone.Images[0].Repository), gone.Images[0].Digest)
		}
	case records.Foreign:
		return r.driver.foreign(ctx, result)
	case records.Unknown:
		return r.driver.unknown(result)
	}
	return r.driver.unsettled(result, result.Err)
}

// versionsOf are those of the images of a release, none for an empty place: by its
// record, else by the root image.
func (r *ringer) versionsOf(ctx context.Context, newest records.Record, place records.Place) (map[string]versioning.Version, error) {
	if place.Empty() {
		return nil, nil
	}
	if place.Record == newest.Sequence && len(newest.Images) > 0 {
		versions := map[string]versioning.Version{}
		for name, image := range newest.Images {
			versions[name] = image.Version
		}
		return versions, nil
	}
	if place.Record > 0 {
		manifest, found, err := r.driver.repository(records.Repository).Get(ctx, identifier(newest, place.Record))
		if err != nil {
			return nil, err
		}
		if found {
			return records.VersionsOf(manifest.Bytes)
		}
	}
	return r.labelled(ctx, place)
}

// identifier is by what an earlier record is read: its digest, else its tag.
func identifier(newest records.Record, number uint64) string {
	if digest := newest.Digests[number]; digest != "" {
		return digest
	}
	return records.Name{Sequence: number}.String()
}

// labelled reads the versions of a release that is older than the log.
func (r *ringer) labelled(ctx context.Context, place records.Place) (map[string]versioning.Version, error) {
	root := r.driver.repository(place.Root)
	manifest, found, err := r.driver.manifest(ctx, place.Root, place.Digest)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, missing(root, place.Digest)
	}
	release, err := ReleaseOf(ctx, root, manifest)
	if errors.Is(err, labels.ErrNotOurs) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", root.Reference(place.Digest), err)
	}
	versions := map[string]versioning.Version{}
	for name, image := range release.Images {
		versions[name] = image.Version
	}
	return versions, nil
}

// unpruned checks that no ring gets a release that was pruned.
func unpruned(newest records.Record, changes []versioning.RingChange) error {
	for _, change := range changes {
		if !change.To.Empty() && newest.Pruned.Has(change.To.Release) {
			return &PrunedError{Version: change.To.Version}
		}
	}
	return nil
}
