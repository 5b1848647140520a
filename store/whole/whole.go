// Package whole knows what an image consists of, and which of it a repository has lost.
package whole

import (
	"context"
	"fmt"

	"github.com/quoitbuild/quoit/registry"
)

// Part is something of an image that is not in its repository any more.
type Part struct {
	Digest string
	// Of is the digest of the manifest that names it, "" if it is the image itself.
	Of string
	// Blob describes it if it is one; else it is a manifest.
	Blob *registry.Descriptor
	// Broken says what is wrong with what is there in its place, nil if nothing is.
	Broken error
	// Copied says that the copy has it; Manifest is then what it is, if it is one.
	Copied   bool
	Manifest registry.Manifest
}

// Problem says what is wrong with the image, for people.
func (p Part) Problem() string {
	switch {
	case p.Broken != nil:
		return p.Broken.Error()
	case p.Of == "":
		return "it is not there"
	case p.Blob != nil:
		return "it names the blob " + p.Digest + ", which is not there"
	}
	return "it names " + p.Digest + ", which is not there"
}

// Lost returns what a repository lacks of the image with a digest, parts before what
// names them. What a manifest that is lost named is known only if a copy, which may be
// nil, has that. Errors are of either registry; broken contents are none.
func Lost(ctx context.Context, here, copied registry.Repository, digest string) ([]Part, error) {
	w := &walk{here: here, copied: copied, seen: map[string]bool{}}
	err := w.manifest(ctx, digest, "", 0)
	return w.lost, err
}

type walk struct {
	here, copied registry.Repository
	seen         map[string]bool
	lost         []Part
}

const deepest = 8 // index of an index, and so on

func (w *walk) manifest(ctx context.Context, digest, of string, level int) error {
	if w.seen[digest] {
		return nil
	}
	w.seen[digest] = true
	if level > deepest {
		return fmt.Errorf("%s: an index of an index of an index, and so on: this is not an image", w.here.Reference(digest))
	}
	part := Part{Digest: digest, Of: of}
	manifest, there, err := w.here.Get(ctx, digest)
	if part.Broken = err; err != nil && !registry.Broken(err) {
		return err
	}
	if !there && w.copied != nil {
		if manifest, part.Copied, err = w.copied.Get(ctx, digest); err != nil {
			return err
		}
		part.Manifest = manifest
	}
	if there || part.Copied {
		if err := w.parts(ctx, manifest, level); err != nil {
			return err
		}
	}
	if !there {
		w.lost = append(w.lost, part)
	}
	return nil
}

func (w *walk) parts(ctx context.Context, manifest registry.Manifest, level int) error {
	for _, child := range manifest.Children() {
		if err := w.manifest(ctx, child, manifest.Digest, level+1); err != nil {
			return err
		}
	}
	blobs, err := manifest.Blobs()
	if err != nil {
		w.lost = append(w.lost, Part{Digest: manifest.Digest, Of: manifest.Digest, Broken: err})
		return nil
	}
	for _, blob := range blobs {
		if w.seen[blob.Digest] {
			continue
		}
		w.seen[blob.Digest] = true
		there, err := w.here.Has(ctx, blob)
		if err != nil {
			return err
		}
		if there {
			continue
		}
		part := Part{Digest: blob.Digest, Of: manifest.Digest, Blob: &blob}
		if w.copied != nil {
			if part.Copied, err = w.copied.Has(ctx, blob); err != nil {
				return err
			}
		}
		w.lost = append(w.lost, part)
	}
	return nil
}
