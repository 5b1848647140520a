package manifest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/invopop/jsonschema"
	"go.yaml.in/yaml/v3"
)

const (
	modulePath = "github.com/quoitbuild/quoit/manifest"
	schemaID   = "https://raw.githubusercontent.com/quoitbuild/quoit/main/docs/quoit.schema.json"
)

// Entry is an image: its settings, or its context alone.
type Entry struct{}

// JSONSchema returns both forms.
func (Entry) JSONSchema() *jsonschema.Schema {
	return &jsonschema.Schema{OneOf: []*jsonschema.Schema{
		{Type: "string", Description: "The short form: the context of the image."},
		{Ref: "#/$defs/ImageDocument"},
	}}
}

// Text is a value that is taken as it is written.
type Text struct{}

// JSONSchema returns the types that YAML may read it as.
func (Text) JSONSchema() *jsonschema.Schema { return oneOf("string", "number", "boolean") }

// Scalar is a [Text] that may be null.
type Scalar struct{}

// JSONSchema returns the types that YAML may read it as.
func (Scalar) JSONSchema() *jsonschema.Schema { return oneOf("string", "number", "boolean", "null") }

func oneOf(types ...string) *jsonschema.Schema {
	return &jsonschema.Schema{Extras: map[string]any{"type": types}}
}

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
	check(Document{}, fieldNames(manifestFields()))
	check(ImageDocument{}, fieldNames(imageFields()))
	check(Defaults{}, fieldNames(defaultFields()))
	check(GateDocument{}, fieldNames(gateFields()))
	check(SiteDocument{}, fieldNames(siteFields()))
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
	if err := r.AddGoComments(modulePath, "./"); err != nil {
		t.Fatal(err)
	}
	for name, comment := range r.CommentMap {
		r.CommentMap[name] = strings.Join(strings.Fields(comment), " ")
	}
	return r
}

func documentSchema(r *jsonschema.Reflector) *jsonschema.Schema {
	s := r.Reflect(&Document{})
	image := r.Reflect(&ImageDocument{})
	image.Version, image.ID, image.Definitions = "", "", nil
	image.Description = "One image of the project."
	s.ID, s.Title, s.Description = schemaID, "quoit.yaml", intro
	s.Definitions["Defaults"].Description = "What all images share."
	s.Definitions["ImageDocument"] = image
	gate := s.Definitions["GateDocument"]
	gate.Description = "What has to pass before a ring takes a release."
	site := s.Definitions["SiteDocument"]
	site.Description = "A place where a release runs."
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

const intro = "The project file quoit.yaml names the images of one project and the registry that keeps its state. " +
	"Keys that begin with x- are ignored, for notes and for YAML anchors."

const exampleManifest = `# syntax=ghcr.io/quoitbuild/quoit:1
project: acme/shop
registry: registry.example.com
vendor: ACME Inc.
rings: [developers, testers, users]
root: deploy
defaults:
  platforms: [linux/amd64, linux/arm64]
  args: {GO_VERSION: "1.26"}
images:
  base: images/base
  api:
    context: services/api
    file: Containerfile
    target: runtime
    args: {FEATURES: null}
    labels: {team: checkout}
    platforms: [linux/amd64]
    version: 5.2.0
    depends: [mailer]
  mailer: services/mailer
  smoke: tests/smoke
  deploy: deploy
externals:
  postgres: docker.io/library/postgres:17
sites:
  laptop: {environment: dev, ring: developers}
  eu: {environment: prod, ring: users, cluster: eu-cluster, namespace: shop, registry: mirror.eu.example.com/acme}
gates:
  users: {image: smoke, command: [/smoke]}
`

const siteText = `Two sites are never one namespace of one named cluster. Namespaces that begin with kube- are Kubernetes' own.

`

const gateText = `A gate is run each time, never taken from the cache, on the builder's default platform and before anything moves. It finds

| what | where |
| --- | --- |
| the project, the ring that is to take the release, the release's version, the root image's digest | environment: ` + "`QUOIT_PROJECT`, `QUOIT_RING`, `QUOIT_VERSION`, `QUOIT_RELEASE_DIGEST`" + ` |
| every image of the release: a JSON object of names to references with digests | the file that ` + "`QUOIT_RELEASE`" + ` names, ` + "`/run/quoit/release.json`" + ` |
| its secrets | the files ` + "`/run/secrets/NAME`" + ` |

`

// referencePage renders docs/manifest.md.
func referencePage(t *testing.T, r *jsonschema.Reflector) string {
	t.Helper()
	mustParse(t, exampleManifest)
	var out strings.Builder
	out.WriteString("<!-- Generated by `go generate ./manifest`. Do not edit. -->\n\n# The manifest\n\n")
	out.WriteString(intro + "\n\n")
	out.WriteString("```yaml\n" + exampleManifest + "```\n\n")
	out.WriteString("The first line is for BuildKit: it names the frontend that reads this file. It counts only as the very first line.\n\n")
	out.WriteString("An editor that knows JSON Schema checks and completes the file with [quoit.schema.json](quoit.schema.json), for instance with a line\n" +
		"`# yaml-language-server: $schema=" + schemaID + "` below the first.\n\n")
	table(t, &out, r, "## Keys of the manifest", Document{})
	table(t, &out, r, "## Keys of an image", ImageDocument{})
	table(t, &out, r, "## Keys of defaults", Defaults{})
	table(t, &out, r, "## Keys of a site", SiteDocument{})
	out.WriteString(siteText)
	table(t, &out, r, "## Keys of a gate", GateDocument{})
	out.WriteString(gateText)
	out.WriteString("## Rules of the whole file\n\n" + wholeFile())
	return out.String()
}

func table(t *testing.T, out *strings.Builder, r *jsonschema.Reflector, title string, document any) {
	t.Helper()
	typ := reflect.TypeOf(document)
	out.WriteString(title + "\n\n| key | type | default | meaning | example |\n| --- | --- | --- | --- | --- |\n")
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
		fmt.Fprintf(out, "| `%s` | %s | %s | %s | `%s` |\n", key(f), typeName(f.Type), byDefault, meaning, example)
	}
	out.WriteString("\n")
}

func wholeFile() string {
	var keys []string
	for k := range later {
		keys = append(keys, "`"+k+"`")
	}
	slices.Sort(keys)
	return fmt.Sprintf(`- One YAML document, UTF-8, at most %d KiB and %d images. Anchors, aliases and merge keys (`+"`<<`"+`) work.
- Unknown keys, duplicate keys and values of another type are errors. All mistakes are reported at once.
- Not available yet: %s, and references with `+"`#image`"+` in externals.
`, maxBytes>>10, maxImages, strings.Join(keys, ", "))
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

func typeName(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[Entry]():
		return "context or keys of an image"
	case reflect.TypeFor[SiteDocument]():
		return "keys of a site"
	case reflect.TypeFor[GateDocument]():
		return "keys of a gate"
	case reflect.TypeFor[Text]():
		return "text, number or truth value"
	case reflect.TypeFor[Scalar]():
		return "text, number, truth value or null"
	}
	switch t.Kind() {
	case reflect.Map:
		return "mapping of text to " + typeName(t.Elem())
	case reflect.Slice:
		return "list of " + typeName(t.Elem())
	case reflect.Struct:
		return "mapping"
	case reflect.Bool:
		return "truth value"
	}
	return "text"
}
