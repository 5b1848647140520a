package manifest

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/quoitbuild/quoit/internal/diag"
)

var update = flag.Bool("update", false, "write the golden files and the generated references")

func TestGolden(t *testing.T) {
	cases, err := filepath.Glob("testdata/*/quoit.yaml")
	if err != nil || len(cases) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, path := range cases {
		dir := filepath.Dir(path)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, filepath.Join(dir, "want.txt"), outcome(t, data))
		})
	}
}

// outcome is what a person sees of a manifest: its mistakes, or its values.
func outcome(t *testing.T, data []byte) string {
	t.Helper()
	var out bytes.Buffer
	m, err := Parse("quoit.yaml", data)
	if err != nil {
		var list diag.List
		if !errors.As(err, &list) || m != nil {
			t.Fatalf("Parse returned %T and %v, want nil and a diag.List", err, m)
		}
		diag.Render(&out, err)
		return out.String()
	}
	dump(&out, m)
	diag.RenderWarnings(&out, m.Warnings)
	return out.String()
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs (-want +got); run the test with -update and review:\n%s", path, diff)
	}
}

func dump(out *bytes.Buffer, m *Manifest) {
	line := func(at diag.Range, format string, args ...any) {
		place := fmt.Sprintf("%d:%d-%d", at.Start.Line, at.Start.Column, at.End.Column)
		fmt.Fprintf(out, "%-9s %s\n", place, fmt.Sprintf(format, args...))
	}
	line(diag.Range{}, "syntax %q", m.Syntax)
	line(m.Position("project"), "project %q", m.Project)
	line(m.Position("registry"), "registry %q", m.Registry)
	line(m.Position("vendor"), "vendor %q", m.Vendor)
	line(m.Position("rings"), "rings %q", m.RingOrder())
	line(m.Position("root"), "root %q", m.Root)
	for _, i := range m.Images {
		line(i.Range, "image %q", i.Name)
		line(i.Position("context"), "  context %q", i.Context)
		line(i.Position("file"), "  file %q", i.File)
		line(i.Position("target"), "  target %q", i.Target)
		line(i.Position("version"), "  version %q", i.Version)
		for _, name := range slices.Sorted(maps.Keys(i.Args)) {
			text := "null"
			if value := i.Args[name]; value != nil {
				text = fmt.Sprintf("%q", *value)
			}
			line(i.Position("args", name), "  arg %s %s", name, text)
		}
		for _, key := range slices.Sorted(maps.Keys(i.Labels)) {
			line(i.Position("labels", key), "  label %s %q", key, i.Labels[key])
		}
		for _, p := range i.Platforms {
			line(i.Position("platforms", p), "  platform %s", p)
		}
		for _, c := range i.Contexts {
			line(i.Position("contexts", c.Name), "  context %s %q%q", c.Name, c.Image, c.Folder)
		}
		for _, name := range i.Depends {
			line(i.Position("depends", name), "  depends %s", name)
		}
	}
	for _, e := range m.Externals {
		line(e.Range, "external %q", e.Name)
		line(e.Value, "  reference %q", e.Reference)
	}
	for _, s := range m.Sites {
		line(s.Range, "site %q", s.Name)
		line(s.Position("environment"), "  environment %q", s.Environment)
		line(s.Position("ring"), "  ring %q", s.Ring)
		line(s.Position("cluster"), "  cluster %q", s.Cluster)
		line(s.Position("namespace"), "  namespace %q", s.Namespace)
		line(s.Position("registry"), "  registry %q", s.Registry)
		line(s.Position("scope"), "  scope %q", s.Scope)
		line(s.Position("downgrade"), "  downgrade %q", s.Downgrade)
	}
	for _, g := range m.Gates {
		line(g.Range, "gate %q", g.Ring)
		line(g.Position("image"), "  image %q", g.Image)
		line(g.Position("command"), "  command %q", g.Command)
		line(g.Position("network"), "  network %v", g.Network)
		for _, name := range g.Secrets {
			line(g.Position("secrets", name), "  secret %q", name)
		}
		line(g.Position("timeout"), "  timeout %s", g.Timeout)
	}
}

// FuzzParse checks that any bytes give a manifest or mistakes, and that every
// position is inside the file.
func FuzzParse(f *testing.F) {
	cases, err := filepath.Glob("testdata/*/quoit.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range cases {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		if len(data) < 16<<10 {
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Parse("quoit.yaml", data)
		if (m == nil) == (err == nil) {
			t.Fatalf("manifest %v and error %v, want one of them", m, err)
		}
		x := diag.NewIndex(data)
		if err != nil {
			var out bytes.Buffer
			diag.Render(&out, err)
			for _, d := range diag.All(err) {
				inside(t, x, d.Range, d.Message)
				for _, r := range d.Related {
					inside(t, x, r.Range, r.Message)
				}
			}
			return
		}
		for path, at := range m.places {
			inside(t, x, at, path)
		}
		for _, i := range m.Images {
			inside(t, x, i.Range, i.Name)
			for path, at := range i.Fields {
				inside(t, x, at, path)
			}
		}
		for _, s := range m.Sites {
			for path, at := range s.Fields {
				inside(t, x, at, path)
			}
		}
		for _, g := range m.Gates {
			for path, at := range g.Fields {
				inside(t, x, at, path)
			}
		}
	})
}

func inside(t *testing.T, x *diag.Index, r diag.Range, what string) {
	t.Helper()
	if r.IsZero() {
		return
	}
	for _, p := range []diag.Position{r.Start, r.End} {
		if x.Clamp(p) != p {
			t.Fatalf("%s: position %v is outside of the file", what, p)
		}
	}
	if r.End.Line != r.Start.Line || r.End.Column < r.Start.Column {
		t.Fatalf("%s: range %v ends before it begins", what, r)
	}
}

func TestLookups(t *testing.T) {
	m := mustParse(t, "project: acme/shop\nregistry: r.example.com\nroot: deploy\nimages: {b: b, deploy: d, a: a}\nexternals: {db: postgres:17}\ngates: {post: {image: b}, developers: {image: a}}\n"+
		"sites: {us: {environment: prod, ring: users}, eu: {environment: prod, ring: post}}\n")
	if diff := cmp.Diff([]string{"a", "b", "deploy"}, m.ImageNames()); diff != "" {
		t.Error(diff)
	}
	if image, ok := m.Image("b"); !ok || image.Context != "b" {
		t.Errorf("Image(b) is %v, %v", image, ok)
	}
	if _, ok := m.Image("c"); ok {
		t.Error("Image(c) exists")
	}
	if e, ok := m.External("db"); !ok || e.Reference != "docker.io/library/postgres:17" {
		t.Errorf("External(db) is %v, %v", e, ok)
	}
	if g, ok := m.Gate("post"); !ok || g.Image != "b" || len(m.Gates) != 2 || m.Gates[0].Ring != "developers" {
		t.Errorf("Gate(post) is %v, %v; the gates are %v", g, ok, m.Gates)
	}
	if _, ok := m.Gate("users"); ok {
		t.Error("Gate(users) exists")
	}
	if s, ok := m.Site("us"); !ok || s.Ring != "users" || s.Namespace != "shop-us" || s.Downgrade != DowngradeNever || s.Scope != ScopeNamespace {
		t.Errorf("Site(us) is %+v, %v", s, ok)
	}
	if _, ok := m.Site("as"); ok {
		t.Error("Site(as) exists")
	}
	if diff := cmp.Diff([]string{"eu", "us"}, m.SiteNames()); diff != "" {
		t.Error(diff)
	}
	if got, want := m.Repository("a"), "r.example.com/acme/shop/a"; got != want {
		t.Errorf("Repository(a) is %q, want %q", got, want)
	}
	if diff := cmp.Diff([]string{"ante", "developers", "testers", "users", "post"}, m.RingOrder()); diff != "" {
		t.Error(diff)
	}
	image, _ := m.Image("a")
	if got := image.Position("args", "X"); got != image.Range {
		t.Errorf("a value that is not written is at %v, want the name %v", got, image.Range)
	}
}

func TestInAnotherRegistry(t *testing.T) {
	m := mustParse(t, minimal)
	changed, err := m.At("mirror.example.com/acme", "")
	if err != nil || changed.Registry != "mirror.example.com/acme" || m.Registry != "r.example.com" {
		t.Errorf("got %v, %v; the original has %q", changed, err, m.Registry)
	}
	for _, bad := range []string{"https://x.example.com", "mirror", "bob:s3cret@x.example.com", "x.example.com/" + strings.Repeat("a", 300)} {
		changed, err := m.At(bad, "")
		if err == nil || changed != nil {
			t.Errorf("%q is accepted", bad)
		} else if strings.Contains(err.Error(), "s3cret") {
			t.Errorf("the error shows a password: %v", err)
		}
	}
}

func TestParseIsDeterministic(t *testing.T) {
	for _, name := range []string{"full", "images-bad"} {
		data, err := os.ReadFile(filepath.Join("testdata", name, "quoit.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		first := outcome(t, data)
		for range 25 {
			if again := outcome(t, data); again != first {
				t.Fatalf("%s: two runs differ:\n%s", name, cmp.Diff(first, again))
			}
		}
	}
}

func mustParse(t *testing.T, text string) *Manifest {
	t.Helper()
	m, err := Parse("quoit.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

const minimal = "project: acme/shop\nregistry: r.example.com\nimages: {api: api}\n"

// TestWhatIsFixedFromOutside: whoever writes the manifest chooses neither.
func TestWhatIsFixedFromOutside(t *testing.T) {
	m := mustParse(t, "project: acme/shop\nregistry: registry.example.com/team\nimages: {api: a}\n")
	for _, test := range []struct{ registry, project, want, fails string }{
		{"", "", "registry.example.com/team/acme/shop/api", ""},
		{"", "acme/shop", "registry.example.com/team/acme/shop/api", ""},
		{"", "other.example.com/acme/shop", "other.example.com/acme/shop/api", ""},
		{"", "localhost/acme/shop", "localhost/acme/shop/api", ""},
		{"", "other:5000/acme/shop", "other:5000/acme/shop/api", ""},
		{"other.example.com/x", "acme/shop", "other.example.com/x/acme/shop/api", ""},
		{"other.example.com", "other.example.com/acme/shop", "other.example.com/acme/shop/api", ""},
		{"other.example.com", "another.example.com/acme/shop", "", "the registry is said twice: other.example.com, and another.example.com with the project"},
		{"", "acme/shoe", "", "quoit.yaml:1:10: this is the manifest of acme/shop, and acme/shoe is meant"},
		{"other.example.com", "evil.example.com/acme/shop/x", "", "and acme/shop/x is meant"},
		{"", "team/acme/shop", "", "if team is the path of a registry, say it with --registry"},
		{"", "registry.example.com/team/acme/shop", "", "if team is the path of a registry, say it with --registry"},
		{"", "shop", "", "and shop is meant"},
		{"", "Acme/shop", "", "is not a valid name for a project"},
		{"", "acme/shop/", "", "ends with a slash"},
		{"", "ann:secret@registry.example.com/acme/shop", "", "the registry contains credentials"},
	} {
		changed, err := m.At(test.registry, test.project)
		switch {
		case test.fails == "" && err != nil:
			t.Errorf("%+v: %v", test, err)
		case test.fails == "" && changed.Repository("api") != test.want:
			t.Errorf("%+v: %s", test, changed.Repository("api"))
		case test.fails != "" && (err == nil || !strings.Contains(diagnosed(err), test.fails) || strings.Contains(err.Error(), "secret")):
			t.Errorf("%+v: %v", test, err)
		}
	}
	if m.Registry != "registry.example.com/team" {
		t.Error("the manifest itself was changed")
	}
}

// diagnosed is an error with what it shows.
func diagnosed(err error) string {
	var text strings.Builder
	diag.Render(&text, err)
	return err.Error() + "\n" + text.String()
}
