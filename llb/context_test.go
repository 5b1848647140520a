package llb

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	bk "github.com/moby/buildkit/client/llb"
	"github.com/moby/patternmatcher/ignorefile"
	"github.com/tonistiigi/fsutil"
	"pgregory.net/rapid"

	"github.com/quoitbuild/quoit/internal/dose"
)

// contexts are sources by context, with the patterns of their ignore files.
func contexts(ignores map[string][]string) map[string]Source {
	sources := map[string]Source{}
	for folder, ignore := range ignores {
		sources[folder] = Source{Name: folder, Context: folder, Ignore: ignore}
	}
	return sources
}

func TestSelect(t *testing.T) {
	for _, c := range []struct {
		name    string
		sources map[string]Source
		want    Selection
	}{
		{"the root is everything", contexts(map[string][]string{".": nil}), Selection{}},
		{"the root's ignore file is applied", contexts(map[string][]string{".": {"a", "!b"}}), Selection{Exclude: []string{"a", "!b"}}},
		{"folders are what they name", contexts(map[string][]string{"b": nil, "a/x": nil}), Selection{Include: []string{"a/x", "b"}}},
		{"a folder in another is part of it", contexts(map[string][]string{"a": {"x"}, "a/b": nil, "ab": nil}), Selection{Include: []string{"a", "ab"}}},
		{"beside the root no ignore file is applied", contexts(map[string][]string{".": {"x"}, "a": {"y"}}), Selection{}},
		{"ignore files are moved to the root", contexts(map[string][]string{"a": {"x", "!y/*", "**/z"}, "b": {"*"}}),
			Selection{Include: []string{"a", "b"}, Exclude: []string{"a/x", "!a/y/*", "a/**/z", "b/*"}}},
		{"names are no patterns", contexts(map[string][]string{`a[*?\]`: {"x"}}),
			Selection{Include: []string{`a\[\*\?\\]`}, Exclude: []string{`a\[\*\?\\]/x`}}},
		{"patterns that name no file of the folder are left out", contexts(map[string][]string{"a": {".", "..", "../b", "!../b", "x/../..", "/", "y"}}),
			Selection{Include: []string{"a"}, Exclude: []string{"a/y"}}},
		{"patterns that mean something else at the root are not moved", contexts(map[string][]string{"a": {"*", "!**.go"}, "b": {"**x"}, "c": {"**"}}),
			Selection{Include: []string{"a", "b", "c"}, Exclude: []string{"c/**"}}},
		{"two ignore files of one folder are not applied", map[string]Source{"a": {Context: "x", Ignore: []string{"1"}}, "b": {Context: "x", Ignore: []string{"2"}}},
			Selection{Include: []string{"x"}}},
		{"equal ignore files of one folder are applied", map[string]Source{"a": {Context: "x", Ignore: []string{"1"}}, "b": {Context: "x", Ignore: []string{"1"}}},
			Selection{Include: []string{"x"}, Exclude: []string{"x/1"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, Select(c.sources), cmpopts.IgnoreUnexported(Selection{})); diff != "" {
				t.Errorf("selection (-want +got):\n%s", diff)
			}
		})
	}
}

// Patterns travel in headers of limited size: however many contexts there are,
// they stay few.
func TestSelectStaysSmall(t *testing.T) {
	ignores := map[string][]string{}
	for i := range 1000 {
		ignores[fmt.Sprintf("services/group%d/service%d", i%30, i)] = []string{"*.tmp", "!keep.tmp", "build/"}
	}
	s := Select(contexts(ignores))
	if len(s.Include) != 30 || len(s.Exclude) > maxPatterns {
		t.Errorf("%d patterns include, %d exclude", len(s.Include), len(s.Exclude))
	}
	flat := map[string][]string{}
	for i := range maxPatterns + 1 {
		flat[fmt.Sprintf("f%d", i)] = nil
	}
	if s := Select(contexts(flat)); s.Include != nil {
		t.Errorf("%d patterns include folders of the root", len(s.Include))
	}
}

func TestState(t *testing.T) {
	project := bk.Local("context", bk.SessionID("s"))
	for _, c := range []struct {
		name    string
		ignores map[string][]string
		copied  bool // the state of the first context is a copy
	}{
		{"the root is the project itself", map[string][]string{".": {"x"}}, false},
		{"the root beside a folder is the project itself", map[string][]string{".": nil, "a": {"x"}}, false},
		{"the root with an ignore file beside a folder is a copy", map[string][]string{".": {"x"}, "a": nil}, true},
		{"a folder is a copy", map[string][]string{"a": nil}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			sources := contexts(c.ignores)
			folder := "."
			if _, ok := sources[folder]; !ok {
				folder = "a"
			}
			def, err := Select(sources).State(project, sources[folder]).Marshal(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			_, byDigest := ops(t, def.ToPB())
			copied := false
			for _, op := range byDigest {
				if file := op.GetFile(); file != nil {
					copied = true
					action := file.Actions[0].GetCopy()
					if action.Src != path.Join("/", folder) || !slices.Equal(action.ExcludePatterns, sources[folder].Ignore) || !action.DirCopyContents {
						t.Errorf("the copy is %v", action)
					}
				}
			}
			if copied != c.copied {
				t.Errorf("a copy: %t, want %t", copied, c.copied)
			}
		})
	}
}

// What a client transfers by a selection holds every file that some image's
// context holds by itself.
func TestSelectionHoldsEveryContext(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a", "b", "a b", "[x]", "x", "star*", "-d", "ü"} {
		for _, file := range []string{"f", "x.go", "a/f", "a/b/x.go", "b/y.keep", "[x]/a", "a b/f", "x/f", ".h/f", "b/b/b", "star*"} {
			full := filepath.Join(dir, name, file)
			if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(full, nil, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	folders := []string{".", "a", "a/a", "b", "a b", "[x]", "[x]/[x]", "x", "star*", "-d", "ü", "b/b"}
	patterns := []string{
		"*", "**", "a", "f", "*.go", "**.go", "**/f", "a/b", "**/b", "b/", "a*", `\[x]`, "[x]", "**b", ".h", "/a", "..", "../b", ".", "x/**", "a/../f", "star?", "*/f",
		"!*", "!**", "!a", "!f", "!**.go", "!**/f", "!a/b/x.go", "!../b", "!.h", "!x/**", "!**/*.keep", "!**keep", "!a b", "!/a",
	}
	for range dose.Of(1, 1, 20) {
		rapid.Check(t, func(r *rapid.T) {
			sources := map[string]Source{}
			for i, folder := range rapid.SliceOfN(rapid.SampledFrom(folders), 1, 4).Draw(r, "contexts") {
				name := fmt.Sprint(i)
				text := strings.Join(rapid.SliceOfN(rapid.SampledFrom(patterns), 0, 4).Draw(r, "ignore"), "\n")
				ignore, err := ignorefile.ReadAll(strings.NewReader(text))
				if err != nil {
					r.Fatal(err)
				}
				sources[name] = Source{Name: name, Context: folder, Ignore: ignore}
			}
			s := Select(sources)
			sent := filtered(t, dir, s.Include, s.Exclude)
			for _, source := range sources {
				for file := range filtered(t, filepath.Join(dir, source.Context), nil, source.Ignore) {
					if !sent[path.Join(source.Context, file)] {
						r.Fatalf("%q of context %q with %q is not in %+v", file, source.Context, source.Ignore, s)
					}
				}
				if source.Context == "." && (s.applied["."] || len(source.Ignore) == 0) {
					for file := range sent {
						if !filtered(t, dir, nil, source.Ignore)[file] {
							r.Fatalf("%q is in %+v, not in the context with %q", file, s, source.Ignore)
						}
					}
				}
			}
		})
	}
}

// filtered are the files of a folder that BuildKit's client lets through.
func filtered(t *testing.T, dir string, include, exclude []string) map[string]bool {
	t.Helper()
	source, err := fsutil.NewFS(dir)
	if err != nil {
		t.Fatal(err)
	}
	if source, err = fsutil.NewFilterFS(source, &fsutil.FilterOpt{IncludePatterns: include, ExcludePatterns: exclude}); err != nil {
		t.Fatal(err)
	}
	files := map[string]bool{}
	err = source.Walk(t.Context(), "", func(name string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			files[strings.TrimPrefix(name, "/")] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
