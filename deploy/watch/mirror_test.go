package watch

import (
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	memory "github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/quoitbuild/quoit/labels"
	"github.com/quoitbuild/quoit/manifest"
	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/versioning"
)

// mirrored starts a registry whose ring users has a release with an external,
// and returns the root image's repository there.
func mirrored(t *testing.T) (repository string) {
	t.Helper()
	server := httptest.NewServer(memory.New(memory.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	repository = strings.TrimPrefix(server.URL, "http://") + "/acme/shop/deploy"
	revision := "sha256:" + strings.Repeat("1", 64)
	release := versioning.Release{
		Project: "acme/shop", Root: "deploy", Images: map[string]versioning.Image{"deploy": {Version: versioning.Version{Major: 1}, Revision: revision}},
		Externals: map[string]versioning.External{"postgres": {Reference: "docker.io/library/postgres:17", Digest: "sha256:" + strings.Repeat("2", 64)}},
	}
	written, err := labels.Root(labels.ImageInfo{Project: "acme/shop", Name: "deploy", Version: release.Version(), Revision: revision, Identity: release.Identity("deploy")}, release)
	if err != nil {
		t.Fatal(err)
	}
	image, err := mutate.Config(empty.Image, v1.Config{Labels: written})
	if err != nil {
		t.Fatal(err)
	}
	for _, tag := range []string{"users", "1.0.0"} {
		reference, err := name.ParseReference(repository + ":" + tag)
		if err != nil {
			t.Fatal(err)
		}
		if err := remote.Write(reference, image); err != nil {
			t.Fatal(err)
		}
	}
	return repository
}

// anyCluster lets a site be connected to, which asks nobody.
func anyCluster(t *testing.T) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "kubeconfig")
	text := "{clusters: [{name: a, cluster: {server: 'https://127.0.0.1:1'}}], contexts: [{name: a, context: {cluster: a}}], current-context: a}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("KUBECONFIG", file)
}

// TestWatchAMirror: where the site pulls from a mirror, externals are there too.
func TestWatchAMirror(t *testing.T) {
	anyCluster(t)
	repository := mirrored(t)
	for _, test := range []struct {
		name   string
		mirror bool
		want   string
	}{
		{"the project's registry", false, "docker.io/library/postgres"},
		{"a mirror", true, strings.TrimSuffix(repository, "deploy") + "externals/postgres"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := manifest.Site{Environment: "prod", Namespace: "shop", Scope: manifest.ScopeNamespace, Downgrade: manifest.DowngradeNever}
			ring, err := Reference(repository+":users", s, test.mirror, "")
			if err != nil {
				t.Fatal(err)
			}
			p, err := ring.open(registry.Options{})
			if err != nil {
				t.Fatal(err)
			}
			work, err := ring.sites[0].open(t.Context(), p)
			if err != nil {
				t.Fatal(err)
			}
			target, err := work.Releases.InRing(t.Context(), "users")
			if err != nil {
				t.Fatal(err)
			}
			images, err := work.Releases.Images(t.Context(), target)
			if err != nil {
				t.Fatal(err)
			}
			want := map[string]string{"deploy": repository + "@" + target.Digest, "postgres": test.want + "@sha256:" + strings.Repeat("2", 64)}
			if diff := cmp.Diff(want, images.All); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
