package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/quoitbuild/quoit/labels"
	"github.com/quoitbuild/quoit/versioning"
)

// Ring reads which release a ring holds, nil for an empty ring. Root is the name
// of the root image. It is three GETs for a root image with an index, two for one without,
// one for an empty ring. Errors are a [*RequestError], or say what is wrong with
// the root image, which [labels.ErrNotOurs] and [*labels.SchemaError] may be.
func (p *Project) Ring(ctx context.Context, root, ring string) (*versioning.Placed, error) {
	repository := p.repository(root, pull)
	top, found, err := repository.get(ctx, ring)
	if err != nil || !found {
		return nil, err
	}
	release, err := repository.release(ctx, top)
	if errors.Is(err, labels.ErrEmpty) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("ring %s (%s): %w", ring, repository.reference(ring), err)
	}
	return &versioning.Placed{Ring: ring, Digest: top.digest, Release: release}, nil
}

// release reads the label of a root image. All its platforms have the same.
func (r repository) release(ctx context.Context, top stored) (versioning.Release, error) {
	found, err := r.labels(ctx, top)
	if err != nil {
		return versioning.Release{}, err
	}
	return labels.Parse(found)
}

// labels reads those of an image; of several platforms those of the first.
func (r repository) labels(ctx context.Context, top stored) (map[string]string, error) {
	manifest := top
	if slices.Contains(indexes, top.mediaType) {
		digest, err := platformImage(top.bytes)
		if err != nil {
			return nil, err
		}
		found := false
		if manifest, found, err = r.get(ctx, digest); err != nil {
			return nil, err
		}
		if !found {
			return nil, fmt.Errorf("its index names %s, which is not in the registry", digest)
		}
		if slices.Contains(indexes, manifest.mediaType) {
			return nil, fmt.Errorf("its index names %s, which is an index too", digest)
		}
	}
	digest, size, err := configOf(manifest.bytes)
	if err != nil {
		return nil, err
	}
	config, err := r.blob(ctx, digest, size)
	if err != nil {
		return nil, err
	}
	return parseConfig(config)
}

// descriptor is what is needed of one.
type descriptor struct {
	MediaType   types.MediaType   `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int64             `json:"size"`
	Annotations map[string]string `json:"annotations"`
}

// platformImage returns the digest of the first image of an index that is one,
// and not the attestation of another.
func platformImage(index []byte) (string, error) {
	var parsed struct{ Manifests []descriptor }
	if err := json.Unmarshal(index, &parsed); err != nil {
		return "", fmt.Errorf("its index is broken: %w", err)
	}
	for _, d := range parsed.Manifests {
		if _, attests := d.Annotations["vnd.docker.reference.type"]; attests || !slices.Contains(images, d.MediaType) {
			continue
		}
		if !digestForm.MatchString(d.Digest) {
			return "", fmt.Errorf("its index names %.80q, which is not sha256: and 64 hexadecimal digits", d.Digest)
		}
		return d.Digest, nil
	}
	return "", fmt.Errorf("its index has no image")
}

// configOf returns digest and size of the config of an image manifest.
func configOf(manifest []byte) (string, int64, error) {
	var parsed struct{ Config descriptor }
	if err := json.Unmarshal(manifest, &parsed); err != nil {
		return "", 0, fmt.Errorf("its image manifest is broken: %w", err)
	}
	if !digestForm.MatchString(parsed.Config.Digest) {
		return "", 0, fmt.Errorf("its config is named %.80q, which is not sha256: and 64 hexadecimal digits", parsed.Config.Digest)
	}
	return parsed.Config.Digest, parsed.Config.Size, nil
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
