package rollout

import (
	"errors"
	"io"
	"log"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	memory "github.com/google/go-containerregistry/pkg/registry"

	"github.com/quoitbuild/quoit/deploy"
	"github.com/quoitbuild/quoit/deploy/site"
	"github.com/quoitbuild/quoit/manifest"
	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/versioning"
)

func TestResultsSayWhereASiteGoes(t *testing.T) {
	release := func(minor uint64) *deploy.Release {
		return &deploy.Release{Version: versioning.Version{Minor: minor}, Digest: "sha256:" + strings.Repeat(string(rune('0'+minor)), 64)}
	}
	upgrade := deploy.Step{Action: deploy.Upgrade, Run: *release(2), From: release(1).Version, To: release(2).Version}
	for _, test := range []struct {
		want   string
		result Result
	}{
		{"eu: acme/shop 0.1.0 → 0.2.0 (namespace shop)\n  " + upgrade.String() + "\n",
			Result{Installed: release(1), Plan: deploy.Plan{Target: release(2), Steps: []deploy.Step{upgrade}}}},
		{"eu: acme/shop 0.2.0, nothing to do (namespace shop of west)\n", Result{Installed: release(2), Cluster: "west", Plan: deploy.Plan{Target: release(2)}}},
		{"eu: acme/shop 0.2.0 → nothing, nothing to do (namespace shop)\n", Result{Installed: release(2)}},
		{"eu: acme/shop 0.2.0 → 0.1.0, a downgrade, because ring users went back (namespace shop)\n",
			Result{Installed: release(2), Downgrade: true, Plan: deploy.Plan{Target: release(1)}}},
		{"eu: acme/shop 0.2.0, goes on with what did not end, because a value in quoit-site has changed (namespace shop)\n  " + upgrade.String() + "\n",
			Result{Reason: "a value in quoit-site has changed", Plan: deploy.Plan{Target: release(2), Resumes: true, Steps: []deploy.Step{upgrade}}}},
	} {
		test.result.Site, test.result.Ring, test.result.Namespace, test.result.project = "eu", "users", "shop", "acme/shop"
		if got := test.result.String(); got != test.want {
			t.Errorf("got  %s\nwant %s", got, test.want)
		}
	}
}

func TestAWaitEndsBeforeItsRun(t *testing.T) {
	if run := (Limits{}).Run("ann", nil, nil); run.Timeout != 30*time.Minute || run.Wait != 0 || run.Actor != "ann" {
		t.Errorf("%+v", run)
	}
	if run := (Limits{Timeout: time.Minute, Start: time.Second}).Run("", nil, nil); run.Timeout != time.Minute || run.Wait != 54*time.Second || run.Start != time.Second {
		t.Errorf("%+v", run)
	}
}

func TestAnEmptyRingHasNoRelease(t *testing.T) {
	server := httptest.NewServer(memory.New(memory.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	p, err := store.Open(strings.TrimPrefix(server.URL, "http://"), "acme/shop", registry.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := Site{Place: site.Site{Site: manifest.Site{Name: "eu", Ring: "users"}}, Releases: NewReleases(p, Source{Root: "deploy"})}
	_, err = s.Prepare(t.Context(), deploy.Options{}, false)
	if !errors.Is(err, ErrEmptyRing) || !strings.HasPrefix(err.Error(), "site eu: ring users has no release: publish one") {
		t.Error(err)
	}
}

func TestExternalsComeFromWhereTheSitePulls(t *testing.T) {
	postgres := versioning.External{Reference: "docker.io/library/postgres:17", Digest: "sha256:0123"}
	for want, releases := range map[string]*Releases{
		"docker.io/library/postgres@sha256:0123":                      NewReleases(nil, Source{Project: "registry.example.com/acme/shop"}),
		"mirror.example.com/acme/shop/externals/postgres@sha256:0123": NewReleases(nil, Source{Project: "mirror.example.com/acme/shop", Mirror: true}),
	} {
		if got, err := releases.external("postgres", postgres); got != want || err != nil {
			t.Errorf("got %s, %v, want %s", got, err, want)
		}
	}
	if _, err := NewReleases(nil, Source{}).external("postgres", versioning.External{Reference: "UPPER"}); err == nil {
		t.Error("an external without a name has a reference")
	}
}

func TestAClusterThatTheKubeconfigLacks(t *testing.T) {
	t.Setenv("KUBECONFIG", "/nonexistent")
	m := &manifest.Manifest{Project: "acme/shop", Registry: "registry.example.com", Root: "deploy"}
	if _, err := Open(m, nil, manifest.Site{Name: "eu", Cluster: "west"}, site.ClusterOptions{}); err == nil || !strings.HasPrefix(err.Error(), "site eu: ") {
		t.Error(err)
	}
}
