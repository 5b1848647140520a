package mirror

import (
	"context"
	"fmt"
	"slices"

	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/store/records"
)

// manifestCopy is one to write, after those that it names, which have higher levels.
type manifestCopy struct {
	image    string
	contents registry.Manifest
	level    int
}

// blobCopy is one to write.
type blobCopy struct {
	registry.Descriptor
	image imageCopy
}

// holders says which images of the target have a blob.
type holders struct{ images []string }

func (p *holders) known() string {
	if len(p.images) == 0 {
		return ""
	}
	return p.images[0]
}

// each calls f for 0 … n-1, several at a time.
func (c *copier) each(n int, f func(i int) error) error { return c.pace.Each(n, f) }

// slower is the pace of the side that wants to be asked less.
func slower(a, b registry.Pace) registry.Pace {
	a.Jobs = min(a.Jobs, b.Jobs)
	return a
}

// fetch reads a manifest of the source, once.
func (c *copier) fetch(ctx context.Context, image imageCopy, digest string) (registry.Manifest, error) {
	key := image.from.Reference(digest)
	c.mu.Lock()
	manifest, known := c.manifests[key]
	c.mu.Unlock()
	if known {
		return manifest, nil
	}
	manifest, found, err := image.from.Get(ctx, digest)
	if err == nil && !found {
		err = fmt.Errorf("%s is not there, and the log or an index names it: run `quoit verify`", key)
	}
	if err != nil {
		return registry.Manifest{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.manifests[key] = manifest
	return manifest, nil
}

// free looks what the target has under the tags that are to be written.
func (c *copier) free(ctx context.Context) error {
	seen := map[store.Tag]bool{}
	for _, release := range c.releases {
		for _, image := range release.images {
			tag := store.Tag{Image: image.name, Tag: image.tag, Digest: image.digest}
			if !seen[tag] {
				seen[tag] = true
				c.images = append(c.images, image)
				c.tags = append(c.tags, tagCopy{Tag: tag, from: image})
			}
		}
		if root := release.images[len(release.images)-1]; release.ring {
			c.rings = append(c.rings, tagCopy{Tag: store.Tag{Image: root.name, Tag: release.name, Digest: root.digest}, from: root})
			mark := store.Tag{Image: records.Repository, Tag: records.RingName(release.name), Digest: release.by.Digest}
			c.marks = append(c.marks, tagCopy{Tag: mark, contents: registry.NewManifest(records.ManifestType, release.by.Manifest)})
		}
	}
	may := slices.Concat(pointers(c.rings), pointers(c.marks))
	return c.each(len(c.tags)+len(may), func(i int) (err error) {
		if i >= len(c.tags) {
			tag := may[i-len(c.tags)]
			tag.was, _, err = c.to.Repository(tag.Image).Head(ctx, tag.Tag.Tag)
			return err
		}
		tag := &c.tags[i]
		tag.was, _, err = c.to.Repository(tag.Image).Head(ctx, tag.Tag.Tag)
		if err == nil && tag.was != "" && tag.was != tag.Digest {
			return &TakenError{c.to.Repository(tag.Image).Reference(tag.Tag.Tag), tag.Digest, tag.was}
		}
		return err
	})
}

func pointers(tags []tagCopy) []*tagCopy {
	var all []*tagCopy
	for i := range tags {
		all = append(all, &tags[i])
	}
	return all
}

// walk finds what has to be written for the images and their signatures.
func (c *copier) walk(ctx context.Context) error {
	err := c.each(len(c.images), func(i int) error {
		w := &walker{copier: c, image: c.images[i], seen: map[string]bool{}}
		if err := w.manifest(ctx, w.image.digest, 0, false); err != nil {
			return err
		}
		if err := w.signatures(ctx); err != nil {
			return err
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.found = append(c.found, w)
		return nil
	})
	slices.SortFunc(c.found, func(a, b *walker) int {
		return slices.Index(c.images, a.image) - slices.Index(c.images, b.image)
	})
	written := map[string]bool{}
	for _, w := range c.found {
		for _, manifest := range w.todo {
			if key := c.to.Repository(manifest.image).Reference(manifest.contents.Digest); !written[key] {
				written[key] = true
				c.todo = append(c.todo, manifest)
			}
		}
		c.wants = append(c.wants, w.wants...)
		c.signs = append(c.signs, w.signs...)
		c.subjects = append(c.subjects, w.subjects...)
		c.outcome.Kept = append(c.outcome.Kept, w.kept...)
		c.outcome.Existed.add(w.existed, 0, 0)
	}
	return err
}

// walker walks the manifests of one image.
type walker struct {
	*copier
	image    imageCopy
	seen     map[string]bool // manifests
	order    []string        // so too
	todo     []manifestCopy
	wants    []blobCopy
	signs    []tagCopy
	subjects []subjectCopy
	kept     []store.Tag
	existed  int
}

// manifest walks one and what it names. One that the target has is complete there, as it
// was written after its parts; but its own manifests may have been cleaned up since, as they
// have no tags. Again lets it be written anyway.
func (w *walker) manifest(ctx context.Context, digest string, level int, again bool) error {
	if w.seen[digest] {
		return nil
	}
	w.seen[digest], w.order = true, append(w.order, digest)
	if level > 8 {
		return fmt.Errorf("%s: an index of an index of an index, and so on: this is not an image", w.image.from.Reference(digest))
	}
	_, there, err := w.to.Repository(w.image.name).Head(ctx, digest)
	if err != nil {
		return err
	}
	if there && !again && level > 0 {
		w.existed++
		return nil
	}
	manifest, err := w.fetch(ctx, w.image, digest)
	if err != nil {
		return err
	}
	if there && !again {
		w.existed++
		for _, child := range manifest.Children() { // they may have signatures, or be lost
			if err := w.manifest(ctx, child, level+1, false); err != nil {
				return err
			}
		}
		return nil
	}
	w.todo = append(w.todo, manifestCopy{w.image.name, manifest, level})
	blobs, err := manifest.Blobs()
	if err != nil {
		return fmt.Errorf("%s: %w", w.image.from.Reference(digest), err)
	}
	for _, blob := range blobs {
		w.wants = append(w.wants, blobCopy{blob, w.image})
	}
	for _, child := range manifest.Children() {
		if err := w.manifest(ctx, child, level+1, false); err != nil {
			return err
		}
	}
	return nil
}

// weigh finds the blobs that the target lacks.
func (c *copier) weigh(ctx context.Context) error {
	type key struct{ image, digest string }
	seen := map[key]bool{}
	c.wants = slices.DeleteFunc(c.wants, func(b blobCopy) bool {
		k := key{b.image.name, b.Digest}
		twice := seen[k]
		seen[k] = true
		return twice
	})
	there := make([]bool, len(c.wants))
	err := c.each(len(c.wants), func(i int) (err error) {
		there[i], err = c.to.Repository(c.wants[i].image.name).Has(ctx, c.wants[i].Descriptor)
		return err
	})
	if err != nil {
		return err
	}
	var left []blobCopy
	for i, blob := range c.wants {
		if c.blobs[blob.Digest] == nil {
			c.blobs[blob.Digest] = &holders{}
		}
		if there[i] {
			c.blobs[blob.Digest].images = append(c.blobs[blob.Digest].images, blob.image.name)
			c.outcome.Existed.add(0, 1, blob.Size)
		} else {
			left = append(left, blob)
		}
	}
	c.wants = left
	counted := map[string]bool{}
	for _, blob := range left {
		if c.blobs[blob.Digest].known() == "" && !counted[blob.Digest] {
			counted[blob.Digest] = true
			c.total += blob.Size
		}
	}
	return nil
}
