package registry

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/quoitbuild/quoit/versioning"
)

// maxHeld bounds the manifests that are held until they are written.
const maxHeld = 256 << 20

// Publish gives the images that were pushed their version tags, dependencies
// first and the root image last, and then moves the ring's tag. Wherever it is
// stopped, the ring names a release whose images all have their tags, and the
// same call again completes it. It never overwrites a version, and moves the
// ring only if that still holds what the plan has seen. It looks right before it
// writes; registries have no compare-and-swap, so two publishers that write one
// tag in the same moment are not kept apart here.
//
// A plan whose release the ring has already makes no request. Otherwise, with k
// built and a adopted images and r rings to look at (the plan's own, and the
// later ones up to that of plan.Next), it makes exactly
//
//	r + a    HEAD of rings and of adopted images' versions
//	k        GET of manifests by digest (k + 1 if the root image is not built)
//	k        HEAD of version tags, k PUT of those that are absent
//	k        HEAD to read these back
//	3        HEAD, PUT, HEAD of the ring's tag
//
// and before these one GET of /v2/ and, where the registry wants tokens, one
// request for each repository. A registry that does not identify itself in its
// answers costs a GET for each absent tag. A plan that changes no image of a
// ring that is empty only moves the ring.
//
// The error is a [*PublishError]; the [Outcome] next to it is what was done.
func (p *Project) Publish(ctx context.Context, publication Publication) (Outcome, error) {
	plan := publication.Plan
	pub := &publisher{project: p, publication: publication, manifests: map[string]stored{}, outcome: Outcome{
		Project: plan.Project, Ring: plan.Ring, Root: plan.Root, Version: plan.Version(), Written: []Tag{}, Existed: []Tag{},
	}}
	err := pub.publish(ctx)
	pub.sort()
	if err != nil {
		return pub.outcome, &PublishError{
			Project: plan.Project, Version: plan.Version(), Ring: plan.Ring,
			Written: len(pub.outcome.Written), Unclear: pub.unclear, Err: err,
		}
	}
	pub.outcome.Done = true
	return pub.outcome, nil
}

// publisher carries out one publication.
type publisher struct {
	project     *Project
	publication Publication
	plan        writes
	held        atomic.Int64 // bytes of manifests

	mu        sync.Mutex
	manifests map[string]stored // by image
	outcome   Outcome
	unclear   []string
}

func (p *publisher) publish(ctx context.Context) (err error) {
	if p.plan, err = p.publication.writes(p.project.project); err != nil {
		return err
	}
	if p.publication.none() {
		p.outcome.Digest = p.plan.ring.Digest
		return nil
	}
	for _, step := range []func(context.Context) error{p.adopt, p.unmoved, p.fetch, p.versions, p.readBack, p.move} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// adopt looks up the versions that have to be there already.
func (p *publisher) adopt(ctx context.Context) error {
	plan := p.publication.Plan
	return p.project.each(len(p.plan.adopted), func(i int) error {
		name := p.plan.adopted[i]
		image, _ := plan.Image(name)
		tag := image.Version.String()
		repository := p.repository(name)
		digest, found, err := repository.head(ctx, tag)
		if err == nil && !found {
			err = fmt.Errorf("%s, which the plan adopts, is not there any more: run the build again", repository.reference(tag))
		}
		if err == nil && name == plan.Root {
			p.plan.ring.Digest = digest
		}
		return err
	})
}

// unmoved checks that the rings hold what the plan has seen. If the ring holds
// the new release, this publication was complete before, and nothing else matters.
func (p *publisher) unmoved(ctx context.Context) error {
	p.outcome.Digest = p.plan.ring.Digest
	root := p.repository(p.publication.Plan.Root)
	digests := make([]string, len(p.plan.expected))
	err := p.project.each(len(digests), func(i int) (err error) {
		digests[i], _, err = root.head(ctx, p.plan.expected[i].ring)
		return err
	})
	if err != nil || digests[0] == p.plan.ring.Digest {
		return err
	}
	for i, expected := range p.plan.expected {
		if err := p.asExpected(ctx, expected, digests[i]); err != nil {
			return err
		}
	}
	return nil
}

// asExpected compares what a ring holds, "" for nothing, with what the plan has seen.
func (p *publisher) asExpected(ctx context.Context, expected expectation, digest string) error {
	if expected.held == nil && digest == "" || expected.held != nil && expected.held.Digest == digest {
		return nil
	}
	moved := &MovedError{Ring: expected.ring, Was: expected.held}
	if digest == "" {
		return moved
	}
	moved.Is = &versioning.Held{Ring: expected.ring, Digest: digest}
	// Only for the message, which does without it.
	if is, err := p.project.Ring(ctx, p.publication.Plan.Root, expected.ring); err == nil && is != nil {
		moved.Is = &versioning.Held{Ring: expected.ring, Version: is.Release.Version(), Digest: is.Digest}
		moved.Commit = is.Release.Commit
	}
	return moved
}

// fetch reads every manifest that will be written, which shows that it is there.
func (p *publisher) fetch(ctx context.Context) error {
	tags := []Tag{}
	for _, level := range p.plan.levels {
		tags = append(tags, level...)
	}
	if root, _ := p.publication.Plan.Image(p.plan.ring.Image); !root.Built() {
		tags = append(tags, p.plan.ring)
	}
	return p.project.each(len(tags), func(i int) error {
		repository := p.repository(tags[i].Image)
		manifest, found, err := repository.get(ctx, tags[i].Digest)
		switch {
		case err != nil:
			return err
		case !found:
			return fmt.Errorf("%s is not in the registry: run the build again, it pushes it", repository.reference(tags[i].Digest))
		case p.held.Add(int64(len(manifest.bytes))) > maxHeld:
			return fmt.Errorf("the manifests of this release have more than %d MiB", maxHeld>>20)
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.manifests[tags[i].Image] = manifest
		return nil
	})
}

// versions writes the version tags, level by level.
func (p *publisher) versions(ctx context.Context) error {
	for _, level := range p.plan.levels {
		err := p.project.each(len(level), func(i int) error {
			return p.write(ctx, level[i], func(digest string, found bool) error {
				if !found {
					return nil
				}
				return &TakenError{Image: level[i].Image, Version: level[i].Tag, Digest: digest, Wanted: level[i].Digest}
			})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// readBack checks that the tags that were written are there.
func (p *publisher) readBack(ctx context.Context) error {
	return p.project.each(len(p.outcome.Written), func(i int) error {
		return p.verify(ctx, p.outcome.Written[i])
	})
}

func (p *publisher) verify(ctx context.Context, tag Tag) error {
	repository := p.repository(tag.Image)
	digest, _, err := repository.head(ctx, tag.Tag)
	if err == nil && digest != tag.Digest {
		err = &ReadBackError{Reference: repository.reference(tag.Tag), Wanted: tag.Digest, Got: digest}
	}
	return err
}

// move writes the ring's tag, if the ring still holds what the plan has seen.
func (p *publisher) move(ctx context.Context) error {
	before := len(p.outcome.Written)
	err := p.write(ctx, p.plan.ring, func(digest string, _ bool) error {
		return p.asExpected(ctx, p.plan.expected[0], digest)
	})
	if err != nil || len(p.outcome.Written) == before {
		return err
	}
	p.outcome.Moved = true
	return p.verify(ctx, p.plan.ring)
}

func (p *publisher) repository(image string) repository { return p.project.repository(image, push) }

// restarts reports whether an error is one after which a new plan is needed.
func restarts(err error) bool {
	var moved *MovedError
	var taken *TakenError
	var changed *ReadBackError
	return errors.As(err, &moved) || errors.As(err, &taken) || errors.As(err, &changed) && changed.Got != ""
}
