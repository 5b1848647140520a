package store

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/versioning"
)

// PruneOptions say what is still needed.
type PruneOptions struct {
	Rings  []string // all rings of the project in order, ante and post included
	Author Author
	// Keep is how many of the newest records count: what rings had then stays.
	// At least 1.
	Keep int
	// Needed are more releases that stay, by version.
	Needed []versioning.Version
	// DryRun only says what would happen.
	DryRun bool
}

// Pruned is what a prune does, dry or not. Its lists are never nil.
type Pruned struct {
	Project string `json:"project"`
	// Releases are those that are given up by this prune, by version.
	Releases []ReleaseName `json:"releases"`
	Kept     int           `json:"kept"` // releases that stay
	// Tags are versions that no kept release has, with what they named: those of
	// Releases, and of earlier prunes that did not come to their end.
	Tags []Tag `json:"tags"`
	// Votes are tags of the log that matter no longer.
	Votes []string `json:"votes"`
	// Notes say what the registry did not let happen.
	Notes []string `json:"notes"`
	// Record is the number of its record, 0 if none was written.
	Record uint64 `json:"-"`
}

// PrunedError says that a release, or an image of one, was pruned.
type PrunedError struct {
	Version versioning.Version // of the release
	Image   string             // of a publish: what it adopts, and Version is this one's
}

// Error says what to do.
func (e *PrunedError) Error() string {
	if e.Image != "" {
		return fmt.Sprintf("%s %s, which the plan adopts, was pruned meanwhile: run `quoit prune` again to complete that, and then the build", e.Image, e.Version)
	}
	return fmt.Sprintf("release %s was pruned and cannot come back: build it again from its commit", e.Version)
}

// Prune gives up the releases that nothing needs: no ring has them, or had
// them in the newest records; undoing the newest shift, or the one below it, does
// not bring them back; no image has its newest version in them; and the caller
// does not need them. First a record says so, from which on no ring can get them
// back. Then the tags of versions that are in no other release get an empty image,
// so the registry may free what they named and the version is taken for ever, and
// old votes are deleted, by tag, if the registry deletes just that tag. No record
// is ever deleted. What was stopped is completed by the next prune.
//
// Errors are an [*OperationError], which wraps a [*MirrorError], a [*ForeignError],
// an [*UnknownError] or a [*registry.RequestError].
func (p *Project) Prune(ctx context.Context, options PruneOptions) (Pruned, error) {
	r := &pruner{project: p, options: options, reader: newReader(p), log: map[uint64]records.Sealed{}}
	err := r.prune(ctx)
	if err != nil {
		err = &OperationError{Project: p.name, Operation: records.OpPrune, Err: err}
	}
	return r.outcome, err
}

// pruner is one prune.
type pruner struct {
	project *Project
	options PruneOptions
	reader  *driver
	log     map[uint64]records.Sealed
	newest  records.Sealed
	pruned  versioning.Lineage // afterwards
	outcome Pruned
}

// errStale says that the log has moved since it was read.
var errStale = errors.New("the log has moved")

func (r *pruner) prune(ctx context.Context) error {
	mark, found, err := r.project.at.Repository(records.Repository).Get(ctx, string(records.Hint))
	if err != nil {
		return err
	}
	if origin, is := OriginOf(mark); found && is {
		return &MirrorError{Mirror: r.project.at.String(), Origin: origin}
	}
	for {
		if err := r.read(ctx); err != nil {
			return err
		}
		if err := r.plan(ctx); err != nil || r.options.DryRun {
			return err
		}
		err := r.append(ctx)
		if errors.Is(err, errStale) {
			continue
		}
		if err != nil {
			return err
		}
		if err := r.bury(ctx); err != nil {
			return err
		}
		return r.sweep(ctx)
	}
}

// read reads the records that were not read yet.
func (r *pruner) read(ctx context.Context) (err error) {
	if r.newest, err = r.reader.log.Newest(ctx); err != nil {
		return err
	}
	if r.newest.Digest == "" {
		return errors.New("there is no log: nothing was published yet, or by an older quoit")
	}
	first := uint64(len(r.log)) + 1
	return r.project.pace.Each(int(r.newest.Record.Sequence+1-first), func(i int) error {
		sealed, err := r.reader.log.Record(ctx, first+uint64(i))
		r.reader.mu.Lock()
		defer r.reader.mu.Unlock()
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
	machine, err := records.New(records.Options{Operation: operation, Signature: signatureOf(r.options.Author), Rings: r.options.Rings})
	if err != nil {
		return err
	}
	d := newDriver(r.project)
	switch result := d.run(ctx, machine); result.Outcome {
	case records.Success:
		r.outcome.Record = result.Record.Record.Sequence
		return nil
	case records.Foreign:
		return d.putBack(result.Tags[0])
	case records.Unknown:
		return d.unknown(result)
	default:
		return result.Err
	}
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

// errPruned is for a publish that adopts images, when releases were pruned since
// it was last known that these are in others too.
var errPruned = errors.New("releases were pruned")

// unpruned looks whether the adopted images are in a release that was not pruned,
// or older than the log.
func (p *publisher) unpruned(ctx context.Context) error {
	log := newReader(p.project).log
	newest, err := log.Newest(ctx)
	if err != nil {
		return err
	}
	pruned := newest.Record.Pruned
	for _, name := range p.plan.adopted {
		image, _ := p.publication.Plan.Image(name)
		assigned, found, err := log.Assigned(ctx, newest.Record, name, image.Version)
		if err != nil {
			return err
		}
		if found && pruned.Has(assigned.Releases) {
			return &PrunedError{Version: image.Version, Image: name}
		}
	}
	p.pruned = pruned
	return nil
}

// String is the outcome for people, a line for each image.
func (o Pruned) String() string {
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
