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
// platforms have the same. Errors are those of [Project.Release].
func ReleaseOf(ctx context.Context, from registry.Repository, top registry.Manifest) (versioning.Release, error) {
	found, err := LabelsOf(ctx, from, top)
	if err != nil {
		return versioning.Release{}, err
	}
	return labels.Parse(found)
}

// LabelsOf reads the labels of an image; of several platforms those of the first.
func LabelsOf(ctx context.Context, from registry.Repository, top registry.Manifest) (map[string]string, error) {
	said, err := ClaimsOf(ctx, from, top)
	return said.Labels, err
}

// Claims are what an image says of itself, whoever made it.
type Claims struct {
	Labels  map[string]string
	Created string // when, in whatever form; "" if it does not say
}

// ClaimsOf reads what an image says; of several platforms the first.
func ClaimsOf(ctx context.Context, from registry.Repository, top registry.Manifest) (Claims, error) {
	manifest := top
	if top.IsIndex() {
		digest, err := top.Image()
		if err != nil {
			return Claims{}, err
		}
		found := false
		if manifest, found, err = from.Get(ctx, digest); err != nil {
			return Claims{}, err
		}
		if !found {
			return Claims{}, fmt.Errorf("its index names %s, which is not in the registry", digest)
		}
		if manifest.IsIndex() {
			return Claims{}, fmt.Errorf("its index names %s, which is an index too", digest)
		}
	}
	config, err := manifest.Config()
	if err != nil {
		return Claims{}, err
	}
	data, err := from.Blob(ctx, config)
	if err != nil {
		return Claims{}, err
	}
	return parseConfig(data)
}

// parseConfig returns what an image's config says.
func parseConfig(data []byte) (Claims, error) {
	var config struct {
		Created string
		Config  struct{ Labels map[string]string }
	}
	if err := json.Unmarshal(data, &config); err != nil {
		return Claims{}, fmt.Errorf("its config is broken: %w", err)
	}
	return Claims{Labels: config.Config.Labels, Created: config.Created}, nil
}
