package builder

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/quoitbuild/quoit/frontend"
	"github.com/quoitbuild/quoit/internal/gatewaytest"
	"github.com/quoitbuild/quoit/manifest"
)

// TestWithoutAFrontendImageTheProcessItselfPlans: by the manifest that was read, not
// by a copy of it that came through BuildKit.
func TestWithoutAFrontendImageTheProcessItselfPlans(t *testing.T) {
	if runtime.GOOS+"/"+runtime.GOARCH != "linux/amd64" {
		t.Skip("the test's BuildKit only runs binaries for linux/amd64")
	}
	dir := t.TempDir()
	text := "project: acme/shop\nregistry: registry.example.com\nimages: {deploy: .}\n"
	for name, content := range map[string]string{"quoit.yaml": text, "Dockerfile": "FROM scratch\nCOPY quoit.yaml /\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	m, err := manifest.Parse("quoit.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	j := job{Options: Options{Dir: dir, File: filepath.Join(dir, "quoit.yaml"), Manifest: m}}
	j.Frontend = frontend.Options{Request: frontend.RequestPlan, Registry: "registry.example.com"}
	gw := gatewaytest.New()
	gw.Folder, gw.Opts, gw.Registry = dir, j.options().Attrs(), "registry.example.com"
	res, err := j.frontend(t.Context(), gw)
	if err != nil {
		t.Fatal(err)
	}
	var a answer
	if err := a.take(res); err != nil || !strings.Contains(string(a.json), `"deploy"`) {
		t.Errorf("%v: %s", err, a.json)
	}

	m.Syntax = "ghcr.io/quoitbuild/quoit:1"
	if _, err := j.frontend(t.Context(), gw); err == nil || !strings.Contains(err.Error(), "gateway.v0") {
		t.Errorf("the manifest's frontend image is not asked for: %v", err)
	}
}

func TestSecretsAreReadAsABuildStepWould(t *testing.T) {
	if _, err := (BuildKit{Secrets: []string{"id"}}).SecretStore(); err == nil || !strings.HasPrefix(err.Error(), "secret: ") {
		t.Error(err)
	}
	if store, err := (BuildKit{Secrets: []string{"id=token,env=PATH"}}).SecretStore(); store == nil || err != nil {
		t.Error(err)
	}
}

func TestModesForPeople(t *testing.T) {
	for mode, want := range map[string]bool{"": true, "auto": true, "plain": true, "tty": true, "quiet": false, "rawjson": false} {
		if got := (Progress{Mode: mode}).ForPeople(); got != want {
			t.Errorf("%q: %v", mode, got)
		}
	}
}
