// Package conformance is what every [registry.Namespace] has to do: one suite for the
// registry itself, the folder, and memory. A new implementation calls [Run] in a test.
package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/quoitbuild/quoit/registry"
)

// Run tests what open returns: an empty namespace for each call, or one in which the
// repositories that a test names are empty.
func Run(t *testing.T, open func(t *testing.T) registry.Namespace) {
	for name, test := range map[string]func(*suite){
		"what is not there is not found":          (*suite).absent,
		"a blob comes back":                       (*suite).blob,
		"an empty blob comes back":                (*suite).emptyBlob,
		"altered contents are not written":        (*suite).altered,
		"a source that breaks writes nothing":     (*suite).brokenSource,
		"a blob comes from another repository":    (*suite).mount,
		"a manifest has its digest and its tags":  (*suite).manifest,
		"manifests of Docker are manifests":       (*suite).docker,
		"an index comes after its images":         (*suite).index,
		"a tag moves":                             (*suite).move,
		"tags come in pages":                      (*suite).tags,
		"a tag is deleted alone, or not":          (*suite).delete,
		"referrers are listed as the answer says": (*suite).referrers,
		"a name that is none is an error":         (*suite).names,
		"repositories do not mix":                 (*suite).apart,
	} {
		t.Run(name, func(t *testing.T) {
			at := open(t)
			test(&suite{t, t.Context(), at, at.Repository("api")})
		})
	}
}

// suite is one test, in a namespace of its own.
type suite struct {
	*testing.T
	ctx context.Context
	at  registry.Namespace
	api registry.Repository
}

func (s *suite) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// push uploads a blob.
func (s *suite) push(to registry.Repository, data string) registry.Descriptor {
	s.Helper()
	blob := registry.BlobOf([]byte(data))
	_, err := to.Upload(s.ctx, blob, "", registry.Bytes([]byte(data)))
	s.must(err)
	return blob
}

// image returns the manifest of an image whose config is pushed. More are further
// fields of it.
func (s *suite) image(to registry.Repository, config, more string) registry.Manifest {
	s.Helper()
	blob := s.push(to, config)
	return registry.NewManifest(registry.ManifestType, fmt.Appendf(nil,
		`{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":%q,"size":%d},"layers":[]%s}`,
		registry.ManifestType, blob.Digest, blob.Size, more))
}

// wants checks what an identifier names; "" for nothing.
func (s *suite) wants(of registry.Repository, identifier, digest string) {
	s.Helper()
	got, found, err := of.Head(s.ctx, identifier)
	if err != nil || found != (digest != "") || got != digest {
		s.Errorf("Head of %s: %q, %v, %v; want %q", of.Reference(identifier), got, found, err, digest)
	}
	manifest, found, err := of.Get(s.ctx, identifier)
	if err != nil || found != (digest != "") || manifest.Digest != digest || found && registry.DigestOf(manifest.Bytes) != digest {
		s.Errorf("Get of %s: %q, %v, %v; want %q", of.Reference(identifier), manifest.Digest, found, err, digest)
	}
}

func (s *suite) absent() {
	nothing := registry.BlobOf([]byte("nothing"))
	s.wants(s.api, "1.0.0", "")
	if there, err := s.api.Has(s.ctx, nothing); there || err != nil {
		s.Errorf("Has: %v, %v", there, err)
	}
	if data, err := s.api.Blob(s.ctx, nothing); err == nil {
		s.Errorf("Blob: %q", data)
	}
	if opened, err := s.api.Open(s.ctx, nothing); err == nil {
		opened.Close()
		s.Error("Open: no error")
	}
	if tags, err := registry.AllTags(s.ctx, s.api); len(tags) > 0 || err != nil {
		s.Errorf("AllTags: %q, %v", tags, err)
	}
	if listed, err := s.api.Referrers(s.ctx, nothing.Digest); len(listed) > 0 || err != nil {
		s.Errorf("Referrers: %q, %v", listed, err)
	}
	s.image(s.api, "{}", "") // so that there is a repository
	s.wants(s.api, "1.0.0", "")
	s.wants(s.api, nothing.Digest, "")
}

// reads checks both ways to read a blob.
func (s *suite) reads(of registry.Repository, blob registry.Descriptor, want string) {
	s.Helper()
	if there, err := of.Has(s.ctx, blob); !there || err != nil {
		s.Errorf("Has: %v, %v", there, err)
	}
	data, err := of.Blob(s.ctx, blob)
	if err != nil || string(data) != want {
		s.Errorf("Blob: %d bytes, %v", len(data), err)
	}
	opened, err := of.Open(s.ctx, blob)
	s.must(err)
	defer opened.Close()
	if data, err := io.ReadAll(opened); err != nil || string(data) != want {
		s.Errorf("Open: %d bytes, %v", len(data), err)
	}
}

func (s *suite) blob() {
	contents := strings.Repeat("layer ", 100_000)
	blob := s.push(s.api, contents)
	s.reads(s.api, blob, contents)
	s.push(s.api, contents)
	s.reads(s.api, blob, contents)
}

func (s *suite) emptyBlob() { s.reads(s.api, s.push(s.api, ""), "") }

func (s *suite) altered() {
	for i, change := range []func(string) string{
		strings.ToUpper,
		func(contents string) string { return contents[1:] },
		func(contents string) string { return contents + "!" },
		func(string) string { return "" },
	} {
		contents := fmt.Sprintf("contents %d", i)
		blob, other := registry.BlobOf([]byte(contents)), change(contents)
		if _, err := s.api.Upload(s.ctx, blob, "", registry.Bytes([]byte(other))); err == nil {
			s.Errorf("%q was written", other)
		}
		there, err := s.api.Has(s.ctx, blob)
		s.must(err)
		if there { // it may have got as far as the digest is right
			s.reads(s.api, blob, contents)
		}
		if there && len(other) <= len(contents) {
			s.Errorf("after %q it is there", other)
		}
	}
}

func (s *suite) brokenSource() {
	broke, blob := errors.New("broke"), registry.BlobOf([]byte("contents"))
	for name, open := range map[string]registry.Opener{
		"when it is opened": func(context.Context) (io.ReadCloser, error) { return nil, broke },
		"when it is read": func(context.Context) (io.ReadCloser, error) {
			return io.NopCloser(io.MultiReader(bytes.NewReader([]byte("cont")), failing{broke})), nil
		},
	} {
		if _, err := s.api.Upload(s.ctx, blob, "", open); !errors.Is(err, broke) {
			s.Errorf("%s: %v", name, err)
		}
		if there, err := s.api.Has(s.ctx, blob); there || err != nil {
			s.Errorf("%s: Has: %v, %v", name, there, err)
		}
	}
}

// failing is a reader that fails.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func (s *suite) mount() {
	web := s.at.Repository("web")
	blob := s.push(s.api, "contents")
	opened := false
	mounted, err := web.Upload(s.ctx, blob, "api", func(ctx context.Context) (io.ReadCloser, error) {
		opened = true
		return registry.Bytes([]byte("contents"))(ctx)
	})
	if err != nil || mounted == opened {
		s.Errorf("mounted %v, opened %v, %v", mounted, opened, err)
	}
	s.reads(web, blob, "contents")
	if _, err := web.Upload(s.ctx, registry.BlobOf([]byte("more")), "mail", registry.Bytes([]byte("more"))); err != nil {
		s.Errorf("from a repository that lacks it: %v", err)
	}
	s.reads(web, registry.BlobOf([]byte("more")), "more")
}

func (s *suite) manifest() {
	image := s.image(s.api, "{}", "")
	for _, identifier := range []string{image.Digest, "1.0.0", "latest_-.X"} {
		receipt, err := s.api.Put(s.ctx, identifier, image)
		if err != nil || receipt.Digest != "" && receipt.Digest != image.Digest {
			s.Errorf("Put of %s: %+v, %v", identifier, receipt, err)
		}
		s.wants(s.api, identifier, image.Digest)
	}
	got, _, err := s.api.Get(s.ctx, "1.0.0")
	if err != nil || got.MediaType != registry.ManifestType || !bytes.Equal(got.Bytes, image.Bytes) {
		s.Errorf("Get: %s %s, %v", got.MediaType, got.Bytes, err)
	}
	tags, err := registry.AllTags(s.ctx, s.api)
	if err != nil || !slices.Equal(tags, []string{"1.0.0", "latest_-.X"}) {
		s.Errorf("AllTags: %q, %v", tags, err)
	}
}

func (s *suite) docker() {
	const dockers = "application/vnd.docker.distribution.manifest.v2+json"
	image := s.image(s.api, "{}", "")
	image = registry.NewManifest(dockers, bytes.ReplaceAll(bytes.ReplaceAll(image.Bytes, []byte(registry.ManifestType), []byte(dockers)),
		[]byte("application/vnd.oci.image.config.v1+json"), []byte("application/vnd.docker.container.image.v1+json")))
	_, err := s.api.Put(s.ctx, "1.0.0", image)
	s.must(err)
	if got, found, err := s.api.Get(s.ctx, "1.0.0"); err != nil || !found || got.MediaType != dockers || got.Digest != image.Digest {
		s.Errorf("Get: %s %s, %v, %v", got.MediaType, got.Digest, found, err)
	}
}

func (s *suite) index() {
	image := s.image(s.api, "{}", "")
	_, err := s.api.Put(s.ctx, image.Digest, image)
	s.must(err)
	index := registry.NewManifest(registry.IndexType, fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"manifests":[{"mediaType":%q,"digest":%q,"size":%d}]}`,
		registry.IndexType, registry.ManifestType, image.Digest, len(image.Bytes)))
	_, err = s.api.Put(s.ctx, "1.0.0", index)
	s.must(err)
	s.wants(s.api, "1.0.0", index.Digest)
	got, _, err := s.api.Get(s.ctx, "1.0.0")
	if err != nil || !got.IsIndex() || !slices.Equal(got.Children(), []string{image.Digest}) {
		s.Errorf("Get: %+v, %v", got, err)
	}
}

func (s *suite) move() {
	first, second := s.image(s.api, "{}", ""), s.image(s.api, `{"os":"linux"}`, "")
	was := ""
	for _, image := range []registry.Manifest{first, second, second, first} {
		_, err := s.api.Replace(s.ctx, "users", was, image)
		s.must(err)
		s.wants(s.api, "users", image.Digest)
		was = image.Digest
	}
	s.wants(s.api, second.Digest, second.Digest)
	_, err := s.api.Replace(s.ctx, first.Digest, first.Digest, first)
	s.must(err)
}

func (s *suite) tags() {
	image := s.image(s.api, "{}", "")
	var want []string
	for i := range 130 {
		want = append(want, fmt.Sprintf("0.%03d.0", i))
		_, err := s.api.Put(s.ctx, want[i], image)
		s.must(err)
	}
	tags, err := registry.AllTags(s.ctx, s.api)
	if err != nil || !slices.Equal(tags, want) {
		s.Errorf("AllTags: %q, %v", tags, err)
	}
	page, _, err := s.api.Tags(s.ctx, "0.120.0", "")
	if slices.Sort(page); err != nil || !slices.Equal(page, want[121:]) {
		s.Errorf("Tags after 0.120.0: %q, %v", page, err)
	}
}

func (s *suite) delete() {
	image := s.image(s.api, "{}", "")
	for _, tag := range []string{"kept", "deleted"} {
		_, err := s.api.Put(s.ctx, tag, image)
		s.must(err)
	}
	deleted, err := s.api.Delete(s.ctx, "deleted")
	s.must(err)
	s.wants(s.api, "kept", image.Digest)
	s.wants(s.api, image.Digest, image.Digest)
	if deleted {
		s.wants(s.api, "deleted", "")
	} else {
		s.wants(s.api, "deleted", image.Digest)
	}
	if _, err := s.api.Delete(s.ctx, "never-there"); err != nil {
		s.Error(err)
	}
}

func (s *suite) referrers() {
	subject := s.image(s.api, "{}", "")
	_, err := s.api.Put(s.ctx, "1.0.0", subject)
	s.must(err)
	signature := s.image(s.api, `{"a":"signature"}`, fmt.Sprintf(`,"subject":{"mediaType":%q,"digest":%q,"size":%d}`, registry.ManifestType, subject.Digest, len(subject.Bytes)))
	receipt, err := s.api.Replace(s.ctx, signature.Digest, signature.Digest, signature)
	s.must(err)
	listed, err := s.api.Referrers(s.ctx, subject.Digest)
	if err != nil || slices.Contains(listed, signature.Digest) != receipt.Listed {
		s.Errorf("Referrers: %q, %v; the receipt says %v", listed, err, receipt.Listed)
	}
}

func (s *suite) names() {
	image := s.image(s.api, "{}", "")
	for _, identifier := range []string{"", "../x", "a tag", "-", strings.Repeat("x", 129), "sha256:x", "sha512:" + strings.Repeat("0", 128)} {
		if digest, _, err := s.api.Head(s.ctx, identifier); err == nil {
			s.Errorf("Head of %q: %q", identifier, digest)
		}
		if _, found, err := s.api.Get(s.ctx, identifier); err == nil {
			s.Errorf("Get of %q: %v", identifier, found)
		}
		if _, err := s.api.Put(s.ctx, identifier, image); err == nil {
			s.Errorf("Put of %q: no error", identifier)
		}
	}
}

func (s *suite) apart() {
	web := s.at.Writable("web/front")
	image := s.image(s.api, "{}", "")
	_, err := s.api.Put(s.ctx, "1.0.0", image)
	s.must(err)
	s.wants(web, "1.0.0", "")
	if tags, err := registry.AllTags(s.ctx, web); len(tags) > 0 || err != nil {
		s.Errorf("AllTags: %q, %v", tags, err)
	}
	other := s.image(web, `{"os":"linux"}`, "")
	_, err = web.Put(s.ctx, "1.0.0", other)
	s.must(err)
	s.wants(s.at.Repository("web/front"), "1.0.0", other.Digest)
	s.wants(s.at.Repository("api"), "1.0.0", image.Digest)
	if a, b := s.api.Reference("1.0.0"), web.Reference("1.0.0"); a == b || !strings.Contains(a, "api") || !strings.Contains(b, "web/front") {
		s.Errorf("the references are %s and %s", a, b)
	}
	s.must(s.at.Commit())
}
