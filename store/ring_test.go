package store_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/quoitbuild/quoit/labels"
	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/store/storetest"
	"github.com/quoitbuild/quoit/versioning"
)

// inRing is what a ring has by the log.
func inRing(t *testing.T, p *store.Project, ring string) (*versioning.Placed, error) {
	t.Helper()
	state, err := p.State(t.Context(), ring)
	if err != nil {
		return nil, err
	}
	return p.Placed(t.Context(), ring, state.Rings()[ring])
}

func TestRing(t *testing.T) {
	s := newServer(t)
	publication := s.Release(storetest.First, "developers")
	p := s.Open(nil)
	placed, err := inRing(t, p, "developers")
	must(t, err)
	if placed.Ring != "developers" || placed.Digest != publication.Digests["deploy"] {
		t.Errorf("placed %+v", placed)
	}
	want := publication.Plan.Release()
	if diff := cmp.Diff(string(formatted(t, want)), string(formatted(t, placed.Release))); diff != "" {
		t.Error(diff)
	}
	requests := []string{"GET /v2/", "GET records records", "GET records blob", "HEAD records record-00000002", "GET deploy by digest", "GET deploy by digest", "GET deploy blob"}
	if diff := cmp.Diff(requests, s.Requests()); diff != "" {
		t.Error(diff)
	}
	empty, err := inRing(t, p, "users")
	if empty != nil || err != nil {
		t.Errorf("an empty ring: %v, %v", empty, err)
	}
}

func TestRingOfAProjectThatIsNotThere(t *testing.T) {
	s := newServer(t)
	placed, err := inRing(t, s.Open(nil), "developers")
	if placed != nil || err != nil {
		t.Errorf("%v, %v", placed, err)
	}
}

func TestReleaseWithoutAnIndex(t *testing.T) {
	s := newServer(t)
	publication := s.Release(storetest.First, "developers")
	_, index := s.Do("GET", "/v2/"+storetest.Project+"/deploy/manifests/"+publication.Digests["deploy"], "", nil)
	digest, err := registry.NewManifest(registry.IndexType, index).Image()
	must(t, err)
	release, err := s.Open(nil).Release(t.Context(), "deploy", digest)
	must(t, err)
	if len(release.Images) != len(storetest.First) {
		t.Errorf("release %+v", release)
	}
}

func formatted(t *testing.T, release any) []byte { t.Helper(); return jsonOf(t, release) }

func TestAForeignImageIsNoRelease(t *testing.T) {
	s := newServer(t)
	digest := s.Push("deploy", map[string]string{"a": "b"})
	_, err := s.Open(nil).Release(t.Context(), "deploy", digest)
	want := "HOST/acme/shop/deploy@" + digest + ": an image without our labels: it carries no release"
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
			_, err := s.Open(nil).Release(t.Context(), "deploy", registry.DigestOf([]byte(test.body)))
			if err == nil || !strings.Contains(err.Error(), test.want) || len(err.Error()) > 600 {
				t.Errorf("a release: got %v, want %s", err, test.want)
			}
			if _, err = s.Open(nil).State(t.Context(), "developers"); err == nil || len(err.Error()) > 600 {
				t.Errorf("the log: got %v", err)
			}
		})
	}
}

// What is named by digest is that, whatever the registry says of it.
func TestADigestThatTheContentsDoNotHave(t *testing.T) {
	s := newServer(t)
	publication := s.Release(storetest.First, "developers")
	root := publication.Digests["deploy"]
	for name, test := range map[string]struct {
		path string // ends so
		body string
		read func() error
	}{
		"the log's hint": {"/records/manifests/records", "{}", func() error {
			_, err := s.Open(nil).State(t.Context(), "developers")
			return err
		}},
		"a release": {"/deploy/manifests/" + root, "{}", func() error {
			_, err := inRing(t, s.Open(nil), "developers")
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			asked := false
			s.SetFault(func(_ int, w http.ResponseWriter, r *http.Request) bool {
				if !strings.HasSuffix(r.URL.Path, test.path) {
					return false
				}
				asked = true
				w.Header().Set("Content-Type", registry.ManifestType)
				w.Header().Set("Docker-Content-Digest", root)
				fmt.Fprint(w, test.body)
				return true
			})
			if err := test.read(); err == nil || !asked || !strings.Contains(err.Error(), "the contents have the digest") {
				t.Errorf("error %v", err)
			}
		})
	}
}
