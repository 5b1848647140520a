package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/quoitbuild/quoit/labels"
	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/versioning"
)

// Ring reads which release a ring has, nil for an empty ring. Root is the name
// of the root image. It is three GETs for a root image with an index, two for one without,
// one for an empty ring. Errors are a [*registry.RequestError], or say what is wrong with
// the root image, which [labels.ErrNotOurs] and [*labels.SchemaError] may be.
func (p *Project) Ring(ctx context.Context, root, ring string) (*versioning.Placed, error) {
	repository := p.at.Repository(root)
	top, found, err := repository.Get(ctx, ring)
	if err != nil || !found {
		return nil, err
	}
	release, err := ReleaseOf(ctx, repository, top)
	if errors.Is(err, labels.ErrEmpty) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("ring %s (%s): %w", ring, repository.Reference(ring), err)
	}
	return &versioning.Placed{Ring: ring, Digest: top.Digest, Release: release}, nil
}

// ReleaseOf reads what a root image says of its release, in its label. All its
// platforms have the same. Errors are those of [Project.Ring].
func ReleaseOf(ctx context.Context, from registry.Repository, top registry.Manifest) (versioning.Release, error) {
	found, err := labelsOf(ctx, from, top)
	if err != nil {
		return versioning.Release{}, err
	}
	return labels.Parse(found)
}

// labelsOf reads those of an image; of several platforms those of the first.
func labelsOf(ctx context.Context, from registry.Repository, top registry.Manifest) (map[string]string, error) {
	manifest := top
	if top.IsIndex() {
		digest, err := top.Image()
		if err != nil {
			return nil, err
		}
		found := false
		if manifest, found, err = from.Get(ctx, digest); err != nil {
			return nil, err
		}
		if !found {
			return nil, fmt.Errorf("its index names %s, which is not in the registry", digest)
		}
		if manifest.IsIndex() {
			return nil, fmt.Errorf("its index names %s, which is an index too", digest)
		}
	}
	config, err := manifest.Config()
	if err != nil {
		return nil, err
	}
	data, err := from.Blob(ctx, config)
	if err != nil {
		return nil, err
	}
	return parseConfig(data)
}

// parseConfig returns the labels in an image's config.
func parseConfig(data []byte) (map[string]string, error) {
	var config struct {
		Config struct{ Labels map[string]string }
	}
	if err := json.Unmarshal(data, &config); err != nil {
		return nil, fmt.Errorf("its config is broken: %w", err)
	}
	return config.Config.Labels, nil
}
