package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/versioning"
)

// judge says what the end of the protocol means for the publication.
func (p *publisher) judge(ctx context.Context, result records.Result) error {
	switch result.Outcome {
	case records.Success:
		return nil
	case records.Refused:
		return p.refused(ctx, result)
	case records.Foreign:
		return p.foreign(ctx, result)
	case records.Unknown:
		return p.driver.unknown(result)
	}
	return p.driver.unsettled(result, result.Err)
}

// refused is for a record that was not written.
func (p *publisher) refused(ctx context.Context, result records.Result) error {
	var departed *departure
	var gone *records.MissingError
	var taken *records.TakenError
	var altered *altered
	switch {
	case errors.As(result.Err, &altered):
		return p.driver.putBack(altered.tag)
	case errors.Is(result.Err, errHeld):
		return nil
	case errors.As(result.Err, &departed):
		return p.moved(ctx, result.Newest.Record, *departed)
	case errors.As(result.Err, &gone):
		return missing(p.repository(gone.Images[0].Repository), gone.Images[0].Digest)
	case errors.As(result.Err, &taken):
		err := p.taken(taken.Tags[0])
		return p.burn(ctx, taken.Tags, &err)
	}
	return result.Err
}

func (p *publisher) taken(tag records.Found) TakenError {
	return TakenError{Image: tag.Repository, Version: tag.Tag, Digest: tag.Digest, Wanted: tag.Wanted}
}

// burn says in the log that others have taken versions, so that the next plan passes over
// them, and over all that it would come to instead: also of the other images that are
// built, which need new versions too if the publish was taken back. It returns what the
// publish failed with.
func (p *publisher) burn(ctx context.Context, tags []records.Found, failed error) error {
	built := p.publication.Plan.PublishOrder()
	there, err := p.driver.versions(ctx, built...)
	if err != nil {
		return fmt.Errorf("%w; this could not be recorded: %w", failed, err)
	}
	found := map[string]bool{} // though a list may not show it yet
	for _, tag := range tags {
		found[tag.Repository] = true
	}
	operation := func(newest records.Record) (records.Record, error) {
		record := newest.Following(records.OpBurn)
		for _, name := range built {
			image, _ := p.publication.Plan.Image(name)
			if found[name] || slices.Contains(there[name], image.Version) || newest.Assigned.Taken(name, image.Version) {
				record.Assigned = record.Assigned.Burn(name, image.Version, there[name])
			}
		}
		for _, tag := range tags {
			if tag.Digest != "" {
				record.Taken = append(record.Taken, tag.Content)
			}
		}
		if maps.EqualFunc(record.Assigned, newest.Assigned, slices.Equal) {
			return records.Record{}, errHeld // by a burn or the void
		}
		return record, nil
	}
	author := p.publication.Author
	result := p.driver.append(ctx, records.Options{
		Operation: operation, Signature: signatureOf(Author{Actor: author.Actor, Message: author.Message}), Rings: p.publication.Rings,
	})
	switch {
	case result.Outcome == records.Success || errors.Is(result.Err, errHeld):
		return failed
	case result.Outcome == records.Foreign:
		err = p.driver.foreign(ctx, result)
	default:
		err = p.driver.unsettled(result, result.Err)
	}
	return fmt.Errorf("%w; this could not be recorded: %w", failed, err)
}

// moved is for a ring that does not have what the plan has seen. If it is what
// an earlier attempt of the same build has put there, all is well: another
// command has completed that.
func (p *publisher) moved(ctx context.Context, newest records.Record, departed departure) error {
	plan := p.publication.Plan
	own := newest.After[plan.Ring]
	if own.Digest != "" && own.Root == plan.Root {
		same, err := p.same(ctx, own)
		if err != nil {
			return err
		}
		if same {
			p.outcome.Version, p.outcome.Digest = own.Version, own.Digest
			return nil
		}
	}
	return &MovedError{
		Ring: departed.ring, Was: departed.held, Is: held(departed.ring, departed.is),
		Record: p.driver.mover(ctx, records.Sealed{Record: newest}, departed.ring),
	}
}

func held(ring string, place records.Place) *versioning.Held {
	if place.Digest == "" {
		return nil
	}
	return &versioning.Held{Ring: ring, Version: place.Version, Digest: place.Digest}
}

// same reports whether a release was made from what this one is made from. The
// identity of the root image alone does not tell: two builds may give other
// contents the same versions.
func (p *publisher) same(ctx context.Context, place records.Place) (bool, error) {
	manifest, found, err := p.driver.manifest(ctx, place.Root, place.Digest)
	if err != nil || !found {
		return false, err
	}
	release, err := ReleaseOf(ctx, p.repository(place.Root), manifest)
	if err != nil {
		return false, fmt.Errorf("%s: %w", p.repository(place.Root).Reference(place.Digest), err)
	}
	mine := p.publication.Plan.Release()
	if len(release.Images) != len(mine.Images) || release.Root != mine.Root {
		return false, nil
	}
	for name, image := range mine.Images {
		if release.Images[name].Version != image.Version || release.Identity(name) != mine.Identity(name) {
			return false, nil
		}
	}
	return true, nil
}

// foreign is for tags that others wrote past the log.
func (p *publisher) foreign(ctx context.Context, result records.Result) error {
	if result.Record != nil && slices.Contains(result.Voided, result.Record.Record.Sequence) {
		return p.burn(ctx, result.Tags, &VoidError{Record: result.Record.Record.Sequence, Taken: p.taken(result.Tags[0])})
	}
	return p.driver.foreign(ctx, result)
}
