package frontend

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/quoitbuild/quoit/frontend/rings"
	"github.com/quoitbuild/quoit/llb"
)

// drawOptions draws options as [ParseOptions] spells them.
func drawOptions(t *rapid.T) Options {
	names := rapid.SliceOfN(rapid.StringMatching(`[a-z][a-z0-9-]{0,5}|\*`), 0, 3)
	sorted := func(list []string) []string { slices.Sort(list); return slices.Compact(list) }
	values := func(label, key string) map[string]string {
		return rapid.MapOfN(rapid.StringMatching(key), rapid.String(), 0, 3).Draw(t, label)
	}
	o := Options{
		Filename:    rapid.String().Draw(t, "filename"),
		Ring:        rapid.String().Draw(t, "ring"),
		Registry:    rapid.String().Draw(t, "registry"),
		Project:     rapid.String().Draw(t, "project"),
		AllowSyntax: rapid.SampledFrom([]llb.Frontends{nil, {}, {"a"}, {"registry.corp/*", "b:1"}}).Draw(t, "frontends"),
		Major:       names.Draw(t, "major"),
		Rebuild:     names.Draw(t, "rebuild"),
		Merge:       sorted(names.Draw(t, "merge")),
		First:       rapid.Bool().Draw(t, "first"),
		Pull:        rapid.Bool().Draw(t, "pull"),
		ExitCode:    rapid.Bool().Draw(t, "exit code"),
		NoCache:     rapid.Bool().Draw(t, "no cache"),
		NoCacheFor:  names.Draw(t, "no cache for"),
		Export:      rapid.Bool().Draw(t, "export"),
		Record:      rapid.SampledFrom([]string{"", rings.NoRecord, "sha256:" + strings.Repeat("a", 64)}).Draw(t, "record"),
		Target:      rapid.String().Draw(t, "target"),
		Request:     rapid.String().Draw(t, "request"),
		Platforms: sorted(rapid.SliceOfN(rapid.SampledFrom([]string{
			"linux/amd64", "linux/arm64", "linux/arm/v7", "linux/riscv64", "windows(10.0.17763)/amd64",
		}), 0, 3).Draw(t, "platforms")),
		Args:         values("args", `[A-Z][A-Z_]{0,6}|SOURCE_DATE_EPOCH|HTTP_PROXY|quoit_ring`),
		Labels:       values("labels", `[a-z.]{1,8}`),
		Contexts:     values("contexts", `[a-z:/]{1,8}`),
		Attestations: values("attestations", `sbom|provenance`),
		Source:       rapid.SampledFrom([]string{"", "https://git.example.com/acme/shop.git", "git@example.com:acme/shop.git"}).Draw(t, "source"),
		Commit:       rapid.StringMatching(`([0-9a-f]{40})?`).Draw(t, "commit"),
	}
	if o.NoCache {
		o.NoCacheFor = nil // all are more than some
	}
	if rapid.Bool().Draw(t, "in parts") {
		o.Part = new(rapid.IntRange(0, 1<<16-1).Draw(t, "part"))
	}
	return o
}

func TestOptionsComeBackFromTheirAttributes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawOptions(t)
		got, err := ParseOptions(want.Attrs())
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); err != nil || diff != "" {
			t.Fatalf("error %v\nwant, got: %s", err, diff)
		}
	})
}

// Frontend images and commands of different versions meet, so the attributes' names
// and values are a wire format.
func TestAttributesAreAsEverybodyKnowsThem(t *testing.T) {
	all := Options{
		Filename: "quoit.yaml", Ring: "users", Registry: "r", Project: "p", Record: rings.NoRecord, AllowSyntax: llb.Frontends{"a", "b/*"}, Major: []string{"a", "b"}, Rebuild: []string{"*"}, Merge: []string{"testers", "users"},
		First: true, Pull: true, ExitCode: true, NoCache: true, Export: true, Target: "*", Request: RequestPlan,
		Platforms: []string{"linux/amd64", "linux/arm64"}, Part: new(0), Source: "s", Commit: "c",
		Args: map[string]string{"A": ""}, Labels: map[string]string{"l": "1"}, Contexts: map[string]string{"c": "x"}, Attestations: map[string]string{"sbom": ""},
	}
	want := map[string]string{
		"filename": "quoit.yaml", "build-arg:QUOIT_RING": "users", "build-arg:QUOIT_REGISTRY": "r", "build-arg:QUOIT_PROJECT": "p", "build-arg:QUOIT_RECORD": "none", "build-arg:QUOIT_ALLOW_SYNTAX": "a,b/*", "build-arg:QUOIT_MAJOR": "a,b",
		"build-arg:QUOIT_REBUILD": "*", "build-arg:QUOIT_MERGE": "testers,users", "build-arg:QUOIT_FIRST": "1", "build-arg:QUOIT_PULL": "1",
		"build-arg:QUOIT_DETAILED_EXITCODE": "1", "no-cache": "", "quoit.export": "1", "target": "*",
		"requestid": "frontend.quoit.plan", "platform": "linux/amd64,linux/arm64", "quoit.part": "0", "vcs:source": "s", "vcs:revision": "c",
		"build-arg:A": "", "label:l": "1", "context:c": "x", "attest:sbom": "",
	}
	if diff := cmp.Diff(want, all.Attrs()); diff != "" {
		t.Errorf("want, got: %s", diff)
	}
	if attrs := (Options{}).Attrs(); len(attrs) > 0 {
		t.Errorf("the zero value has attributes: %v", attrs)
	}
}

func TestAttributesOfStockClients(t *testing.T) {
	for name, test := range map[string]struct {
		attrs map[string]string
		want  Options
	}{
		"resolve mode":  {map[string]string{"image-resolve-mode": "pull"}, Options{Pull: true}},
		"false":         {map[string]string{"build-arg:QUOIT_FIRST": "0", "build-arg:QUOIT_PULL": "false"}, Options{}},
		"spaces":        {map[string]string{"build-arg:QUOIT_MAJOR": " web, ,api", "build-arg:QUOIT_MERGE": "users testers,users"}, Options{Major: []string{"web", "api"}, Merge: []string{"testers", "users"}}},
		"credentials":   {map[string]string{"vcs:source": "https://anna:secret@git.example.com/shop?token=secret"}, Options{Source: "https://git.example.com/shop"}},
		"own arguments": {map[string]string{"build-arg:QUOIT_UNHEARD_OF": "1", "build-arg:HTTP_PROXY": "p"}, Options{Args: map[string]string{"HTTP_PROXY": "p"}}},
		"a filter":      {map[string]string{"no-cache": "api,web/assets"}, Options{NoCacheFor: []string{"api", "web/assets"}}},
		"platforms":     {map[string]string{"platform": "linux/arm64/v8,linux/x86_64"}, Options{Platforms: []string{"linux/amd64", "linux/arm64"}}},
	} {
		got, err := ParseOptions(test.attrs)
		if diff := cmp.Diff(test.want, got, cmpopts.EquateEmpty()); err != nil || diff != "" {
			t.Errorf("%s: error %v\nwant, got: %s", name, err, diff)
		}
	}
}

// TestAnEmptyListOfFrontendsIsOne: an undefined variable of a CI job allows nothing.
func TestAnEmptyListOfFrontendsIsOne(t *testing.T) {
	o, err := ParseOptions(map[string]string{"build-arg:QUOIT_ALLOW_SYNTAX": ""})
	if err != nil || o.AllowSyntax == nil || o.AllowSyntax.Allow("evil/x") == nil {
		t.Errorf("%v, %v", o.AllowSyntax, err)
	}
	if again, err := ParseOptions(o.Attrs()); err != nil || again.AllowSyntax == nil {
		t.Errorf("%v, %v", again.AllowSyntax, err)
	}
	if o, err = ParseOptions(nil); err != nil || o.AllowSyntax != nil {
		t.Errorf("%v, %v", o.AllowSyntax, err)
	}
}

func TestOptionsThatCannotBeRead(t *testing.T) {
	for key, value := range map[string]string{
		"build-arg:QUOIT_FIRST": "maybe", "build-arg:QUOIT_PULL": "2", "build-arg:QUOIT_DETAILED_EXITCODE": "x", "quoit.part": "-1", "build-arg:QUOIT_RECORD": "latest", "build-arg:QUOIT_ALLOW_SYNTAX": "A b", "platform": "linux/amd64,,",
	} {
		_, err := ParseOptions(map[string]string{key: value})
		if name := strings.TrimPrefix(key, "build-arg:"); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s=%s: error %v", key, value, err)
		}
	}
}
