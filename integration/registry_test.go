//go:build stack

package integration

import (
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// digestOf is the digest of what a reference names.
func digestOf(t *testing.T, ref string) string {
	t.Helper()
	parsed, err := name.ParseReference(ref)
	if err != nil {
		t.Fatal(err)
	}
	found, err := remote.Head(parsed, remote.WithContext(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	return found.Digest.String()
}

// tagsOf are the tags of a repository.
func tagsOf(t *testing.T, repository string) []string {
	t.Helper()
	parsed, err := name.NewRepository(repository)
	if err != nil {
		t.Fatal(err)
	}
	tags, err := remote.List(parsed, remote.WithContext(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	return tags
}

// validImage checks that a reference names an index or an image of which every
// part is there, and is what its digest says.
func validImage(t *testing.T, ref string, options ...validate.Option) {
	t.Helper()
	parsed, err := name.ParseReference(ref)
	if err != nil {
		t.Fatal(err)
	}
	found, err := remote.Get(parsed, remote.WithContext(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	if found.MediaType.IsIndex() {
		index, err := found.ImageIndex()
		if err == nil {
			err = validate.Index(index, options...)
		}
		if err != nil {
			t.Fatalf("%s: %v", ref, err)
		}
		return
	}
	img, err := found.Image()
	if err == nil {
		err = validate.Image(img, options...)
	}
	if err != nil {
		t.Fatalf("%s: %v", ref, err)
	}
}
