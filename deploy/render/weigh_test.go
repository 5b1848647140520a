package render

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// bomb is YAML of a few hundred bytes that is a billion values: nine times nine times….
func bomb(indent string) string {
	var b strings.Builder
	b.WriteString(indent + "a: &a0 [x, x, x, x, x, x, x, x, x]\n")
	for i := range 9 {
		refs := strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i), 9), ", ")
		fmt.Fprintf(&b, "%sa%d: &a%d [%s]\n", indent, i+1, i+1, refs)
	}
	return b.String()
}

// tower is as deep as steps times steps: each anchor is nested around the one before.
func tower(steps int) string {
	var b strings.Builder
	b.WriteString("a0: &a0 x\n")
	for i := range steps {
		fmt.Fprintf(&b, "a%d: &a%d %s*a%d%s\n", i+1, i+1, strings.Repeat("[", steps), i, strings.Repeat("]", steps))
	}
	return b.String()
}

func TestYAMLThatGrows(t *testing.T) {
	object := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\n"
	merged := "a: &a0 {b: 1}\n"
	for i := range 40 {
		merged += fmt.Sprintf("a%d: &a%d {<<: *a%d, c%d: *a%d}\n", i+1, i+1, i, i, i)
	}
	diamond := map[string]string{"overlays/prod/kustomization.yaml": "resources: [../l0]\n", "overlays/l20/kustomization.yaml": "resources: [a.yaml]\n", "overlays/l20/a.yaml": object}
	for i := range 20 {
		for _, side := range []string{"a", "b"} {
			diamond[fmt.Sprintf("overlays/l%d%s/kustomization.yaml", i, side)] = fmt.Sprintf("namePrefix: %s\nresources: [../l%d]\n", side, i+1)
		}
		diamond[fmt.Sprintf("overlays/l%d/kustomization.yaml", i)] = fmt.Sprintf("resources: [../l%da, ../l%[1]db]\n", i)
	}
	hook := strings.Replace(object, "{name: settings}", "{name: settings, annotations: {quoit.build/hook: pre-upgrade}}", 1)
	with := func(kustomization string) map[string]string {
		return map[string]string{"overlays/prod/kustomization.yaml": kustomization + "\n", "overlays/prod/x.yaml": object + bomb(""), "overlays/prod/settings.yaml": settings}
	}
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"an object":            {with("resources: [x.yaml]"), "/overlays/prod/x.yaml: line 9: with its aliases expanded, this is more than 500000 values"},
		"a second document":    {map[string]string{"overlays/prod/kustomization.yaml": "resources: [x.yaml]\n", "overlays/prod/x.yaml": settings + "---\n" + object + bomb("")}, "/overlays/prod/x.yaml: line 14: "},
		"a hook":               {map[string]string{"overlays/prod/kustomization.yaml": "resources: [x.yaml]\n", "overlays/prod/x.yaml": hook + bomb("")}, "/overlays/prod/x.yaml: line 9: "},
		"JSON":                 {map[string]string{"overlays/prod/kustomization.yaml": "resources: [x.json]\n", "overlays/prod/x.json": strings.Repeat("[", 600) + strings.Repeat("]", 600)}, "/overlays/prod/x.json: line 1: this is nested more than 500 levels deep"},
		"a kustomization":      {with("resources: [settings.yaml]\n" + bomb("")), "/overlays/prod/kustomization.yaml: line 7: "},
		"a base":               {map[string]string{"overlays/prod/kustomization.yaml": "resources: [../../base]\n", "base/kustomization.yaml": "resources: [x.yaml]\n", "base/x.yaml": object + bomb("")}, "/base/x.yaml: line 9: "},
		"a component":          {map[string]string{"overlays/prod/kustomization.yaml": "components: [../../components/c]\n", "components/c/kustomization.yaml": "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n" + bomb("")}, "/components/c/kustomization.yaml: line 8: "},
		"a patch":              {with("resources: [settings.yaml]\npatches: [{path: x.yaml}]"), "/overlays/prod/x.yaml: line 9: "},
		"a patch in its text":  {with("resources: [settings.yaml]\npatches:\n- patch: |\n    apiVersion: v1\n    kind: ConfigMap\n    metadata: {name: settings}\n" + bomb("    ")), "/overlays/prod/kustomization.yaml, in a text of its patch: line 9: "},
		"a strategic patch":    {with("resources: [settings.yaml]\npatchesStrategicMerge:\n- |\n    apiVersion: v1\n    kind: ConfigMap\n    metadata: {name: settings}\n" + bomb("    ")), "in a text of its patchesStrategicMerge: line 9: "},
		"a replacement":        {with("resources: [settings.yaml]\nreplacements: [{path: x.yaml}]"), "/overlays/prod/x.yaml: line 9: "},
		"a configuration":      {with("resources: [settings.yaml]\nconfigurations: [x.yaml]"), "/overlays/prod/x.yaml: line 9: "},
		"a definition":         {with("resources: [settings.yaml]\ncrds: [x.yaml]"), "/overlays/prod/x.yaml: line 9: "},
		"a schema":             {with("resources: [settings.yaml]\nopenapi: {path: x.yaml}"), "/overlays/prod/x.yaml: line 9: "},
		"a generator":          {with("generators: [x.yaml]"), "/overlays/prod/x.yaml: line 9: "},
		"a transformer's text": {with("resources: [settings.yaml]\ntransformers:\n- |\n    apiVersion: builtin\n    kind: PatchTransformer\n    metadata: {name: p}\n" + bomb("    ")), "in a text of its transformers: line 9: "},
		"merge keys":           {map[string]string{"overlays/prod/kustomization.yaml": "resources: [x.yaml]\n", "overlays/prod/x.yaml": object + merged}, "/overlays/prod/x.yaml: line "},
		"texts":                {map[string]string{"overlays/prod/kustomization.yaml": "resources: [x.yaml]\n", "overlays/prod/x.yaml": object + "a: &a " + strings.Repeat("x", 1<<20) + "\nb: [" + strings.Repeat("*a, ", 200) + "]\n"}, "/overlays/prod/x.yaml: line 5: with its aliases expanded, this has more than 64 MiB of text"},
		"levels":               {map[string]string{"overlays/prod/kustomization.yaml": "resources: [x.yaml]\n", "overlays/prod/x.yaml": object + tower(300)}, "/overlays/prod/x.yaml: line 6: this is nested more than 500 levels deep, perhaps through aliases"},
		"an endless one":       {map[string]string{"overlays/prod/kustomization.yaml": "resources: [x.yaml]\n", "overlays/prod/x.yaml": object + "a: &a {b: *a}\n"}, `/overlays/prod/x.yaml: line 4: the anchor "a" contains itself`},
		"many values":          {map[string]string{"overlays/prod/kustomization.yaml": "resources: [x.yaml]\n", "overlays/prod/x.yaml": object + "a: [" + strings.Repeat("x,", 2_000_000) + "]\n"}, "/overlays/prod/x.yaml: this is more than 500000 values"},
		"bases of bases":       {diamond, "with all that it names: with its aliases expanded, this is more than 500000 values"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := Files(c.files)
			if err == nil {
				_, err = s.Build("prod")
			}
			mustFail(t, err, c.want)
		})
	}
}

// TestAliasesOfEverydayUse: a bound is far above what people write.
func TestAliasesOfEverydayUse(t *testing.T) {
	text := settings
	for i := range 100 {
		text += fmt.Sprintf("---\napiVersion: v1\nkind: Secret\nmetadata: {name: s%d, labels: &l%d {a: b, c: d}, annotations: *l%[1]d}\nstringData: {<<: *l%[1]d, e: f}\n", i, i)
	}
	s, err := Files(map[string]string{"overlays/prod/kustomization.yaml": "resources: [x.yaml]\nconfigMapGenerator: [{name: g, files: [x.yaml]}]\n", "overlays/prod/x.yaml": text})
	if err != nil {
		t.Fatal(err)
	}
	if objects, err := s.Build("prod"); err != nil || len(objects) != 102 {
		t.Errorf("%d objects, error %v", len(objects), err)
	}
}

// TestValuesThatAreFilledInManyTimes: a value may be as large as a Secret.
func TestValuesThatAreFilledInManyTimes(t *testing.T) {
	data := map[string]any{}
	for i := range 1000 {
		data[fmt.Sprint(i)] = strings.Repeat("${V}", 100)
	}
	object := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "a"}, "data": data}}
	for name, value := range map[string]string{"large": strings.Repeat("x", 1<<20), "small": "x"} {
		copied := object.DeepCopy()
		err := substitute([]*unstructured.Unstructured{copied}, map[string]string{"V": value}, "shop")
		if name == "small" {
			if err != nil || len(maps.Collect(maps.All(copied.Object["data"].(map[string]any)))) != 1000 {
				t.Error(err)
			}
			continue
		}
		mustFail(t, err, "ConfigMap", "32 MiB")
	}
}
