package llb

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/solver/pb"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// A named context is found wherever the compiler looks for one.
func TestNamedContexts(t *testing.T) {
	contexts := []NamedContext{{Name: "alias", Image: "base"}, {Name: "empty", Image: "nothing"}, {Name: "files", Folder: "web", Ignore: []string{"log"}, IgnoreFile: []byte("log\n")}}
	for _, c := range []struct {
		name, file string
		siblings   []string
		used       []string
		reads      []string // of files
	}{
		{name: "nothing", file: "FROM scratch\nCOPY x /"},
		{name: "FROM", file: "FROM alias\nCOPY x /", siblings: []string{"base"}, used: []string{"alias"}},
		{name: "FROM with latest", file: "FROM docker.io/library/alias:latest\nCOPY x /", siblings: []string{"base"}, used: []string{"alias"}},
		{name: "FROM for another platform", file: "FROM --platform=linux/arm64 alias\nCOPY x /", siblings: []string{"base"}, used: []string{"alias"}},
		{name: "COPY", file: "FROM scratch\nCOPY --from=alias /a /", siblings: []string{"base"}, used: []string{"alias"}},
		{name: "a mount", file: "FROM scratch\nRUN --mount=from=files,source=a,target=/x ls", used: []string{"files"}, reads: []string{"/a"}},
		{name: "COPY of files", file: "FROM scratch\nCOPY --from=files a b* /", used: []string{"files"}, reads: []string{"/a", "/b*"}},
		{name: "FROM files", file: "FROM files\nRUN ls", used: []string{"files"}, reads: []string{"/"}},
		{name: "a stage is replaced", file: "FROM base AS files\nCOPY x /\nFROM scratch\nCOPY --from=files /a /", used: []string{"files"}, reads: []string{"/a"}},
		{name: "a stage is replaced by an image", file: "FROM files AS alias\nCOPY x /\nFROM alias\nCOPY x /", siblings: []string{"base"}, used: []string{"alias"}},
		{name: "a stage by its number", file: "FROM scratch AS files\nFROM scratch\nCOPY --from=0 /a /", used: []string{"files"}, reads: []string{"/a"}},
		{name: "an argument", file: "ARG ON=alias\nFROM $ON\nCOPY x /", siblings: []string{"base"}, used: []string{"alias"}},
		{name: "in a stage that is not reached", file: "FROM alias\nCOPY --from=files a /\nFROM scratch\nCOPY x /"},
		{name: "an image without layers", file: "FROM empty\nCOPY x /", siblings: []string{"nothing"}, used: []string{"empty"}},
		{name: "ONBUILD", file: "FROM triggers\nCOPY x /", siblings: []string{"triggers"}, used: []string{"files"}, reads: []string{"/t"}},
	} {
		files := map[string]string{
			"api": c.file, "base": "FROM scratch\nENV A=1\nCOPY b /\n", "nothing": "FROM scratch\nENV A=1\n",
			"triggers": "FROM scratch\nCOPY x /\nONBUILD COPY --from=files t /\n",
		}
		check := func(t *testing.T, compiler *Compiler, lines bool) {
			api := compiler.Sources["api"]
			api.Contexts = contexts
			compiler.Sources["api"] = api
			all := compiled(t, compiler)
			got := all["api"][0]
			var used, reads []string
			for _, u := range got.Contexts {
				used = append(used, u.Name)
				for i, read := range u.Reads {
					reads = append(reads, read.Path)
					if lines && u.Lines[i] == 0 {
						t.Errorf("%s has no line", read.Path)
					}
				}
			}
			if diff := cmp.Diff(c.siblings, got.Siblings); diff != "" {
				t.Errorf("siblings (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.used, used); diff != "" {
				t.Errorf("contexts (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.reads, reads); diff != "" {
				t.Errorf("reads (-want +got):\n%s", diff)
			}
			for _, name := range used {
				if !api.Mentions(name) && c.name != "ONBUILD" {
					t.Errorf("%s is not mentioned", name)
				}
			}
			built, err := newBuilder(compiler).Image(t.Context(), got, nil)
			if err != nil {
				t.Fatal(err)
			}
			wantNoMarks(t, built)
		}
		t.Run(c.name, func(t *testing.T) { check(t, newCompiler(files), true) })
		if c.name == "in a stage that is not reached" || c.name == "an image without layers" {
			continue // another frontend is told of all that the file names, and BuildKit takes no input that is nothing
		}
		t.Run(c.name+", another frontend", func(t *testing.T) {
			files["api"] = foreign + c.file
			compiler, _ := newForeign(t, files)
			check(t, compiler, false)
		})
	}
}

// wantNoMarks checks that nothing is left to decide.
func wantNoMarks(t *testing.T, def *pb.Definition) {
	t.Helper()
	for _, raw := range def.GetDef() {
		var op pb.Op
		if err := op.UnmarshalVT(raw); err != nil {
			t.Fatal(err)
		}
		source := Source{Contexts: make([]NamedContext, 3)}
		if id := op.GetSource().GetIdentifier(); source.folder(op.GetSource()) != nil || id == siblingMark+"base:latest" || id == imageScheme+aliasHost {
			t.Errorf("the graph has the mark %s", id)
		}
		for _, input := range op.Inputs {
			if input.Digest == "" {
				t.Error("the graph has an input that is nothing")
			}
		}
	}
}

// What a stage was before it was replaced does not count; for which platform it is does.
func TestRecipeOfReplacedStages(t *testing.T) {
	recipe := func(file string, contexts ...string) string {
		compiler := newCompiler(map[string]string{"api": file, "base": "FROM scratch\nCOPY b /\n"}, func(s *Source) {
			s.Platforms = []ocispecs.Platform{amd64}
			for _, name := range contexts {
				if s.Name == "api" {
					s.Contexts = append(s.Contexts, NamedContext{Name: name, Image: "base"})
				}
			}
		})
		return compiled(t, compiler)["api"][0].Recipe
	}
	const tail = "FROM scratch\nCOPY --from=b /x /\n"
	one := recipe("FROM scratch AS a\nCOPY a /\nFROM a AS b\nCOPY b /\n"+tail, "b")
	for file, same := range map[string]bool{
		"FROM scratch AS a\nCOPY c /\nFROM a AS b\nCOPY d /\n" + tail:                true,
		"FROM scratch AS b\n" + tail:                                                 true,
		"FROM --platform=linux/arm64 scratch AS b\n" + tail:                          false,
		"FROM scratch AS a\nCOPY a /\nFROM a AS b\nCOPY b /\n" + tail + "COPY x /\n": false,
	} {
		if got := recipe(file, "b"); (got == one) != same {
			t.Errorf("the recipe of %q is the same: %t, want %t", file, got == one, same)
		}
	}
	if recipe("FROM scratch AS b\nCOPY x /\n"+tail) == one {
		t.Error("a stage that is not replaced does not count")
	}
}
