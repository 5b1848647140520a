package mirror_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	memory "github.com/google/go-containerregistry/pkg/registry"

	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/store/storetest"
)

// artifact pushes one that refers to a subject, which a tag lists, or that
// another tag names. It returns the digest.
func (s *server) artifact(image, subject, tag, kind string) string {
	s.T.Helper()
	s.PushBlob(image, []byte(kind))
	refers := ""
	if subject != "" {
		refers = fmt.Sprintf(`,"subject":{"mediaType":%q,"digest":%q,"size":1}`, registry.IndexType, subject)
	}
	manifest := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":"application/vnd.example.%s","digest":%q,"size":%d},"layers":[]%s}`,
		registry.ManifestType, kind, registry.DigestOf([]byte(kind)), len(kind), refers)
	if subject == "" {
		return s.Put(image, tag, registry.ManifestType, manifest)
	}
	s.Put(image, registry.DigestOf(manifest), registry.ManifestType, manifest)
	s.Put(image, registry.ReferrersTag(subject), registry.IndexType, fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"manifests":[{"mediaType":%q,"digest":%q,"size":%d,"artifactType":"application/vnd.example.%s"}]}`,
		registry.IndexType, registry.ManifestType, registry.DigestOf(manifest), len(manifest), kind))
	return registry.DigestOf(manifest)
}

// sign pushes what cosign does, and two referrers of which one has the other.
func (s *server) sign(digest, image string) {
	s.T.Helper()
	s.artifact(image, "", registry.ReferrersTag(digest)+".sig", "sig")
	s.artifact(image, s.artifact(image, digest, "", "sbom"), "", "signature")
}

// What belongs to a referrer, or to a signature, may come later than it.
func TestCopyOfSignaturesOfSignatures(t *testing.T) {
	source, replica := newServer(t), newServer(t)
	digest := source.Release(storetest.First, "developers").Digests["api"]
	signature := source.artifact("api", "", registry.ReferrersTag(digest)+".sig", "sig")
	sbom := source.artifact("api", digest, "", "sbom")
	copies(t, source.At(nil), replica.At(nil), "developers")
	for _, subject := range []string{signature, sbom} {
		source.artifact("api", subject, "", "timestamp")
		copies(t, source.At(nil), replica.At(nil), "developers")
		if diff := cmp.Diff(source.versioned(), replica.versioned()); diff != "" {
			t.Errorf("the mirror (-source +mirror):\n%s", diff)
		}
	}
}

func TestCopyOfSignatures(t *testing.T) {
	source, replica, dir := newServer(t), newServer(t), t.TempDir()
	first := source.Release(storetest.First, "developers")
	copies(t, source.At(nil), replica.At(nil), "developers")
	source.sign(first.Digests["api"], "api")
	copies(t, source.At(nil), source.layout(dir), "developers")
	copied := copies(t, source.layout(dir), replica.At(nil), "developers")
	if diff := cmp.Diff(source.versioned(), replica.versioned()); diff != "" {
		t.Errorf("the mirror (-source +mirror):\n%s", diff)
	}
	if len(copied.Written) != 3 {
		t.Errorf("it wrote %v", copied.Written)
	}
	signature := registry.ReferrersTag(first.Digests["api"]) + ".sig"
	own := replica.Put("api", signature, registry.ManifestType, fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":"x","digest":%q,"size":2},"layers":[{"mediaType":"x","digest":%q,"size":2}]}`,
		registry.ManifestType, registry.DigestOf([]byte("{}")), registry.DigestOf([]byte("{}"))))
	again := copies(t, source.At(nil), replica.At(nil), "developers")
	if diff := cmp.Diff([]store.Tag{{Image: "api", Tag: signature, Digest: own}}, again.Kept); diff != "" || len(again.Written) > 0 {
		t.Errorf("%s%v", diff, again.Written)
	}
}

func TestCopyOfReferrersThatRegistriesList(t *testing.T) {
	source, replica, plain := newServer(t), newServer(t), newServer(t)
	for _, s := range []*server{source, replica} {
		s.Inner = memory.New(memory.WithReferrersSupport(true), memory.Logger(log.New(io.Discard, "", 0)))
	}
	first := source.Release(storetest.First, "developers")
	subject := first.Digests["api"]
	source.PushBlob("api", []byte("{}"))
	manifest := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"artifactType":"application/vnd.example.sbom","config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":%q,"size":2},"layers":[],"subject":{"mediaType":%q,"digest":%q,"size":1}}`,
		registry.ManifestType, registry.DigestOf([]byte("{}")), registry.IndexType, subject)
	source.Put("api", registry.DigestOf(manifest), registry.ManifestType, manifest)
	for _, to := range []*server{replica, plain} {
		copies(t, source.At(nil), to.At(nil), "developers")
		at := to.At(nil).Repository("api")
		found, err := at.Referrers(context.Background(), subject)
		must(t, err)
		list, _, err := at.Get(context.Background(), registry.ReferrersTag(subject))
		must(t, err)
		var listed []string
		if list.IsIndex() {
			listed, err = list.Referrers()
			must(t, err)
		}
		if diff := cmp.Diff([]string{registry.DigestOf(manifest)}, slices.Compact(append(found, listed...))); diff != "" {
			t.Error(diff)
		}
		if again := copies(t, source.At(nil), to.At(nil), "developers"); len(again.Written) > 0 || again.Copied.Manifests > 0 {
			t.Errorf("again: %+v", again)
		}
	}
}
