package selection

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
	bk "github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/patternmatcher/ignorefile"
	"github.com/tonistiigi/fsutil"
	"pgregory.net/rapid"

	"github.com/quoitbuild/quoit/internal/dose"
	"github.com/quoitbuild/quoit/revision"
)

// selectOf selects for images of a project.
func selectOf(images ...revision.ImageInputs) Selection {
	for i := range images {
		images[i].Name = fmt.Sprint(i)
	}
	return New(images, func(_ string, options ...bk.LocalOption) bk.State { return bk.Local("context", options...) })
}

// patterns are those of a part's transfer, as BuildKit gets them.
func (p part) patterns(t testing.TB) (include, exclude []string) {
	t.Helper()
	def, err := p.tree.Marshal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var op pb.Op
	if err := op.UnmarshalVT(def.Def[0]); err != nil {
		t.Fatal(err)
	}
	for attr, to := range map[string]*[]string{pb.AttrIncludePatterns: &include, pb.AttrExcludePatterns: &exclude} {
		if text := op.GetSource().Attrs[attr]; text != "" {
			if err := json.Unmarshal([]byte(text), to); err != nil {
				t.Fatal(err)
			}
		}
	}
	return include, exclude
}

func TestSelectFiles(t *testing.T) {
	in := func(context string, ignore []string, reads ...string) revision.ImageInputs {
		i := revision.ImageInputs{Context: context, Ignore: ignore}
		for _, read := range reads {
			i.Reads = append(i.Reads, revision.Read{Path: read, Wildcard: true})
		}
		return i
	}
	type transfer struct{ Include, Exclude []string }
	for _, c := range []struct {
		name   string
		images []revision.ImageInputs
		want   []transfer
	}{
		{"the root is everything", []revision.ImageInputs{in(".", nil, "/")}, []transfer{{}}},
		{"what is read of the root", []revision.ImageInputs{in(".", nil, "/a/b")}, []transfer{{Include: []string{"a", "!a/**", "a/b"}}}},
		{"the root's ignore file is applied", []revision.ImageInputs{in(".", []string{"a", "!b"}, "/")}, []transfer{{Exclude: []string{"a", "!b"}}}},
		{"folders of several images", []revision.ImageInputs{in("b", nil, "/"), in("a/x", nil, "/y", "/z")},
			[]transfer{{Include: []string{"a", "!a/**", "a/x", "!a/x/**", "a/x/y", "a/x/z", "b"}}}},
		{"ignore files are moved to the root", []revision.ImageInputs{in("a", []string{"x", "!y/*", "**/z", "**.log", "**.l*"}, "/"), in("b", []string{"*"}, "/")},
			[]transfer{{Include: []string{"a", "b"}, Exclude: []string{"a/x", "!a/y/*", "a/**/z", "a/**/*.log", "a/**/.l*", "b/*"}}}},
		{"an ignore file is for one context", []revision.ImageInputs{in(".", []string{"x"}, "/"), in("a", nil, "/")},
			[]transfer{{Exclude: []string{"x"}}, {Include: []string{"a"}}}},
		{"and for one reader", []revision.ImageInputs{in("a", []string{"x"}, "/y"), in("a", []string{"z"}, "/")},
			[]transfer{{Include: []string{"a", "!a/**", "a/y"}, Exclude: []string{"a/x"}}, {Include: []string{"a"}, Exclude: []string{"a/z"}}}},
		{"where wildcards match nothing is told", []revision.ImageInputs{in("a", []string{"x"}, "/*.go")},
			[]transfer{{Include: []string{"a", "!a/**", "a/*.go"}, Exclude: []string{"*", "!a", "a/x"}}}},
		{"names are no patterns", []revision.ImageInputs{in(`a[*?\\]^`, []string{"x"}, "/")},
			[]transfer{{Include: []string{`a???????`}, Exclude: []string{`a\[\*\?\\\\]\^/x`}}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []transfer
			for _, part := range selectOf(c.images...).parts {
				include, exclude := part.patterns(t)
				got = append(got, transfer{include, exclude})
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("transfers (-want +got):\n%s", diff)
			}
		})
	}
}

// Patterns travel in headers of limited size, and each is compared with each file.
func TestTransfersStaySmall(t *testing.T) {
	var images []revision.ImageInputs
	for i := range 1000 {
		images = append(images, revision.ImageInputs{
			Context: fmt.Sprintf("services/service%d", i), Ignore: []string{"*.tmp", "!keep.tmp", "build/"},
			Reads: []revision.Read{{Path: "/src"}, {Path: "/go.mod"}},
		})
	}
	var many []revision.Read
	for i := range 3 * maxOwn {
		many = append(many, revision.Read{Path: fmt.Sprintf("/%d", i)})
	}
	s := selectOf(append(images, revision.ImageInputs{Context: "many", Reads: many})...)
	if len(s.parts) > 40 {
		t.Errorf("%d transfers", len(s.parts))
	}
	for _, part := range s.parts {
		if include, exclude := part.patterns(t); len(include)+len(exclude) > maxPatterns {
			t.Errorf("%d patterns include, %d exclude", len(include), len(exclude))
		}
	}
}

// TestTransfersHoldWhatIsRead, as BuildKit's client understands patterns, and nothing that
// every reader ignores.
func TestTransfersHoldWhatIsRead(t *testing.T) {
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
	reads := []string{"/", "/a", "/b/b", "/f", "/*.go", "/*/b", "/[x]", "/missing/x", "/star*", "/a b"}
	for range dose.Of(1, 1, 20) {
		rapid.Check(t, func(r *rapid.T) {
			var images []revision.ImageInputs
			for _, folder := range rapid.SliceOfN(rapid.SampledFrom(folders), 1, 4).Draw(r, "contexts") {
				text := strings.Join(rapid.SliceOfN(rapid.SampledFrom(patterns), 0, 4).Draw(r, "ignore"), "\n")
				ignore, err := ignorefile.ReadAll(strings.NewReader(text))
				if err != nil {
					r.Fatal(err)
				}
				in := revision.ImageInputs{Context: folder, Ignore: ignore}
				for _, read := range rapid.SliceOfN(rapid.SampledFrom(reads), 1, 3).Draw(r, "reads") {
					in.Reads = append(in.Reads, revision.Read{Path: read, Wildcard: true})
				}
				images = append(images, in)
			}
			s := selectOf(images...)
			for i, part := range s.parts {
				include, exclude := part.patterns(t)
				sent, read := filtered(t, dir, include, exclude), map[string]bool{}
				for _, in := range images {
					if s.of[in.Name] != i {
						continue
					}
					for file := range filtered(t, filepath.Join(dir, in.Context), nil, in.Ignore) {
						full := path.Join(in.Context, file)
						if slices.ContainsFunc(in.Reads, func(read revision.Read) bool { return isReadBy(read.Path, file) }) {
							if read[full] = true; !sent[full] {
								r.Fatalf("%q of %+v is not sent by %q without %q", file, in, include, exclude)
							}
						}
					}
				}
				for file := range sent {
					if !read[file] {
						r.Fatalf("%q is sent by %q without %q, and nobody reads it: %+v", file, include, exclude, images)
					}
				}
			}
		})
	}
}

// isReadBy tells whether a file is at a path, or below what is there.
func isReadBy(pattern, file string) bool {
	for name := "/" + file; ; name = path.Dir(name) {
		if matched, _ := path.Match(pattern, name); matched {
			return true
		}
		if name == "/" {
			return false
		}
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

// No header takes control characters.
func TestIgnoreFilesWithControlCharactersStayHere(t *testing.T) {
	read := []revision.Read{{Path: "/"}}
	for _, in := range []revision.ImageInputs{
		{Context: "api", Ignore: []string{"a\tb", "!a\tb/c"}, Reads: read},
		{Context: "a\tb", Ignore: []string{"x"}, Reads: read},
	} {
		s := selectOf(in, revision.ImageInputs{Name: "web", Context: "web", Ignore: []string{"y"}, Reads: read})
		for _, part := range s.parts {
			include, exclude := part.patterns(t)
			for _, pattern := range append(include, exclude...) {
				if strings.ContainsFunc(pattern, unicode.IsControl) {
					t.Errorf("%q of %+v", pattern, in)
				}
			}
		}
		if _, exclude := s.parts[s.of["1"]].patterns(t); !slices.Contains(exclude, "web/y") {
			t.Errorf("web's own is not applied: %q", exclude)
		}
	}
}
