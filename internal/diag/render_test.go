package diag

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files")

func TestRender(t *testing.T) {
	quoit := &Source{Name: "quoit.yaml", Data: []byte("project: acme/shop\nregistry: registry.example.com\n\nimages:\n  api:\n\tcontext: a\tb\n  \u65e5\u672c: \u00e9 x\n")}
	docker := &Source{Name: "services/api/Dockerfile", Data: []byte("FROM base\nRUN make\n")}
	long := &Source{Name: "long.yaml", Data: []byte(strings.Repeat("a", 300) + "HERE" + strings.Repeat("z", 300))}
	hostile := &Source{Name: "evil\x1b]0;x\x07.yaml", Data: []byte("a: \x1b[2Jb \u202e c\nregistry: https://bob:s3cret@r.example.com\n")}
	var many List
	for i := range shownMistakes + 2 {
		many.Add(Diagnostic{Source: quoit, Range: at(1, 1, 8), Message: fmt.Sprintf("mistake %02d", i)})
	}
	for name, err := range map[string]error{
		"one":        Diagnostic{Source: quoit, Range: at(2, 11, 31), Message: "no such host", Hint: "is it up?"},
		"try":        Diagnostic{Source: quoit, Range: at(1, 10, 19), Message: "wrong", Hint: "try: acme/store"},
		"whole-file": Diagnostic{Source: quoit, Message: "empty", Hint: "write something"},
		"whole-line": Diagnostic{Source: quoit, Range: at(6, 0, 0), Message: "this line"},
		"tabs":       List{{Source: quoit, Range: at(6, 2, 9), Message: "after a tab"}, {Source: quoit, Range: at(6, 13, 14), Message: "after two"}},
		"wide":       Diagnostic{Source: quoit, Range: at(7, 9, 10), Message: "behind wide characters"},
		"end":        Diagnostic{Source: quoit, Range: at(1, 19, 19), Message: "something is missing here"},
		"many-lines": Diagnostic{Source: quoit, Range: Range{Position{1, 10}, Position{4, 2}}, Message: "from here on"},
		"outside":    Diagnostic{Source: quoit, Range: at(99, 1, 2), Message: "no such line", Hint: "none"},
		"no-source":  Diagnostic{Message: "nowhere", Hint: "look elsewhere"},
		"long":       Diagnostic{Source: long, Range: at(1, 301, 305), Message: "in the middle"},
		"hostile": List{{Source: hostile, Range: at(1, 12, 13), Message: "escape \x1b[31m"},
			{Source: hostile, Range: at(2, 11, 44), Message: "secret https://bob:s3cret@r.example.com"}},
		"related": Diagnostic{Source: docker, Range: at(1, 6, 10), Message: "there is no image \"base\"", Hint: "add it to the manifest", Related: []Related{
			{Source: quoit, Range: at(4, 1, 7), Message: "the images are here"}, {Range: at(2, 1, 4), Message: "needed here"}, {Message: "somewhere"}}},
		"two-files": errors.Join(errors.New("solving: cancelled\nsecond line"), fmt.Errorf("reading: %w", List{
			{Source: quoit, Range: at(1, 1, 8), Message: "b"}, {Source: docker, Range: at(1, 1, 5), Message: "a"}})),
		"other": errors.New("no diagnostic at all: bob:s3cret@r.example.com"),
		"many":  many,
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			Render(&out, err)
			golden(t, name, out.String())
		})
	}
}

func TestRenderWarnings(t *testing.T) {
	var out bytes.Buffer
	RenderWarnings(&out, nil)
	if out.Len() > 0 {
		t.Errorf("no warnings are %q", out.String())
	}
	src := &Source{Name: "quoit.yaml", Data: []byte("a: b\n")}
	RenderWarnings(&out, List{{Source: src, Range: at(1, 1, 2), Message: "no effect", Hint: "remove it"}})
	golden(t, "warning", out.String())
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".txt")
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
		t.Errorf("%s differs (-want +got):\n%s", path, diff)
	}
}

func FuzzRender(f *testing.F) {
	f.Add("a: b\n\tc: d\n", 2, 2, 4)
	f.Add("\ufeff\u65e5\u672c\x1b\r\n", 1, 3, 9)
	f.Add("a: \u202e\u2066b # \u200b\ue000\xff\n", 1, 4, 5)
	f.Fuzz(func(t *testing.T, data string, line, from, to int) {
		src := &Source{Name: "f", Data: []byte(data)}
		var out bytes.Buffer
		Render(&out, Diagnostic{Source: src, Range: at(line, from, to), Message: data, Hint: data})
		for _, r := range out.String() {
			if r != '\n' && !unicode.IsPrint(r) {
				t.Fatalf("the character %q is shown", r)
			}
		}
	})
}
