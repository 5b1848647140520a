package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/quoitbuild/quoit/labels"
)

func TestRing(t *testing.T) {
	s := newServer(t)
	publication := s.release(firstShop, "developers")
	p := s.open(nil)
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
	if diff := cmp.Diff(requests, s.requests()); diff != "" {
		t.Error(diff)
	}
}

func TestRingOfAProjectThatIsNotThere(t *testing.T) {
	s := newServer(t)
	placed, err := s.open(nil).Ring(context.Background(), "deploy", "developers")
	if placed != nil || err != nil {
		t.Errorf("%v, %v", placed, err)
	}
}

func TestRingWithoutAnIndex(t *testing.T) {
	s := newServer(t)
	publication := s.release(firstShop, "developers")
	_, index := s.do("GET", "/v2/"+acmeShop+"/deploy/manifests/"+publication.Digests["deploy"], "", nil)
	digest, err := platformImage(index)
	must(t, err)
	_, manifest := s.do("GET", "/v2/"+acmeShop+"/deploy/manifests/"+digest, "", nil)
	s.put("deploy", "users", ociManifest, manifest)
	placed, err := s.open(nil).Ring(context.Background(), "deploy", "users")
	must(t, err)
	if placed.Digest != digest || len(placed.Release.Images) != len(firstShop) {
		t.Errorf("placed %+v", placed)
	}
}

func formatted(t *testing.T, release any) []byte { t.Helper(); return jsonOf(t, release) }

func TestAForeignImageInARing(t *testing.T) {
	s := newServer(t)
	digest := s.push("deploy", map[string]string{"a": "b"})
	s.move("developers", digest)
	_, err := s.open(nil).Ring(context.Background(), "deploy", "developers")
	want := "ring developers (HOST/acme/shop/deploy:developers): an image without our labels: it carries no release"
	if !errors.Is(err, labels.ErrNotOurs) || s.text(err) != want {
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
	huge := strings.Repeat(" ", maxManifest+1)
	for name, test := range map[string]struct {
		mediaType, body string
		blob            string
		want            string
	}{
		"a huge manifest":        {ociManifest, huge, "", "the registry sent more than 4 MiB"},
		"a huge config":          {ociManifest, image(a, 1), strings.Repeat(" ", maxConfig+1), "the registry sent more than 8 MiB"},
		"a config said to be so": {ociManifest, image(a, maxConfig+1), "", "more than 8 MiB"},
		"another config":         {ociManifest, image(a, 1), "{}", "the contents have another digest"},
		"no config":              {ociManifest, "{}", "", "its config is named \"\""},
		"a bad config digest":    {ociManifest, image("../../x", 1), "", `its config is named "../../x"`},
		"a broken config":        {ociManifest, image(digestOf([]byte("{")), 1), "{", "its config is broken"},
		"no JSON":                {ociManifest, "<html>", "", "its image manifest is broken"},
		"another type":           {"text/html", "<html>", "", "not an index or image manifest"},
		"an empty index":         {ociIndex, `{"manifests":[]}`, "", "its index has no image"},
		"no JSON index":          {ociIndex, "<html>", "", "its index is broken"},
		"an index of indexes":    {ociIndex, index(ociIndex, a), "", "its index has no image"},
		"a bad digest":           {ociIndex, index(ociManifest, "sha256:short"), "", `its index names "sha256:short"`},
		"a circle":               {ociIndex, index(ociManifest, a), "", "the contents have the digest"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			s.setFault(func(_ int, w http.ResponseWriter, r *http.Request) bool {
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
			_, err := s.open(nil).Ring(context.Background(), "deploy", "developers")
			if err == nil || !strings.Contains(err.Error(), test.want) || len(err.Error()) > 600 {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

func TestADigestThatTheContentsDoNotHave(t *testing.T) {
	s := newServer(t)
	s.release(firstShop, "developers")
	s.setFault(func(_ int, w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/manifests/developers") {
			return false
		}
		w.Header().Set("Content-Type", ociManifest)
		w.Header().Set("Docker-Content-Digest", digestOf(nil))
		fmt.Fprint(w, "{}")
		return true
	})
	_, err := s.open(nil).Ring(context.Background(), "deploy", "developers")
	if err == nil || !strings.Contains(err.Error(), "the contents have the digest") {
		t.Errorf("error %v", err)
	}
}

func FuzzRelease(f *testing.F) {
	f.Add([]byte(`{"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"x"}],"config":{"Labels":{"a":"b"},"digest":"sha256:x"}}`))
	f.Add([]byte(`{"config":{"Labels":{"io.github.quoitbuild.release":"{\"schema\":1,\"project\":\"p\",\"root\":\"r\",\"images\":{}}"}}}`))
	f.Add([]byte(`{"config":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if digest, err := platformImage(data); err == nil && !digestForm.MatchString(digest) {
			t.Errorf("platformImage: %q", digest)
		}
		if digest, _, err := configOf(data); err == nil && !digestForm.MatchString(digest) {
			t.Errorf("configOf: %q", digest)
		}
		all, err := parseConfig(data)
		if err != nil {
			return
		}
		release, err := labels.Parse(all)
		if err == nil && release.Images[release.Root].Revision == "" {
			t.Errorf("parseConfig: %+v", release)
		}
		if diagnostics(bytes.Clone(data)); clean(string(data)) != clean(clean(string(data))) {
			t.Errorf("clean is not stable for %q", data)
		}
	})
}
