package manifest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path"
	"reflect"
	"slices"
	"strings"
	"testing"
	"text/template"

	"github.com/google/go-cmp/cmp"
	"github.com/invopop/jsonschema"
	"go.yaml.in/yaml/v3"

	"github.com/quoitbuild/quoit/manifest/reference"
)

const (
	modulePath = "github.com/quoitbuild/quoit/manifest/reference"
	schemaID   = "https://raw.githubusercontent.com/quoitbuild/quoit/main/docs/quoit.schema.json"
)

// TestReferences writes the schema and the reference with -update, and fails
// if they differ from the code otherwise.
func TestReferences(t *testing.T) {
	r := newReflector(t)
	text := encode(t, documentSchema(r))
	golden(t, "schema.json", text)
	golden(t, "../docs/quoit.schema.json", text)
	golden(t, "../docs/manifest.md", referencePage(t, r))
	if !*update && string(Schema()) != text {
		t.Error("Schema() is not the file schema.json")
	}
}

func TestReferencesNameTheKeysThatParseKnows(t *testing.T) {
	check := func(document any, known []string) {
		var described []string
		for _, f := range reflect.VisibleFields(reflect.TypeOf(document)) {
			described = append(described, key(f))
		}
		slices.Sort(known)
		slices.Sort(described)
		if diff := cmp.Diff(known, described); diff != "" {
			t.Errorf("%T (-parsed +described):\n%s", document, diff)
		}
	}
	check(reference.Document{}, fieldNames(manifestFields()))
	check(reference.ImageDocument{}, fieldNames(imageFields()))
	check(reference.Defaults{}, fieldNames(defaultFields()))
	check(reference.GateDocument{}, fieldNames(gateFields()))
	check(reference.SiteDocument{}, fieldNames(siteFields()))
}

func fieldNames[T any](fields []field[T]) []string {
	var names []string
	for _, f := range fields {
		names = append(names, f.name)
	}
	return names
}

func newReflector(t *testing.T) *jsonschema.Reflector {
	t.Helper()
	r := &jsonschema.Reflector{ExpandedStruct: true}
	if err := r.AddGoComments(path.Dir(modulePath), "./reference"); err != nil {
		t.Fatal(err)
	}
	for name, comment := range r.CommentMap {
		r.CommentMap[name] = strings.Join(strings.Fields(comment), " ")
	}
	return r
}

func documentSchema(r *jsonschema.Reflector) *jsonschema.Schema {
	s := r.Reflect(&reference.Document{})
	image := r.Reflect(&reference.ImageDocument{})
	image.Version, image.ID, image.Definitions = "", "", nil
	image.Description = described(r, "ImageDocument")
	s.ID, s.Title, s.Description = schemaID, "quoit.yaml", reference.Intro
	s.Definitions["Defaults"].Description = described(r, "Defaults")
	s.Definitions["ImageDocument"] = image
	gate := s.Definitions["GateDocument"]
	gate.Description = described(r, "GateDocument")
	site := s.Definitions["SiteDocument"]
	site.Description = described(r, "SiteDocument")
	for _, part := range []*jsonschema.Schema{s, image, gate, site, s.Definitions["Defaults"]} {
		part.PatternProperties = map[string]*jsonschema.Schema{"^x-": jsonschema.TrueSchema}
		for pair := part.Properties.Oldest(); pair != nil; pair = pair.Next() {
			// Defaults and examples of the tags are text for the reference;
			// what is no text in the manifest is none in the schema.
			pair.Value.Default, pair.Value.Examples = nil, nil
			if items := pair.Value.Items; items != nil {
				items.Examples = nil
			}
		}
	}
	name, one, most := &jsonschema.Schema{Pattern: component.String()}, uint64(1), uint64(maxImages)
	images := s.Properties.Value("images")
	images.PropertyNames, images.MinProperties, images.MaxProperties = name, &one, &most
	s.Properties.Value("externals").PropertyNames = name
	s.Properties.Value("rings").Default = defaultRings
	image.Properties.Value("context").Default = DefaultContext
	gate.Properties.Value("network").Default = false
	gate.Properties.Value("timeout").Default = strings.TrimSuffix(DefaultGateTimeout.String(), "0s")
	site.Properties.Value("scope").Default = ScopeNamespace
	site.Properties.Value("downgrade").Default = DowngradeNever
	site.Properties.Value("environment").Pattern = environmentName.String()
	site.Properties.Value("namespace").Pattern = ringName.String()
	most40 := uint64(maxSite)
	s.Properties.Value("sites").PropertyNames = &jsonschema.Schema{Pattern: ringName.String(), MaxLength: &most40}
	s.Properties.Value("gates").PropertyNames = &jsonschema.Schema{Pattern: ringName.String()}
	return s
}

// described is what a type's comment says after "X is" or "X are".
func described(r *jsonschema.Reflector, name string) string {
	text := strings.TrimPrefix(r.CommentMap[modulePath+"."+name], name)
	text = strings.TrimPrefix(strings.TrimPrefix(text, " is "), " are ")
	return strings.ToUpper(text[:1]) + text[1:]
}

func encode(t *testing.T, s *jsonschema.Schema) string {
	t.Helper()
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(s); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// referencePage renders docs/manifest.md.
func referencePage(t *testing.T, r *jsonschema.Reflector) string {
	t.Helper()
	mustParse(t, reference.Example)
	var out strings.Builder
	if err := template.Must(template.New("page").Parse(reference.Page)).Execute(&out, map[string]any{
		"Intro": reference.Intro, "Example": reference.Example, "SchemaID": schemaID,
		"Manifest": table(t, r, reference.Document{}),
		"Image":    table(t, r, reference.ImageDocument{}),
		"Defaults": table(t, r, reference.Defaults{}),
		"Site":     table(t, r, reference.SiteDocument{}),
		"Gate":     table(t, r, reference.GateDocument{}),
		"MaxKiB":   maxBytes >> 10, "MaxImages": maxImages, "Later": laterKeys(),
	}); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// laterKeys are the keys of later versions, for a sentence.
func laterKeys() string {
	var keys []string
	for k := range later {
		keys = append(keys, "`"+k+"`")
	}
	slices.Sort(keys)
	return strings.Join(keys, ", ")
}

// table lists the keys of one part of the manifest.
func table(t *testing.T, r *jsonschema.Reflector, document any) string {
	t.Helper()
	typ := reflect.TypeOf(document)
	var out strings.Builder
	out.WriteString("| key | type | default | meaning | example |\n| --- | --- | --- | --- | --- |\n")
	for _, f := range reflect.VisibleFields(typ) {
		byDefault := tag(f, "default")
		if !strings.Contains(f.Tag.Get("json"), "omitempty") {
			byDefault = "required"
		} else if byDefault == "" {
			byDefault = "none"
		}
		example := key(f) + ": " + tag(f, "example")
		if err := yaml.Unmarshal([]byte(example), &map[string]any{}); err != nil {
			t.Errorf("the example %q is no YAML: %v", example, err)
		}
		meaning := r.CommentMap[modulePath+"."+typ.Name()+"."+f.Name]
		if meaning == "" {
			t.Errorf("%s.%s has no comment", typ.Name(), f.Name)
		}
		fmt.Fprintf(&out, "| `%s` | %s | %s | %s | `%s` |\n", key(f), reference.TypeName(f.Type), byDefault, meaning, example)
	}
	return out.String()
}

func key(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}

// tag returns one setting of a jsonschema tag, in which \, is a comma.
func tag(f reflect.StructField, name string) string {
	const comma = "\x00"
	for part := range strings.SplitSeq(strings.ReplaceAll(f.Tag.Get("jsonschema"), `\,`, comma), ",") {
		if value, ok := strings.CutPrefix(part, name+"="); ok {
			return strings.ReplaceAll(value, comma, ",")
		}
	}
	return ""
}
