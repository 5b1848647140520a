package store

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/quoitbuild/quoit/labels"
	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/versioning"
)

// ReleaseOf reads what a root image says of its release, in its label. All its
// platforms have the same. Errors are those of [Project.Ring].
func ReleaseOf(ctx context.Context, from registry.Repository, top registry.Manifest) (versioning.Release, error) {
	found, err := LabelsOf(ctx, from, top)
	if err != nil {
		return versioning.Release{}, err
	}
	return labels.Parse(found)
}

// LabelsOf reads the labels of an image; of several platforms those of the first.
func LabelsOf(ctx context.Context, from registry.Repository, top registry.Manifest) (map[string]string, error) {
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
