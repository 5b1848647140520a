package integration

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/quoitbuild/quoit/frontend"
	"github.com/quoitbuild/quoit/manifest"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/versioning"
)

// documented are the types that docs/plan.md describes, by heading, and the
// words that it has for them.
var documented = map[string]struct {
	word string
	typ  reflect.Type
}{
	"The plan":            {"plan", reflect.TypeFor[versioning.Plan]()},
	"A release in a ring": {"release in a ring", reflect.TypeFor[versioning.Held]()},
	"An image":            {"image", reflect.TypeFor[versioning.ImagePlan]()},
	"A reason":            {"reason", reflect.TypeFor[versioning.Reason]()},
	"A changed path":      {"changed path", reflect.TypeFor[versioning.Path]()},
	"An external":         {"external", reflect.TypeFor[versioning.External]()},
	"A parent":            {"parent", reflect.TypeFor[versioning.Parent]()},
	"What was published":  {"publication", reflect.TypeFor[store.Outcome]()},
	"A tag":               {"tag", reflect.TypeFor[store.Tag]()},
}

func TestPlanReference(t *testing.T) {
	sections := sectionsOf(t, "../docs/plan.md")
	for heading, d := range documented {
		t.Run(heading+" has every field with its type", func(t *testing.T) {
			var want [][2]string
			for _, field := range reflect.VisibleFields(d.typ) {
				name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
				described := describe(t, field.Type)
				if options != "" {
					described += ", optional"
				}
				want = append(want, [2]string{name, described})
			}
			if diff := cmp.Diff(want, rows(sections[heading], "field")); diff != "" {
				t.Errorf("fields (-code +docs):\n%s", diff)
			}
		})
	}
	t.Run("every kind of reason is explained", func(t *testing.T) {
		var got []string
		for _, row := range rows(sections["A reason"], "kind") {
			got = append(got, row[0])
		}
		if diff := cmp.Diff(reasonKinds(t), got); diff != "" {
			t.Errorf("kinds (-code +docs):\n%s", diff)
		}
	})
	t.Run("the example is a plan", func(t *testing.T) {
		example := block(t, sections["Example"], "json")
		if _, err := versioning.ParsePlan([]byte(example)); err != nil {
			t.Error(err)
		}
		strict := json.NewDecoder(strings.NewReader(example))
		strict.DisallowUnknownFields()
		if err := strict.Decode(new(versioning.Plan)); err != nil {
			t.Error(err)
		}
	})
}

func TestReadme(t *testing.T) {
	text := read(t, "../README.md")
	t.Run("its manifest is valid", func(t *testing.T) {
		if _, err := manifest.Parse("quoit.yaml", []byte(block(t, text, "yaml"))); err != nil {
			t.Error(err)
		}
	})
	t.Run("it has the exit codes of the command", func(t *testing.T) {
		codes := func(text string) (codes []string) {
			for _, row := range rows(text, "code") {
				codes = append(codes, row[0])
			}
			if len(codes) == 0 {
				t.Error("there is no table of exit codes")
			}
			return codes
		}
		if diff := cmp.Diff(codes(read(t, "../docs/cli.md")), codes(text)); diff != "" {
			t.Errorf("codes (-docs/cli.md +README.md):\n%s", diff)
		}
	})
	t.Run("it is short", func(t *testing.T) {
		if words := len(strings.Fields(text)); words > 500 {
			t.Errorf("%d words, want at most 500", words)
		}
	})
}

func TestLinksBetweenDocuments(t *testing.T) {
	files, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	link := regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`)
	for _, file := range append(files, "../README.md", "../CONTRIBUTING.md") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			for _, match := range link.FindAllStringSubmatch(read(t, file), -1) {
				if _, err := os.Stat(filepath.Join(filepath.Dir(file), match[1])); err != nil {
					t.Errorf("it links to %s: %v", match[1], err)
				}
			}
		})
	}
}

// describe is the word that docs/plan.md has for a type.
func describe(t *testing.T, typ reflect.Type) string {
	t.Helper()
	for heading, d := range documented {
		if d.typ == typ {
			return "[" + d.word + "](#" + strings.ReplaceAll(strings.ToLower(heading), " ", "-") + ")"
		}
	}
	switch {
	case typ == reflect.TypeFor[versioning.Version]():
		return "version"
	case typ.Kind() == reflect.Pointer:
		return describe(t, typ.Elem())
	case typ.Kind() == reflect.Slice:
		one := describe(t, typ.Elem())
		if strings.HasPrefix(one, "[") {
			return "list of " + strings.Replace(one, "]", "s]", 1)
		}
		return "list of " + one + "s"
	case typ.Kind() == reflect.Map:
		return "map of string to " + describe(t, typ.Elem())
	}
	word := map[reflect.Kind]string{reflect.String: "string", reflect.Int: "number", reflect.Bool: "boolean"}[typ.Kind()]
	if word == "" {
		t.Fatalf("there is no word for %s: extend docs/plan.md and this test", typ)
	}
	return word
}

// reasonKinds are the constants Reason… of package versioning, in their order.
func reasonKinds(t *testing.T) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../versioning/reason.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	ast.Inspect(file, func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "Reason") {
			return true
		}
		kind, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		kinds = append(kinds, kind)
		return true
	})
	return kinds
}

func read(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(bytes.TrimSpace(content))
}

// content is what is in a file.
func content(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// sectionsOf cuts a Markdown file at its headings of the second level.
func sectionsOf(t *testing.T, file string) map[string]string {
	t.Helper()
	sections := map[string]string{}
	for _, section := range strings.Split(read(t, file), "\n## ")[1:] {
		heading, text, _ := strings.Cut(section, "\n")
		sections[heading] = text
	}
	return sections
}

// rows are the first two columns of the table whose first column has a title;
// the first one without its back quotes.
func rows(text, title string) [][2]string {
	var all [][2]string
	lines := strings.Split(text, "\n")
	begin := slices.IndexFunc(lines, func(line string) bool { return strings.HasPrefix(line, "| "+title+" |") })
	if begin < 0 {
		return nil
	}
	for _, line := range lines[begin+2:] {
		cells := strings.Split(line, " | ")
		if len(cells) < 2 {
			break
		}
		all = append(all, [2]string{strings.Trim(cells[0], "| `"), cells[1]})
	}
	return all
}

// block is the first code block of a language.
func block(t *testing.T, text, language string) string {
	t.Helper()
	_, rest, found := strings.Cut(text, "\n```"+language+"\n")
	code, _, closed := strings.Cut(rest, "\n```")
	if !found || !closed {
		t.Fatalf("there is no %s block", language)
	}
	return code + "\n"
}

func TestFrontendArgumentsAreDocumented(t *testing.T) {
	reference := content(t, "../docs/frontend.md")
	for _, name := range []string{
		frontend.ArgRing, frontend.ArgMajor, frontend.ArgRebuild, frontend.ArgFirst, frontend.ArgPull, frontend.ArgRegistry, frontend.ArgExitCode,
		strings.TrimPrefix(frontend.RequestPlan, "frontend."), strings.TrimPrefix(frontend.RequestGraph, "frontend."),
		strings.TrimPrefix(frontend.RequestSchema, "frontend."), frontend.MetaPlan,
	} {
		if !strings.Contains(reference, "`"+name+"`") {
			t.Errorf("docs/frontend.md does not explain %s", name)
		}
	}
}
