package watch

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/quoitbuild/quoit/manifest"
	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/store/storetest"
	"github.com/quoitbuild/quoit/versioning"
)

// mirrored starts a registry whose ring users has a release with an external, and returns
// the root image's repository there.
func mirrored(t *testing.T) (repository string) {
	t.Helper()
	s := storetest.New(t)
	plan := s.Plan(s.Open(nil), storetest.First, "users")
	plan.Externals = map[string]versioning.External{"postgres": {Reference: "docker.io/library/postgres:17", Digest: "sha256:" + strings.Repeat("2", 64)}}
	_, err := s.Open(nil).Publish(t.Context(), store.Publication{Plan: plan, Rings: s.Rings, Digests: s.PushPlan(plan)})
	if err != nil {
		t.Fatal(err)
	}
	return s.Host() + "/acme/shop/deploy"
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
			if want := repository + "@" + target.Digest; images.Root != want || len(images.All) != len(storetest.First)+1 || work.Place.Project != "acme/shop" {
				t.Errorf("%s of %s, want %s; all are %q", images.Root, work.Place.Project, want, images.All)
			}
			if want, got := test.want+"@sha256:"+strings.Repeat("2", 64), images.All["postgres"]; got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}
