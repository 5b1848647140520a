package render

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const settings = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {a: b}\n"

func TestBuildReadsOverlaysAndBasesBesideThem(t *testing.T) {
	root := folder(t, map[string]string{
		"overlays/prod/kustomization.yaml":  "resources: [../../base, ../common]\nnamePrefix: prod-\npatches: [{path: ../../components/patch.yaml}]\n",
		"overlays/common/kustomization.yml": "configMapGenerator: [{name: files, files: [one.txt], options: {disableNameSuffixHash: true}}]\n",
		"overlays/common/one.txt":           "one",
		"base/kustomization.yaml":           "resources: [settings.yaml]\n",
		"base/settings.yaml":                settings,
		"components/patch.yaml":             "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {a: patched}\n",
	})
	objects, err := buildIn(root, "prod")
	if err != nil {
		t.Fatal(err)
	}
	want := `apiVersion: v1
data:
  a: patched
kind: ConfigMap
metadata:
  name: prod-settings
---
apiVersion: v1
data:
  one.txt: one
kind: ConfigMap
metadata:
  name: prod-files
`
	if diff := cmp.Diff(want, format(t, objects)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestBuildNamesTheOverlaysThatThereAre(t *testing.T) {
	root := folder(t, map[string]string{
		"overlays/prod/kustomization.yaml": "resources: []\n", "overlays/dev/Kustomization": "resources: []\n", "overlays/notes/readme": "",
		"kustomization.yaml": "resources: []\n",
	})
	for environment, near := range map[string]string{"prods": `"prod"`, "..": "dev, prod", ".": "dev, prod", "": "dev, prod", "a/b": "dev, prod", "notes": "dev, prod"} {
		_, err := buildIn(root, environment)
		var missing *MissingOverlayError
		if !errors.As(err, &missing) {
			t.Fatalf("%q: %v", environment, err)
		}
		mustFail(t, err, "/overlays/"+environment, near)
	}
	_, err := buildIn(t.TempDir(), "prod")
	mustFail(t, err, "no overlay with a kustomization.yaml at all")
}

func TestBuildSaysWhichFileIsWrong(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"a file that is missing":     {map[string]string{"overlays/prod/kustomization.yaml": "resources: [api.yaml]\n"}, "api.yaml"},
		"YAML that is broken":        {map[string]string{"overlays/prod/kustomization.yaml": "resources: [api.yaml]\n", "overlays/prod/api.yaml": "kind: [\n"}, "api.yaml"},
		"a kustomization so broken":  {map[string]string{"overlays/prod/kustomization.yaml": "resources: [\n"}, "overlays/prod/kustomization.yaml"},
		"a field that is not known":  {map[string]string{"overlays/prod/kustomization.yaml": "resource: [a]\n"}, `"resource"`},
		"an overlay of itself":       {map[string]string{"overlays/prod/kustomization.yaml": "resources: [../prod]\n"}, "cycle"},
		"a chart":                    {map[string]string{"overlays/prod/kustomization.yaml": "helmCharts: [{name: x, repo: z}]\n"}, "--enable-helm"},
		"a program":                  {map[string]string{"overlays/prod/kustomization.yaml": "generators: [g.yaml]\n", "overlays/prod/g.yaml": "apiVersion: v1\nkind: Run\nmetadata: {name: x, annotations: {config.kubernetes.io/function: \"exec: {path: /bin/true}\"}}\n"}, "plugins disabled"},
		"a file outside of the root": {map[string]string{"overlays/prod/kustomization.yaml": "resources: [../../../../../../etc/hosts]\n"}, "etc/hosts"},
		"a file beside the folders":  {map[string]string{"overlays/prod/kustomization.yaml": "resources: [../../secret.yaml]\n", "secret.yaml": settings}, "secret.yaml"},
		"two objects of one name":    {map[string]string{"overlays/prod/kustomization.yaml": "resources: [a.yaml, b.yaml]\n", "overlays/prod/a.yaml": settings, "overlays/prod/b.yaml": settings}, "settings"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := buildIn(folder(t, c.files), "prod")
			mustFail(t, err, c.want)
		})
	}
}

func TestBuildFetchesNothing(t *testing.T) {
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		fmt.Fprint(w, settings)
	}))
	defer server.Close()
	url := server.URL + "/x.yaml"
	builtin := "apiVersion: builtin\nkind: ConfigMapGenerator\nmetadata: {name: g}\nname: g\nfiles: [\"" + url + "\"]\n"
	transformer := "apiVersion: builtin\nkind: PatchStrategicMergeTransformer\nmetadata: {name: g}\npaths: [\"" + url + "\"]\n"
	for name, kustomization := range map[string]string{
		"a file":                        "resources: ['" + url + "']\n",
		"in another case":               "Resources: ['" + strings.Replace(url, "http", "HTTP", 1) + "']\n",
		"a base":                        "bases: ['" + url + "']\n",
		"a repository":                  "resources: ['github.com/acme/shop//deploy?ref=v1']\n",
		"a repository over ssh":         "components: ['git@example.com:acme/shop.git']\n",
		"a repository with a prefix":    "resources: ['git::https://example.com/acme/shop']\n",
		"a repository as a file":        "resources: ['file:///etc']\n",
		"a patch":                       "patches: [{path: '" + url + "'}]\n",
		"a strategic patch":             "patchesStrategicMerge: ['" + url + "']\n",
		"a definition":                  "crds: ['" + url + "']\n",
		"a schema":                      "openapi: {path: '" + url + "'}\n",
		"a replacement":                 "replacements: [{path: '" + url + "'}]\n",
		"a configuration":               "configurations: ['" + url + "']\n",
		"a file of a generator":         "configMapGenerator: [{name: a, files: ['key=" + url + "']}]\n",
		"an env file of a generator":    "secretGenerator: [{name: a, envs: ['" + url + "']}]\n",
		"a generator's file":            "generators: [g.yaml]\n",
		"a generator in the file":       "generators:\n- |\n  " + strings.ReplaceAll(builtin, "\n", "\n  ") + "\n",
		"a generator in one line":       "generators: ['{apiVersion: builtin, kind: ConfigMapGenerator, metadata: {name: g}, name: g, files: [\"" + url + "\"]}']\n",
		"a generator in a list":         "generators:\n- |\n  {apiVersion: v1, kind: List, items: [{apiVersion: builtin, kind: ConfigMapGenerator, metadata: {name: g}, name: g, files: ['" + url + "']}]}\n",
		"a patch of a transformer":      "transformers:\n- |\n  " + strings.ReplaceAll(transformer, "\n", "\n  ") + "\nresources: [settings.yaml]\n",
		"targets in a file":             "transformers:\n- '{apiVersion: builtin, kind: ValueAddTransformer, metadata: {name: g}, value: a, targetFilePath: \"" + url + "\"}'\nresources: [settings.yaml]\n",
		"a group that is empty":         "generators:\n- |\n  " + strings.ReplaceAll(strings.Replace(builtin, "builtin", "/builtin", 1), "\n", "\n  ") + "\n",
		"a long s":                      "re\u017fources: ['" + url + "']\n",
		"a long s, and a repository":    "re\u017fources: ['file:///nowhere/shop.git']\n",
		"a long s in a generator":       "generators:\n- |\n  " + strings.ReplaceAll(strings.Replace(builtin, "files", "file\u017f", 1), "\n", "\n  ") + "\n",
		"an encoded text":               "resources: [!!binary " + base64.StdEncoding.EncodeToString([]byte(url)) + "]\n",
		"an encoded key":                "!!binary " + base64.StdEncoding.EncodeToString([]byte("resources")) + ": ['" + url + "']\n",
		"an alias":                      "x: &x '" + url + "'\nresources: [*x]\n",
		"a key that is there twice":     "resources: ['" + url + "']\nresources: []\n",
		"a generator's absolute path":   "generators: [/overlays/prod/g.yaml]\n",
		"a base that is a file before":  "resources: [../other/kustomization.yaml, ../other]\n",
		"after what is no object":       "generators: [list.yaml]\n",
		"a merged map":                  "x: &x {path: '" + url + "'}\npatches: [{<<: *x}]\n",
		"a base that has one":           "resources: [../other]\n",
		"a generator of another folder": "generators: [../generators]\n",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := buildIn(folder(t, map[string]string{
				"overlays/prod/kustomization.yaml": kustomization, "overlays/prod/g.yaml": builtin, "overlays/prod/settings.yaml": settings,
				"overlays/prod/list.yaml":                "[]\n---\n" + builtin,
				"overlays/other/kustomization.yaml":      "resources: ['" + url + "']\n",
				"overlays/generators/kustomization.yaml": "resources: [g.yaml]\n", "overlays/generators/g.yaml": builtin,
			}), "prod")
			var remote *RemoteError
			if !errors.As(err, &remote) {
				t.Errorf("got %v", err)
			}
		})
	}
	if asked > 0 {
		t.Errorf("the server was asked %d times", asked)
	}
}

// TestGeneratorsAreUsedAsTheyAreWritten: what changes them could name an address.
func TestGeneratorsAreUsedAsTheyAreWritten(t *testing.T) {
	asked := false
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
	defer server.Close()
	generator := "apiVersion: builtin\nkind: ConfigMapGenerator\nmetadata: {name: g}\nname: g\nliterals: [a=b]\n"
	patch := "patches: [{target: {kind: ConfigMapGenerator}, patch: '[{op: add, path: /files, value: [\"" + server.URL + "/x\"]}]'}]\n"
	for name, c := range map[string]struct{ field, generators, inner, want string }{
		"resources alone":         {"generators", "resources: [g.yaml]\n", "", ""},
		"a patch":                 {"generators", "resources: [g.yaml]\n" + patch, "", "patches is not allowed here"},
		"a patch of transformers": {"transformers", "resources: [g.yaml]\n" + patch, "", "patches is not allowed here"},
		"in a folder below":       {"generators", "resources: [inner]\n", "resources: [../g.yaml]\n" + patch, "inner/kustomization.yaml: patches is not allowed here"},
		"a prefix":                {"generators", "namePrefix: a-\nresources: [g.yaml]\n", "", "namePrefix is not allowed here"},
	} {
		t.Run(name, func(t *testing.T) {
			files := map[string]string{
				"overlays/prod/kustomization.yaml":       c.field + ": [../generators]\n",
				"overlays/generators/kustomization.yaml": c.generators, "overlays/generators/g.yaml": generator,
			}
			if c.inner != "" {
				files["overlays/generators/inner/kustomization.yaml"] = c.inner
			}
			_, err := buildIn(folder(t, files), "prod")
			if c.want == "" && err != nil {
				t.Error(err)
			}
			if c.want != "" {
				mustFail(t, err, c.want)
			}
		})
	}
	if asked {
		t.Error("the server was asked")
	}
}

func TestLinksStayInTheirFolder(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "secret.yaml")
	if err := os.WriteFile(outside, []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ link, target, want string }{
		"to a file beside it":    {"overlays/prod/settings.yaml", "../common/settings.yaml", ""},
		"to an absolute path":    {"overlays/prod/settings.yaml", outside, "a link has to stay"},
		"up and out":             {"overlays/prod/settings.yaml", "../../../../../../../../../etc/hosts", "a link has to stay"},
		"to the root's own file": {"overlays/prod/settings.yaml", "../../bin/settings.yaml", "a link has to stay"},
		"to itself":              {"overlays/prod/settings.yaml", "settings.yaml", "overlays/prod/settings.yaml"},
		"to its own folder":      {"overlays/prod/loop", ".", "loop"},
		"instead of a folder":    {"base", "overlays", "/base is not a folder"},
	} {
		t.Run(name, func(t *testing.T) {
			root := folder(t, map[string]string{
				"overlays/prod/kustomization.yaml": "resources: [settings.yaml]\n",
				"overlays/common/settings.yaml":    settings, "bin/settings.yaml": settings,
			})
			if err := os.Symlink(c.target, filepath.Join(root, c.link)); err != nil {
				t.Fatal(err)
			}
			_, err := buildIn(root, "prod")
			if c.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			mustFail(t, err, c.want)
			if strings.Contains(err.Error(), root) {
				t.Errorf("the error names this machine's folder: %v", err)
			}
		})
	}
}

func TestBuildIsBounded(t *testing.T) {
	t.Run("bytes", func(t *testing.T) {
		root := folder(t, map[string]string{"overlays/prod/kustomization.yaml": "resources: []\n"})
		file, err := os.Create(filepath.Join(root, "overlays", "large"))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		if err := file.Truncate(1 << 40); err != nil {
			t.Fatal(err)
		}
		_, err = buildIn(root, "prod")
		mustFail(t, err, "/overlays/large", "32 MiB")
	})
	t.Run("one object", func(t *testing.T) {
		_, err := buildIn(folder(t, map[string]string{
			"overlays/prod/kustomization.yaml": "resources: [a.yaml]\n",
			"overlays/prod/a.yaml":             settings + "binaryData: {large: " + strings.Repeat("A", maxObject) + "}\n",
		}), "prod")
		mustFail(t, err, "settings", "the limit is 1572864")
	})
}
