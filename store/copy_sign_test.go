package store

import (
	"context"
	"fmt"
	"io"
	"log"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	memory "github.com/google/go-containerregistry/pkg/registry"
)

// artifact pushes one that refers to a subject, which a tag lists, or that
// another tag names. It returns the digest.
func (s *server) artifact(image, subject, tag, kind string) string {
	s.t.Helper()
	s.upload(image, []byte(kind))
	refers := ""
	if subject != "" {
		refers = fmt.Sprintf(`,"subject":{"mediaType":%q,"digest":%q,"size":1}`, ociIndex, subject)
	}
	manifest := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":"application/vnd.example.%s","digest":%q,"size":%d},"layers":[]%s}`,
		ociManifest, kind, digestOf([]byte(kind)), len(kind), refers)
	if subject == "" {
		return s.put(image, tag, ociManifest, manifest)
	}
	s.put(image, digestOf(manifest), ociManifest, manifest)
	s.put(image, tagOf(subject), ociIndex, fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"manifests":[{"mediaType":%q,"digest":%q,"size":%d,"artifactType":"application/vnd.example.%s"}]}`,
		ociIndex, ociManifest, digestOf(manifest), len(manifest), kind))
	return digestOf(manifest)
}

// sign pushes what cosign does, and two referrers of which one has the other.
func (s *server) sign(digest, image string) {
	s.t.Helper()
	s.artifact(image, "", tagOf(digest)+".sig", "sig")
	s.artifact(image, s.artifact(image, digest, "", "sbom"), "", "signature")
}

// What belongs to a referrer, or to a signature, may come later than it.
func TestCopyOfSignaturesOfSignatures(t *testing.T) {
	source, mirror := newServer(t), newServer(t)
	digest := source.release(firstShop, "developers").Digests["api"]
	signature := source.artifact("api", "", tagOf(digest)+".sig", "sig")
	sbom := source.artifact("api", digest, "", "sbom")
	copies(t, source.open(nil), mirror.open(nil), "developers")
	for _, subject := range []string{signature, sbom} {
		source.artifact("api", subject, "", "timestamp")
		copies(t, source.open(nil), mirror.open(nil), "developers")
		if diff := cmp.Diff(source.versioned(), mirror.versioned()); diff != "" {
			t.Errorf("the mirror (-source +mirror):\n%s", diff)
		}
	}
}

func TestCopyOfSignatures(t *testing.T) {
	source, mirror, dir := newServer(t), newServer(t), t.TempDir()
	first := source.release(firstShop, "developers")
	copies(t, source.open(nil), mirror.open(nil), "developers")
	source.sign(first.Digests["api"], "api")
	copies(t, source.open(nil), source.layout(dir), "developers")
	copied := copies(t, source.layout(dir), mirror.open(nil), "developers")
	if diff := cmp.Diff(source.versioned(), mirror.versioned()); diff != "" {
		t.Errorf("the mirror (-source +mirror):\n%s", diff)
	}
	if len(copied.Written) != 3 {
		t.Errorf("it wrote %v", copied.Written)
	}
	signature := tagOf(first.Digests["api"]) + ".sig"
	own := mirror.put("api", signature, ociManifest, fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":"x","digest":%q,"size":2},"layers":[{"mediaType":"x","digest":%q,"size":2}]}`,
		ociManifest, digestOf([]byte("{}")), digestOf([]byte("{}"))))
	again := copies(t, source.open(nil), mirror.open(nil), "developers")
	if diff := cmp.Diff([]Tag{{"api", signature, own}}, again.Kept); diff != "" || len(again.Written) > 0 {
		t.Errorf("%s%v", diff, again.Written)
	}
}

func TestCopyOfReferrersThatRegistriesList(t *testing.T) {
	source, mirror, plain := newServer(t), newServer(t), newServer(t)
	for _, s := range []*server{source, mirror} {
		s.inner = memory.New(memory.WithReferrersSupport(true), memory.Logger(log.New(io.Discard, "", 0)))
	}
	first := source.release(firstShop, "developers")
	subject := first.Digests["api"]
	source.upload("api", []byte("{}"))
	manifest := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"artifactType":"application/vnd.example.sbom","config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":%q,"size":2},"layers":[],"subject":{"mediaType":%q,"digest":%q,"size":1}}`,
		ociManifest, digestOf([]byte("{}")), ociIndex, subject)
	source.put("api", digestOf(manifest), ociManifest, manifest)
	for _, to := range []*server{mirror, plain} {
		copies(t, source.open(nil), to.open(nil), "developers")
		found, err := to.open(nil).store().referrers(context.Background(), "api", subject)
		must(t, err)
		listed, _, err := list(context.Background(), to.open(nil).store(), "api", subject)
		must(t, err)
		if diff := cmp.Diff([]string{digestOf(manifest)}, slices.Compact(append(found, listed...))); diff != "" {
			t.Error(diff)
		}
		if again := copies(t, source.open(nil), to.open(nil), "developers"); len(again.Written) > 0 || again.Copied.Manifests > 0 {
			t.Errorf("again: %+v", again)
		}
	}
}
