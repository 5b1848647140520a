package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"

	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/quoitbuild/quoit/store/records"
)

// bury lets the tags of pruned versions name the tombstone. Nobody else writes
// them: the log forbids that a ring gets their releases back.
func (r *pruner) bury(ctx context.Context) error {
	stone := records.Tombstone()
	manifest := stored{stone.Digest, types.MediaType(records.ManifestType), stone.Manifest}
	shelf := &shelf{project: r.project, right: push}
	var images []string
	for _, tag := range r.outcome.Tags {
		if !slices.Contains(images, tag.Image) {
			images = append(images, tag.Image)
		}
	}
	err := r.project.each(len(images), func(i int) error {
		return r.project.repository(images[i], push).upload(ctx, digestOf(stone.Config), stone.Config, true)
	})
	if err != nil {
		return err
	}
	var mu sync.Mutex
	left := 0
	err = r.project.each(len(r.outcome.Tags), func(i int) error {
		mu.Lock()
		refused := left > 0
		mu.Unlock()
		var err error
		if !refused {
			tag := r.outcome.Tags[i]
			_, err = shelf.put(ctx, tag.Image, tag.Tag, tag.Digest, manifest)
		}
		mu.Lock()
		defer mu.Unlock()
		if taken := new(CopyTakenError); refused || errors.As(err, &taken) {
			left++
			return nil
		}
		return err
	})
	if left > 0 {
		r.outcome.Notes = append(r.outcome.Notes, fmt.Sprintf("the registry lets no tag move, so %d of the version tags stay, with their images", left))
	}
	return err
}

// The tags of a trial: whether deleting one deletes just that one.
const (
	trialTag   = "prune-trial"
	otherTrial = "prune-trial-2"
)

// sweep deletes old votes. A record has the same manifest as its votes, so first
// it is tried out, on something else, that the registry deletes tags alone.
func (r *pruner) sweep(ctx context.Context) error {
	if len(r.outcome.Votes) == 0 {
		return nil
	}
	log := r.project.repository(records.Repository, push)
	able, err := r.trial(ctx, log)
	if err != nil {
		return err
	}
	if !able {
		r.outcome.Notes = append(r.outcome.Notes, "the registry does not delete single tags, so the votes stay; they do no harm")
		return nil
	}
	slots := map[uint64][]string{}
	for _, vote := range r.outcome.Votes {
		name, _ := records.ParseName(vote)
		slots[name.Sequence] = append(slots[name.Sequence], vote)
	}
	numbers := slices.Sorted(maps.Keys(slots))
	return r.project.each(len(numbers), func(i int) error {
		for _, vote := range slots[numbers[i]] { // in order, see votes
			if deleted, err := log.untag(ctx, vote); err != nil || !deleted {
				return err
			}
		}
		return nil
	})
}

func (r *pruner) trial(ctx context.Context, log repository) (bool, error) {
	stone := records.Tombstone()
	manifest := stored{stone.Digest, types.MediaType(records.ManifestType), stone.Manifest}
	if err := log.upload(ctx, digestOf(stone.Config), stone.Config, true); err != nil {
		return false, err
	}
	shelf := &shelf{project: r.project, right: push}
	for _, tag := range []string{trialTag, otherTrial} {
		if _, err := shelf.put(ctx, records.Repository, tag, stone.Digest, manifest); err != nil {
			return false, err
		}
	}
	if deleted, err := log.untag(ctx, trialTag); err != nil || !deleted {
		return false, err
	}
	_, gone, err := log.head(ctx, trialTag)
	if err != nil {
		return false, err
	}
	_, alive, err := log.head(ctx, otherTrial)
	if err != nil || gone || !alive {
		return false, err
	}
	_, err = log.untag(ctx, otherTrial)
	return true, err
}

// untag deletes a tag, and reports whether the registry does that.
func (r repository) untag(ctx context.Context, tag string) (bool, error) {
	client, err := r.project.client(ctx, r.scope)
	if err != nil {
		return false, err
	}
	err = r.project.attempts(ctx, func(ctx context.Context) error {
		_, err := r.exchange(ctx, client, exchange{
			question: question{method: http.MethodDelete, limit: maxProblem},
			url:      r.url() + "/manifests/" + tag, doing: writing, reference: r.reference(tag),
		})
		return err
	})
	var failed *RequestError
	if !errors.As(err, &failed) {
		return err == nil, err
	}
	switch failed.Status {
	case http.StatusNotFound:
		return true, nil
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusMethodNotAllowed, http.StatusConflict, http.StatusPreconditionFailed, http.StatusNotImplemented:
		return false, nil
	}
	return false, err
}
