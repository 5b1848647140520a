package builder

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/quoitbuild/quoit/builder/runner"
	"github.com/quoitbuild/quoit/frontend"
	"github.com/quoitbuild/quoit/internal/diag"
	"github.com/quoitbuild/quoit/internal/gatewaytest"
	"github.com/quoitbuild/quoit/llb"
	"github.com/quoitbuild/quoit/manifest"
)

// TestWithoutAFrontendImageTheProcessItselfPlans: by the manifest that was read, not
// by a copy of it that came through BuildKit.
func TestWithoutAFrontendImageTheProcessItselfPlans(t *testing.T) {
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
	j := job{Options: Options{Dir: dir, File: filepath.Join(dir, "quoit.yaml"), Manifest: m}, programs: runner.Programs{"amd64": {}}}
	j.log = j.readLog(t.Context(), "")
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

// TestTheManifestsFrontendIsHeldToTheList: before BuildKit is asked.
func TestTheManifestsFrontendIsHeldToTheList(t *testing.T) {
	m, err := manifest.Parse("quoit.yaml", []byte("# syntax=ghcr.io/evil/quoit:1\nproject: acme/shop\nregistry: registry.example.com\nimages: {deploy: .}\n"))
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Dir: t.TempDir(), Manifest: m, BuildKit: BuildKit{Address: "unix:///nowhere.sock"}}
	for allowed, refused := range map[string]bool{"": true, "ghcr.io/other/quoit": true, "ghcr.io/evil/quoit": false, "ghcr.io/*/quoit:1": false} {
		o.Frontend.AllowSyntax = llb.Frontends{"docker.io/any", allowed}
		if allowed == "" {
			o.Frontend.AllowSyntax = llb.Frontends{}
		}
		_, planned := Plan(t.Context(), o)
		_, built := Build(t.Context(), o)
		for _, err := range []error{planned, built} {
			found := diag.All(err)
			if said := len(found) == 1 && found[0].Range.Start.Line == 1 && strings.Contains(found[0].Message, `"ghcr.io/evil/quoit:1" is not among those that may be run`); said != refused {
				t.Errorf("%q is allowed: %v", allowed, err)
			}
		}
	}
	o.Frontend.AllowSyntax = nil
	if _, err := Plan(t.Context(), o); len(diag.All(err)) > 0 {
		t.Errorf("without a list: %v", err)
	}
	if m.Syntax = ""; o.checkSyntax() != nil {
		t.Error("a manifest without a frontend is refused")
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

// TestWhoStartsABuildGivesWhatItMayUse: entitlements, secrets and agents; no file of the
// project, and no answer of a frontend, adds any.
func TestWhoStartsABuildGivesWhatItMayUse(t *testing.T) {
	if given, err := (BuildKit{}).given(); err != nil || len(given.AllowedEntitlements)+len(given.Session) > 0 {
		t.Errorf("nothing was given, and BuildKit gets %v, %v, %v", given.AllowedEntitlements, given.Session, err)
	}
	given, err := (BuildKit{Allow: []string{"network.host"}, Secrets: []string{"id=token,env=PATH"}}).given()
	if err != nil || !slices.Equal(given.AllowedEntitlements, []string{"network.host"}) || len(given.Session) != 1 {
		t.Errorf("BuildKit gets %v, %v, %v", given.AllowedEntitlements, given.Session, err)
	}
}
