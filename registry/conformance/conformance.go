// Package conformance is what every [registry.Namespace] has to do: one suite for the
// registry itself, the folder, and memory. A new implementation calls [Run] in a test.
package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
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
