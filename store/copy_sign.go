package store

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/types"
)

// suffixes are those of cosign's tags: what belongs to a manifest is found by its
// digest.
var suffixes = []string{".sig", ".att", ".sbom"}

func tagOf(digest string) string { return strings.Replace(digest, ":", "-", 1) }

// copySubject is a manifest with referrers that the target does not list.
type copySubject struct {
	image     copyImage
	digest    string
	referrers []stored
	// fallback is the target's list in a tag, for registries without one of their own.
	fallback stored
}

// signatures finds what belongs to the manifests of an image: by tags as cosign
// writes them, and by the lists of referrers; also what belongs to these.
func (w *walker) signatures(ctx context.Context) error {
	tags, err := w.image.from.tags(ctx, w.image.as)
	if err != nil {
		return err
	}
	for i := 0; i < len(w.order); i++ { // it grows
		digest := w.order[i]
		for _, suffix := range suffixes {
			if tag := tagOf(digest) + suffix; slices.Contains(tags, tag) {
				if err := w.signature(ctx, tag); err != nil {
					return err
				}
			}
		}
		if err := w.refer(ctx, digest, slices.Contains(tags, tagOf(digest))); err != nil {
			return err
		}
	}
	return nil
}

// signature looks at a tag of cosign's. It grows with each signature: one that
// has all that the target has takes its place, any other is left alone.
func (w *walker) signature(ctx context.Context, tag string) error {
	here, found, err := w.image.from.head(ctx, w.image.as, tag)
	if err != nil || !found {
		return err
	}
	was, _, err := w.to.head(ctx, w.image.name, tag)
	if err != nil {
		return err
	}
	if was == here {
		return w.manifest(ctx, here, 1, false) // what belongs to it may be missing
	}
	if was != "" {
		there, _, err := w.to.get(ctx, w.image.name, was)
		if err != nil {
			return err
		}
		mine, err := w.fetch(ctx, w.image, here)
		if err != nil {
			return err
		}
		if !grown(there, mine) {
			w.kept = append(w.kept, Tag{w.image.name, tag, was})
			return nil
		}
	}
	w.signs = append(w.signs, copyTag{Tag: Tag{w.image.name, tag, here}, was: was, from: w.image})
	return w.manifest(ctx, here, 0, false)
}

// grown reports whether an image has all layers of another one.
func grown(old, now stored) bool {
	before, err := blobsOf(old)
	if err != nil || len(before) == 0 {
		return false
	}
	after, err := blobsOf(now)
	return err == nil && !slices.ContainsFunc(before[1:], func(blob descriptor) bool {
		return !slices.ContainsFunc(after[1:], func(other descriptor) bool { return other.Digest == blob.Digest })
	})
}

// refer finds the referrers of a manifest that the target does not list.
func (w *walker) refer(ctx context.Context, digest string, tagged bool) error {
	listed, err := w.image.from.referrers(ctx, w.image.as, digest)
	if err != nil {
		return err
	}
	if tagged {
		more, _, err := list(ctx, w.image.from, w.image.as, digest)
		if err != nil {
			return err
		}
		listed = append(listed, more...)
	}
	if len(listed) == 0 {
		return nil
	}
	known, err := w.to.referrers(ctx, w.image.name, digest)
	if err != nil {
		return err
	}
	more, fallback, err := list(ctx, w.to, w.image.name, digest)
	if err != nil {
		return err
	}
	known = append(known, more...)
	subject := copySubject{image: w.image, digest: digest, fallback: fallback}
	for _, referrer := range listed {
		if w.seen[referrer] {
			continue
		}
		there := slices.Contains(known, referrer)
		if err := w.manifest(ctx, referrer, 0, !there); err != nil {
			return err
		}
		if there { // but what belongs to it may be missing
			continue
		}
		manifest, err := w.fetch(ctx, w.image, referrer)
		if err != nil {
			return err
		}
		subject.referrers = append(subject.referrers, manifest)
	}
	if len(subject.referrers) > 0 {
		w.subjects = append(w.subjects, subject)
	}
	return nil
}

// list reads the list of referrers that is kept in a tag.
func list(ctx context.Context, s store, image, digest string) ([]string, stored, error) {
	index, found, err := s.get(ctx, image, tagOf(digest))
	if err != nil || !found || !index.isIndex() {
		return nil, stored{}, err
	}
	digests, err := manifestsOf(index.bytes)
	return digests, index, err
}

// sendLists writes the lists of referrers where the target keeps none.
func (c *copier) sendLists(ctx context.Context) error {
	return c.each(len(c.subjects), func(i int) error {
		subject := c.subjects[i]
		index := struct {
			SchemaVersion int               `json:"schemaVersion"`
			MediaType     types.MediaType   `json:"mediaType"`
			Manifests     []json.RawMessage `json:"manifests"`
		}{SchemaVersion: 2, MediaType: types.OCIImageIndex}
		if len(subject.fallback.bytes) > 0 {
			if err := json.Unmarshal(subject.fallback.bytes, &index); err != nil {
				return err
			}
		}
		before := len(index.Manifests)
		for _, referrer := range subject.referrers {
			if c.listed[c.to.reference(subject.image.name, referrer.digest)] {
				continue
			}
			entry, err := entryOf(referrer)
			if err != nil {
				return err
			}
			index.Manifests = append(index.Manifests, entry)
		}
		if len(index.Manifests) == before {
			return nil
		}
		data, err := json.Marshal(index)
		if err != nil {
			return err
		}
		tag := Tag{subject.image.name, tagOf(subject.digest), digestOf(data)}
		return c.tag(ctx, copyTag{Tag: tag, was: subject.fallback.digest, contents: stored{tag.Digest, types.OCIImageIndex, data}})
	})
}

// entryOf describes a referrer in a list.
func entryOf(referrer stored) (json.RawMessage, error) {
	var parsed struct {
		ArtifactType string
		Config       descriptor
		Annotations  map[string]string
	}
	if err := json.Unmarshal(referrer.bytes, &parsed); err != nil {
		return nil, err
	}
	if parsed.ArtifactType == "" {
		parsed.ArtifactType = string(parsed.Config.MediaType)
	}
	return json.Marshal(struct {
		MediaType    types.MediaType   `json:"mediaType"`
		Digest       string            `json:"digest"`
		Size         int               `json:"size"`
		ArtifactType string            `json:"artifactType,omitempty"`
		Annotations  map[string]string `json:"annotations,omitempty"`
	}{referrer.mediaType, referrer.digest, len(referrer.bytes), parsed.ArtifactType, parsed.Annotations})
}
