package conformance

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/quoitbuild/quoit/registry"
)

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
