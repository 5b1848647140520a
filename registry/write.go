package registry

import (
	"cmp"
	"context"
	"errors"
	"slices"
)

// write makes a tag name its manifest. It looks before each attempt: what is
// there decides whether allowed lets it be replaced, and whether an attempt
// that had no answer has succeeded. So a repeated write never hits what someone
// else wrote meanwhile.
func (p *publisher) write(ctx context.Context, tag Tag, allowed func(digest string, found bool) error) error {
	repository := p.repository(tag.Image)
	var last error
	for attempt := 1; ; attempt++ {
		digest, found, err := repository.head(ctx, tag.Tag)
		switch {
		case err != nil && last != nil:
			return p.doubt(tag, err)
		case err != nil:
			return err
		case found && digest == tag.Digest:
			p.done(tag, last == nil)
			return nil
		case attempt > attempts:
			return last
		}
		if err := allowed(digest, found); err != nil {
			return err
		}
		last = repository.put(ctx, tag.Tag, p.manifests[tag.Image])
		switch {
		case last == nil:
			p.done(tag, false)
			return nil
		case !repeatable(last):
			if answered(last) {
				return last
			}
			return p.doubt(tag, last)
		}
		if err := p.project.pause(ctx, attempt, last); err != nil {
			return p.doubt(tag, err)
		}
	}
}

// done notes that a tag is there.
func (p *publisher) done(tag Tag, existed bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if existed {
		p.outcome.Existed = append(p.outcome.Existed, tag)
	} else {
		p.outcome.Written = append(p.outcome.Written, tag)
	}
	if progress := p.publication.Progress; progress != nil {
		progress(Event{Tag: tag, Existed: existed, Done: len(p.outcome.Existed) + len(p.outcome.Written), Total: p.plan.total()})
	}
}

// sort puts the tags of the outcome in the order of the plan.
func (p *publisher) sort() {
	position := map[Tag]int{p.plan.ring: p.plan.total()}
	for _, level := range p.plan.levels {
		for _, tag := range level {
			position[tag] = len(position)
		}
	}
	for _, tags := range [][]Tag{p.outcome.Written, p.outcome.Existed} {
		slices.SortFunc(tags, func(a, b Tag) int { return cmp.Compare(position[a], position[b]) })
	}
	slices.Sort(p.unclear)
}

// doubt notes that nobody knows whether a tag was written.
func (p *publisher) doubt(tag Tag, err error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.unclear = append(p.unclear, p.repository(tag.Image).reference(tag.Tag))
	return err
}

// answered reports whether the registry itself refused a request.
func answered(err error) bool {
	var failed *RequestError
	return errors.As(err, &failed) && failed.Status != 0
}
