package disk

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/opencontainers/go-digest"

	"github.com/quoitbuild/quoit/internal/trees"
	"github.com/quoitbuild/quoit/revision"
)

func TestAnswerFile(t *testing.T) {
	project := plant(t, files{"api/a": "a", "web/w": "w", "shared": "s", "linked": link("api")})
	req := revision.Request{Scheme: revision.Scheme, Images: []revision.ImageInputs{
		{Name: "api", Context: "api", Reads: []revision.Read{everything}},
		{Name: "web", Context: "web", Ignore: []string{"w"}, Reads: []revision.Read{everything}},
		{Name: "all", Context: ".", Reads: []revision.Read{copied("/api"), copied("/shared")}},
		{Name: "same", Context: "linked", Reads: []revision.Read{everything}},
		{Name: "gone", Context: "gone", Reads: []revision.Read{everything}},
	}}
	file := func(name, content string) string {
		full := filepath.Join(t.TempDir(), name)
		if content != "" {
			if err := os.WriteFile(full, []byte(content), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		return full
	}
	t.Run("the answer in the file is that of Answer", func(t *testing.T) {
		data, err := json.Marshal(req)
		if err != nil {
			t.Fatal(err)
		}
		out := file("out", "")
		if err := AnswerFile(t.Context(), project, file("in", string(data)), out); err != nil {
			t.Fatal(err)
		}
		if data, err = os.ReadFile(out); err != nil {
			t.Fatal(err)
		}
		var got revision.Response
		if err := json.Unmarshal(data, &got); err != nil {
			t.Fatal(err)
		}
		want, err := Answer(t.Context(), project, req, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(want)); diff != "" {
			t.Errorf("(-Answer +AnswerFile):\n%s", diff)
		}
		if diff := cmp.Diff(map[string]string{"same": "api"}, got.Links); diff != "" {
			t.Errorf("linked contexts (-want +got):\n%s", diff)
		}
		for name, empty := range map[string]bool{"api": false, "web": true, "all": false, "gone": true} {
			if sum := got.Trees[name]; (sum == revision.EmptyTree(revision.Scheme)) != empty || sum.Validate() != nil {
				t.Errorf("image %s reads nothing: %t, want %t", name, sum == revision.EmptyTree(revision.Scheme), empty)
			}
		}
	})
	t.Run("an image's digest depends on no other image", func(t *testing.T) {
		want, err := Answer(t.Context(), project, req, Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, in := range req.Images {
			got, err := Answer(t.Context(), project, revision.Request{Scheme: revision.Scheme, Images: []revision.ImageInputs{in}}, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if got.Trees[in.Name] != want.Trees[in.Name] {
				t.Errorf("image %s alone has another digest", in.Name)
			}
		}
	})
	t.Run("a folder has the same digest as a context and as a tree of its own", func(t *testing.T) {
		got, err := Answer(t.Context(), project, req, Options{})
		if err != nil {
			t.Fatal(err)
		}
		own := treeOf(t, plant(t, files{"a": "a"}), revision.ImageInputs{Reads: []revision.Read{everything}}, Options{})
		if got.Trees["api"] != digest.Digest(own) {
			t.Error("the digests differ")
		}
	})
	for _, c := range []struct{ name, project, request, want string }{
		{"another scheme is refused", project, `{"scheme": 99}`, "scheme 99"},
		{"a request that is no JSON is refused", project, `{`, "reading the request"},
		{"a project that is not there is an error", filepath.Join(project, "none"), `{"scheme": 1}`, "opening the project"},
		{"a context that is a file is the image's problem", project, `{"scheme": 1, "images": [{"name": "x", "context": "shared"}]}`, "not a directory"},
		{"a malformed ignore pattern is the image's problem", project, `{"scheme": 1, "images": [{"name": "x", "context": ".", "ignore": ["["]}]}`, "ignore patterns"},
		{"a malformed filter is the image's problem", project, `{"scheme": 1, "images": [{"name": "x", "context": ".", "reads": [{"path": "/", "exclude": ["["]}]}]}`, "exclude patterns"},
		{"a name that no file can have is the image's problem", project, `{"scheme": 1, "images": [{"name": "x", "context": ".", "reads": [{"path": "/` + strings.Repeat("n", 300) + `"}]}]}`, "too long"},
	} {
		t.Run(c.name, func(t *testing.T) {
			out := file("out", "")
			err := AnswerFile(t.Context(), c.project, file("in", c.request), out)
			if strings.Contains(c.name, "the image's problem") {
				if err != nil {
					t.Fatal(err)
				}
				data, readErr := os.ReadFile(out)
				if readErr != nil {
					t.Fatal(readErr)
				}
				var res revision.Response
				if err := json.Unmarshal(data, &res); err != nil {
					t.Fatal(err)
				}
				err = errors.New(res.Problems["x"])
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got error %v, want one about %q", err, c.want)
			}
		})
	}
	t.Run("a request that is not there is an error", func(t *testing.T) {
		if err := AnswerFile(t.Context(), project, file("in", ""), file("out", "")); err == nil {
			t.Error("no error")
		}
	})
}

func TestAProcessThatIsAStep(t *testing.T) {
	for _, args := range [][]string{nil, {"build"}, {revision.StepCommand, "/nonexistent"}, {"build", "/nonexistent", "/nonexistent", "/nonexistent"}} {
		if step, err := AnswerStep(t.Context(), args); step || err != nil {
			t.Errorf("%q: it is a step: %v", args, err)
		}
	}
	if step, err := AnswerStep(t.Context(), []string{revision.StepCommand, "/nonexistent", "/nonexistent", "/nonexistent"}); !step || err == nil {
		t.Errorf("%t, error %v", step, err)
	}
}

// Whatever is asked, no answer depends on a file outside of the project, and no loop
// of links keeps it from ending.
func FuzzAnswer(f *testing.F) {
	outside := f.TempDir()
	canary := filepath.Join(outside, "canary")
	project := filepath.Join(outside, "project")
	sources := files{
		"file": "f", "run": script("r"), "dir/a": "a", "dir/b/c": "c", "pipe": pipe{},
		"escape": link("../canary"), "absolute": link(canary), "folder": link(".."), "host": link(outside), "dir/deep": link("../../../canary"),
		"loop": link("loop"), "ping": link("pong/x"), "pong": link("ping/y"), "self": link("."), "dir/up": link(".."), "etc": link("/etc"), "proc": link("/proc/self/root"),
		"chain": link("self/self/dir/up/folder/canary"), "grow": link("self/grow/self/grow"),
	}
	trees.Plant(f, project, sources)
	for _, path := range []string{
		"/", "/../canary", "/../../../../etc/passwd", "/escape", "/absolute", "/folder/canary", "/host/canary", "/dir/deep", "/loop", "/ping", "/grow",
		"/self/self/self/escape", "/*", "/*/*", "/../*", "/folder/*", "/dir/up/folder/*", "/etc/passwd", "/proc/etc/*", "/chain", "/pipe", "/\x00", "/[", `/\`, "//dir//", "/file/x",
	} {
		f.Add(".", path, true, true, "", "", "")
		f.Add("dir", path, true, false, "**\n!b", "b/**", "*c")
	}
	f.Add("..", "/", true, true, "", "", "")
	f.Add("../..", "/*", true, true, "", "", "")
	f.Add("/", "/", false, true, "", "", "")
	f.Add("folder", "/", true, true, "", "", "")
	f.Add("host", "/canary", true, true, "", "", "")
	f.Add("dir/../..", "/canary", true, true, "!**\n**", "**", "!")
	f.Fuzz(func(t *testing.T, context, path string, wildcard, follow bool, ignore, include, exclude string) {
		in := revision.ImageInputs{Name: "x", Context: context, Ignore: lines(ignore), Reads: []revision.Read{
			{Path: path, Wildcard: wildcard, Follow: follow, Include: lines(include), Exclude: lines(exclude)},
		}}
		ask := func() string {
			res, err := Answer(t.Context(), project, revision.Request{Scheme: revision.Scheme, Images: []revision.ImageInputs{in}}, Options{})
			if err != nil {
				return err.Error()
			}
			if problem, ok := res.Problems["x"]; ok {
				return problem
			}
			return res.Trees["x"].String() + res.Links["x"]
		}
		without := ask()
		if err := os.WriteFile(canary, []byte("canary"), 0o755); err != nil {
			t.Fatal(err)
		}
		defer os.Remove(canary)
		if with := ask(); with != without {
			t.Errorf("a file outside of the project changes the answer from %s to %s", without, with)
		}
	})
}

func lines(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}
