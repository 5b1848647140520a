package prune

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/store/records"
)

// bury lets the tags of pruned versions name the tombstone. Nobody else writes
// them: the log forbids that a ring gets their releases back.
func (r *pruner) bury(ctx context.Context) error {
	stone := records.Tombstone()
	manifest := registry.NewManifest(records.ManifestType, stone.Manifest)
	var images []string
	for _, tag := range r.outcome.Tags {
		if !slices.Contains(images, tag.Image) {
			images = append(images, tag.Image)
		}
	}
	err := r.pace.Each(len(images), func(i int) error {
		return registry.Ensure(ctx, r.at.Writable(images[i]), stone.Config)
	})
	if err != nil {
		return err
	}
	var mu sync.Mutex
	left := 0
	err = r.pace.Each(len(r.outcome.Tags), func(i int) error {
		mu.Lock()
		refused := left > 0
		mu.Unlock()
		var err error
		if !refused {
			tag := r.outcome.Tags[i]
			_, err = r.at.Writable(tag.Image).Replace(ctx, tag.Tag, tag.Digest, manifest)
		}
		mu.Lock()
		defer mu.Unlock()
		if taken := new(registry.OtherError); refused || errors.As(err, &taken) {
			left++
			return nil
		}
		return err
	})
	if left > 0 {
		r.outcome.Notes = append(r.outcome.Notes, fmt.Sprintf("the registry does not let tags move, so %d version tags stay, with their images", left))
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
	log := r.at.Writable(records.Repository)
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
	return r.pace.Each(len(numbers), func(i int) error {
		for _, vote := range slots[numbers[i]] { // in order, see votes
			if deleted, err := log.Delete(ctx, vote); err != nil || !deleted {
				return err
			}
		}
		return nil
	})
}

func (r *pruner) trial(ctx context.Context, log registry.Repository) (bool, error) {
	stone := records.Tombstone()
	manifest := registry.NewManifest(records.ManifestType, stone.Manifest)
	if err := registry.Ensure(ctx, log, stone.Config); err != nil {
		return false, err
	}
	for _, tag := range []string{trialTag, otherTrial} {
		if _, err := log.Replace(ctx, tag, "", manifest); err != nil {
			return false, err
		}
	}
	if deleted, err := log.Delete(ctx, trialTag); err != nil || !deleted {
		return false, err
	}
	_, gone, err := log.Head(ctx, trialTag)
	if err != nil {
		return false, err
	}
	_, alive, err := log.Head(ctx, otherTrial)
	if err != nil || gone || !alive {
		return false, err
	}
	_, err = log.Delete(ctx, otherTrial)
	return true, err
}
