package store_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/quoitbuild/quoit/labels"
	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/store/storetest"
)

func TestRing(t *testing.T) {
	s := newServer(t)
	publication := s.Release(storetest.First, "developers")
	p := s.Open(nil)
	placed, err := p.Ring(context.Background(), "deploy", "developers")
	must(t, err)
	if placed.Ring != "developers" || placed.Digest != publication.Digests["deploy"] {
		t.Errorf("placed %+v", placed)
	}
	want := publication.Plan.Release()
	if diff := cmp.Diff(string(formatted(t, want)), string(formatted(t, placed.Release))); diff != "" {
		t.Error(diff)
	}
	empty, err := p.Ring(context.Background(), "deploy", "users")
	if empty != nil || err != nil {
		t.Errorf("an empty ring: %v, %v", empty, err)
	}
	requests := []string{"GET /v2/", "GET deploy developers", "GET deploy by digest", "GET deploy blob", "GET deploy users"}
	if diff := cmp.Diff(requests, s.Requests()); diff != "" {
		t.Error(diff)
	}
}

func TestRingOfAProjectThatIsNotThere(t *testing.T) {
	s := newServer(t)
	placed, err := s.Open(nil).Ring(context.Background(), "deploy", "developers")
	if placed != nil || err != nil {
		t.Errorf("%v, %v", placed, err)
	}
}

func TestRingWithoutAnIndex(t *testing.T) {
	s := newServer(t)
	publication := s.Release(storetest.First, "developers")
	_, index := s.Do("GET", "/v2/"+storetest.Project+"/deploy/manifests/"+publication.Digests["deploy"], "", nil)
	digest, err := registry.NewManifest(registry.IndexType, index).Image()
	must(t, err)
	_, manifest := s.Do("GET", "/v2/"+storetest.Project+"/deploy/manifests/"+digest, "", nil)
	s.Put("deploy", "users", registry.ManifestType, manifest)
	placed, err := s.Open(nil).Ring(context.Background(), "deploy", "users")
	must(t, err)
	if placed.Digest != digest || len(placed.Release.Images) != len(storetest.First) {
		t.Errorf("placed %+v", placed)
	}
}

func formatted(t *testing.T, release any) []byte { t.Helper(); return jsonOf(t, release) }

func TestAForeignImageInARing(t *testing.T) {
	s := newServer(t)
	digest := s.Push("deploy", map[string]string{"a": "b"})
	s.Move("developers", digest)
	_, err := s.Open(nil).Ring(context.Background(), "deploy", "developers")
	want := "ring developers (HOST/acme/shop/deploy:developers): an image without our labels: it carries no release"
	if !errors.Is(err, labels.ErrNotOurs) || s.Text(err) != want {
		t.Errorf("error %v", err)
	}
}

func TestAHostileRing(t *testing.T) {
	image := func(config string, size int) string {
		return fmt.Sprintf(`{"config":{"digest":%q,"size":%d}}`, config, size)
	}
	index := func(mediaType, digest string) string {
		return fmt.Sprintf(`{"manifests":[{"mediaType":%q,"digest":%q}]}`, mediaType, digest)
	}
	a := "sha256:" + strings.Repeat("a", 64)
	huge := strings.Repeat(" ", registry.MaxManifest+1)
	for name, test := range map[string]struct {
		mediaType, body string
		blob            string
		want            string
	}{
		"a huge manifest":        {registry.ManifestType, huge, "", "the registry sent more than 4 MiB"},
		"a huge config":          {registry.ManifestType, image(a, 1), strings.Repeat(" ", registry.MaxBlob+1), "the registry sent more than 8 MiB"},
		"a config said to be so": {registry.ManifestType, image(a, registry.MaxBlob+1), "", "more than 8 MiB"},
		"another config":         {registry.ManifestType, image(a, 1), "{}", "the contents have another digest"},
		"no config":              {registry.ManifestType, "{}", "", "its config is named \"\""},
		"a bad config digest":    {registry.ManifestType, image("../../x", 1), "", `its config is named "../../x"`},
		"a broken config":        {registry.ManifestType, image(registry.DigestOf([]byte("{")), 1), "{", "its config is broken"},
		"no JSON":                {registry.ManifestType, "<html>", "", "its image manifest is broken"},
		"another type":           {"text/html", "<html>", "", "not an index or image manifest"},
		"an empty index":         {registry.IndexType, `{"manifests":[]}`, "", "its index has no image"},
		"no JSON index":          {registry.IndexType, "<html>", "", "its index is broken"},
		"an index of indexes":    {registry.IndexType, index(registry.IndexType, a), "", "its index has no image"},
		"a bad digest":           {registry.IndexType, index(registry.ManifestType, "sha256:short"), "", `its index names "sha256:short"`},
		"a circle":               {registry.IndexType, index(registry.ManifestType, a), "", "the contents have the digest"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			s.SetFault(func(_ int, w http.ResponseWriter, r *http.Request) bool {
				switch {
				case r.URL.Path == "/v2/":
					return false
				case strings.Contains(r.URL.Path, "/blobs/"):
					fmt.Fprint(w, test.blob)
				default:
					w.Header().Set("Content-Type", test.mediaType)
					fmt.Fprint(w, test.body)
				}
				return true
			})
			_, err := s.Open(nil).Ring(context.Background(), "deploy", "developers")
			if err == nil || !strings.Contains(err.Error(), test.want) || len(err.Error()) > 600 {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

func TestADigestThatTheContentsDoNotHave(t *testing.T) {
	s := newServer(t)
	s.Release(storetest.First, "developers")
	s.SetFault(func(_ int, w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/manifests/developers") {
			return false
		}
		w.Header().Set("Content-Type", registry.ManifestType)
		w.Header().Set("Docker-Content-Digest", registry.DigestOf(nil))
		fmt.Fprint(w, "{}")
		return true
	})
	_, err := s.Open(nil).Ring(context.Background(), "deploy", "developers")
	if err == nil || !strings.Contains(err.Error(), "the contents have the digest") {
		t.Errorf("error %v", err)
	}
}
