package mirror

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/store"
)

// suffixes are those of cosign's tags: what belongs to a manifest is found by its
// digest.
var suffixes = []string{".sig", ".att", ".sbom"}

// subjectCopy is a manifest with referrers that the target does not list.
type subjectCopy struct {
	image     imageCopy
	digest    string
	referrers []registry.Manifest
	// fallback is the target's list in a tag, for registries without one of their own.
	fallback registry.Manifest
}

// signatures finds what belongs to the manifests of an image: by tags as cosign
// writes them, and by the lists of referrers; also what belongs to these.
func (w *walker) signatures(ctx context.Context) error {
	tags, err := registry.AllTags(ctx, w.image.from)
	if err != nil {
		return err
	}
	for i := 0; i < len(w.order); i++ { // it grows
		digest := w.order[i]
		for _, suffix := range suffixes {
			if tag := registry.ReferrersTag(digest) + suffix; slices.Contains(tags, tag) {
				if err := w.signature(ctx, tag); err != nil {
					return err
				}
			}
		}
		if err := w.refer(ctx, digest, slices.Contains(tags, registry.ReferrersTag(digest))); err != nil {
			return err
		}
	}
	return nil
}

// signature looks at a tag of cosign's. It grows with each signature: one that
// has all that the target has takes its place, any other is left alone.
func (w *walker) signature(ctx context.Context, tag string) error {
	here, found, err := w.image.from.Head(ctx, tag)
	if err != nil || !found {
		return err
	}
	was, _, err := w.to.Repository(w.image.name).Head(ctx, tag)
	if err != nil {
		return err
	}
	if was == here {
		return w.manifest(ctx, here, 1, false) // what belongs to it may be missing
	}
	if was != "" {
		there, _, err := w.to.Repository(w.image.name).Get(ctx, was)
		if err != nil {
			return err
		}
		mine, err := w.fetch(ctx, w.image, here)
		if err != nil {
			return err
		}
		if !grown(there, mine) {
			w.kept = append(w.kept, store.Tag{Image: w.image.name, Tag: tag, Digest: was})
			return nil
		}
	}
	w.signs = append(w.signs, tagCopy{Tag: store.Tag{Image: w.image.name, Tag: tag, Digest: here}, was: was, from: w.image})
	return w.manifest(ctx, here, 0, false)
}

// grown reports whether an image has all layers of another one.
func grown(old, now registry.Manifest) bool {
	before, err := old.Blobs()
	if err != nil || len(before) == 0 {
		return false
	}
	after, err := now.Blobs()
	return err == nil && !slices.ContainsFunc(before[1:], func(blob registry.Descriptor) bool {
		return !slices.ContainsFunc(after[1:], func(other registry.Descriptor) bool { return other.Digest == blob.Digest })
	})
}

// refer finds the referrers of a manifest that the target does not list.
func (w *walker) refer(ctx context.Context, digest string, tagged bool) error {
	listed, err := w.image.from.Referrers(ctx, digest)
	if err != nil {
		return err
	}
	if tagged {
		more, _, err := list(ctx, w.image.from, digest)
		if err != nil {
			return err
		}
		listed = append(listed, more...)
	}
	if len(listed) == 0 {
		return nil
	}
	target := w.to.Repository(w.image.name)
	known, err := target.Referrers(ctx, digest)
	if err != nil {
		return err
	}
	more, fallback, err := list(ctx, target, digest)
	if err != nil {
		return err
	}
	known = append(known, more...)
	subject := subjectCopy{image: w.image, digest: digest, fallback: fallback}
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
func list(ctx context.Context, from registry.Repository, digest string) ([]string, registry.Manifest, error) {
	index, found, err := from.Get(ctx, registry.ReferrersTag(digest))
	if err != nil || !found || !index.IsIndex() {
		return nil, registry.Manifest{}, err
	}
	digests, err := index.Referrers()
	return digests, index, err
}

// sendLists writes the lists of referrers where the target keeps none.
func (c *copier) sendLists(ctx context.Context) error {
	return c.each(len(c.subjects), func(i int) error {
		subject := c.subjects[i]
		index := struct {
			SchemaVersion int               `json:"schemaVersion"`
			MediaType     string            `json:"mediaType"`
			Manifests     []json.RawMessage `json:"manifests"`
		}{SchemaVersion: 2, MediaType: registry.IndexType}
		if len(subject.fallback.Bytes) > 0 {
			if err := json.Unmarshal(subject.fallback.Bytes, &index); err != nil {
				return err
			}
		}
		before := len(index.Manifests)
		for _, referrer := range subject.referrers {
			if c.listed[c.to.Repository(subject.image.name).Reference(referrer.Digest)] {
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
		tag := store.Tag{Image: subject.image.name, Tag: registry.ReferrersTag(subject.digest), Digest: registry.DigestOf(data)}
		return c.tag(ctx, tagCopy{Tag: tag, was: subject.fallback.Digest, contents: registry.NewManifest(registry.IndexType, data)})
	})
}

// entryOf describes a referrer in a list.
func entryOf(referrer registry.Manifest) (json.RawMessage, error) {
	var parsed struct {
		ArtifactType string
		Config       registry.Descriptor
		Annotations  map[string]string
	}
	if err := json.Unmarshal(referrer.Bytes, &parsed); err != nil {
		return nil, err
	}
	if parsed.ArtifactType == "" {
		parsed.ArtifactType = parsed.Config.MediaType
	}
	return json.Marshal(struct {
		MediaType    string            `json:"mediaType"`
		Digest       string            `json:"digest"`
		Size         int               `json:"size"`
		ArtifactType string            `json:"artifactType,omitempty"`
		Annotations  map[string]string `json:"annotations,omitempty"`
	}{referrer.MediaType, referrer.Digest, len(referrer.Bytes), parsed.ArtifactType, parsed.Annotations})
}
