package mirror

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/store/records"
)

// declare marks the target as a mirror, before anything else is there that a
// publish could build on.
func (c *copier) declare(ctx context.Context) error {
	if c.marked {
		return nil
	}
	mark, config, err := store.MirrorMark(c.origin)
	if err != nil {
		return err
	}
	if _, err := c.to.Repository(records.Repository).Upload(ctx, registry.BlobOf(config), "", registry.Bytes(config)); err != nil {
		return err
	}
	_, err = c.put(ctx, records.Repository, string(records.Hint), "", mark)
	return err
}

// sendBlobs writes each blob once, and lets the other images have it from there.
func (c *copier) sendBlobs(ctx context.Context) error {
	var first, others []blobCopy
	sent := map[string]bool{}
	for _, blob := range c.wants {
		if c.blobs[blob.Digest].known() == "" && !sent[blob.Digest] {
			sent[blob.Digest] = true
			first = append(first, blob)
		} else {
			others = append(others, blob)
		}
	}
	slices.SortStableFunc(first, func(a, b blobCopy) int { return cmp.Compare(b.Size, a.Size) })
	for _, blobs := range [][]blobCopy{first, others} {
		if err := c.each(len(blobs), func(i int) error { return c.sendBlob(ctx, blobs[i]) }); err != nil {
			return err
		}
	}
	return nil
}

func (c *copier) sendBlob(ctx context.Context, blob blobCopy) error {
	c.mu.Lock()
	from := c.blobs[blob.Digest].known()
	c.mu.Unlock()
	meter := &meter{copier: c}
	mounted, err := c.to.Repository(blob.image.name).Upload(ctx, blob.Descriptor, from, func(ctx context.Context) (io.ReadCloser, error) {
		opened, err := blob.image.from.Open(ctx, blob.Descriptor)
		if err != nil {
			return nil, err
		}
		meter.moved(-meter.sent)
		return metered{opened, meter}, nil
	})
	c.wrote(err)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		return err
	}
	c.blobs[blob.Digest].images = append(c.blobs[blob.Digest].images, blob.image.name)
	if mounted {
		c.outcome.Mounted.add(0, 1, blob.Size)
	} else {
		c.outcome.Copied.add(0, 1, blob.Size)
	}
	return nil
}

// meter counts what an attempt has read of a blob.
type meter struct {
	*copier
	sent int64
}

func (m *meter) moved(n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sent += n
	m.done += n
	if m.request.Progress != nil {
		m.request.Progress(m.done, m.total)
	}
}

type metered struct {
	io.ReadCloser
	*meter
}

func (m metered) Read(p []byte) (int, error) {
	n, err := m.ReadCloser.Read(p)
	m.moved(int64(n))
	return n, err
}

// sendManifests writes manifests by digest, parts before what names them.
func (c *copier) sendManifests(ctx context.Context) error {
	levels := map[int][]manifestCopy{}
	deepest := 0
	for _, manifest := range c.todo {
		levels[manifest.level] = append(levels[manifest.level], manifest)
		deepest = max(deepest, manifest.level)
	}
	for level := deepest; level >= 0; level-- {
		err := c.each(len(levels[level]), func(i int) error {
			manifest := levels[level][i]
			listed, err := c.put(ctx, manifest.image, manifest.contents.Digest, manifest.contents.Digest, manifest.contents)
			c.mu.Lock()
			defer c.mu.Unlock()
			if err == nil {
				c.listed[c.to.Repository(manifest.image).Reference(manifest.contents.Digest)] = listed
				c.outcome.Copied.add(1, 0, int64(len(manifest.contents.Bytes)))
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return c.sendLists(ctx)
}

// sendTags writes the tags of signatures, and those of versions in their order.
func (c *copier) sendTags(ctx context.Context) error {
	for _, tag := range append(c.signs, c.tags...) {
		if err := c.tag(ctx, tag); err != nil {
			return err
		}
	}
	return nil
}

// tag writes a tag, if it is not there.
func (c *copier) tag(ctx context.Context, tag tagCopy) (err error) {
	if tag.was == tag.Digest {
		return nil
	}
	manifest := tag.contents
	if manifest.Digest == "" {
		if manifest, err = c.fetch(ctx, tag.from, tag.Digest); err != nil {
			return err
		}
	}
	if _, err := c.put(ctx, tag.Image, tag.Tag.Tag, tag.was, manifest); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.outcome.Written = append(c.outcome.Written, tag.Tag)
	return nil
}

// sendRecords continues the target's log, one record after the other, so that
// those which are there have no gaps.
func (c *copier) sendRecords(ctx context.Context) error {
	err := c.each(len(c.lacking), func(i int) error {
		config := c.lacking[i].Config
		_, err := c.to.Repository(records.Repository).Upload(ctx, registry.BlobOf(config), "", registry.Bytes(config))
		return err
	})
	if err != nil {
		return err
	}
	for _, mark := range c.unmarked {
		if _, err := c.put(ctx, mark.Image, mark.Tag.Tag, "", mark.contents); err != nil {
			return err
		}
	}
	for _, sealed := range c.lacking {
		sequence := sealed.Record.Sequence
		tag := records.Name{Sequence: sequence}.String()
		manifest := registry.NewManifest(records.ManifestType, sealed.Manifest)
		was, _, err := c.to.Repository(records.Repository).Head(ctx, tag)
		if err == nil && was == "" {
			_, err = c.put(ctx, records.Repository, tag, "", manifest)
		} else if err == nil && was != sealed.Digest {
			err = &NotMirrorError{Target: c.to.String(), Record: sequence, Here: sealed.Digest, There: was}
		}
		if err != nil {
			return err
		}
		c.outcome.Records++
		c.outcome.Copied.add(0, 1, int64(len(sealed.Config)))
	}
	return nil
}

// sendRings moves the rings' tags, unless somebody has copied more meanwhile. That of the
// log comes after each: until then the ring has what it had.
func (c *copier) sendRings(ctx context.Context) error {
	newer, err := c.there(ctx, c.newest.Record.Sequence+1)
	if err == nil && newer != "" && len(c.rings) > 0 {
		var here string
		if here, err = c.here(ctx, c.newest.Record.Sequence+1); err == nil && here != newer {
			err = fmt.Errorf("another copy has brought newer records meanwhile: run it again")
		}
	}
	for i, ring := range c.rings {
		if err == nil {
			err = c.tag(ctx, ring)
		}
		if mark := c.marks[i]; err == nil && mark.was != mark.Digest {
			_, err = c.put(ctx, mark.Image, mark.Tag.Tag, mark.was, mark.contents)
		}
	}
	if err != nil {
		return err
	}
	return c.to.Commit()
}

// put writes a manifest where nothing else may be than what was. listed says that the
// target lists it as a referrer.
func (c *copier) put(ctx context.Context, image, identifier, was string, manifest registry.Manifest) (listed bool, err error) {
	receipt, err := c.to.Repository(image).Replace(ctx, identifier, was, manifest)
	if other := new(registry.OtherError); errors.As(err, &other) {
		return false, &TakenError{other.Reference, other.Wanted, other.Got}
	}
	c.wrote(err)
	return receipt.Listed, err
}

// wrote notes a write, unless it was certainly not carried out.
func (c *copier) wrote(err error) {
	if !registry.Undone(err) {
		c.written.Store(true)
	}
}
