package builder

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	"github.com/tonistiigi/fsutil"
	"github.com/tonistiigi/fsutil/types"

	"github.com/quoitbuild/quoit/frontend"
	"github.com/quoitbuild/quoit/look"
	"github.com/quoitbuild/quoit/revision"
)

// sentOf lists what a file system would send: by path the size of a file, or where a link
// leads.
func sentOf(t *testing.T, from fsutil.FS) map[string]any {
	t.Helper()
	sent := map[string]any{}
	err := from.Walk(context.Background(), "", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		switch stat := info.Sys().(*types.Stat); {
		case stat.Linkname != "":
			sent[filepath.ToSlash(name)] = stat.Linkname
		case entry.IsDir():
			sent[filepath.ToSlash(name)] = "folder"
		default:
			sent[filepath.ToSlash(name)] = stat.Size
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return sent
}

// TestOnlyWhatIsReadIsInTheLocalSources: a hard link to what is not sent is a file.
func TestOnlyWhatIsReadIsInTheLocalSources(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"api/a/big": "123456", "api/src/f": "12", "api/src/g": "123", "api/junk/x": "1", "api/secret": "1", "web/f": "1234", "other/f": "1", "other/Dockerfile": "FROM",
	} {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, pair := range [][2]string{{"api/a/big", "api/src/hard"}, {"api/src/g", "api/src/same"}} {
		if err := os.Link(filepath.Join(dir, pair[0]), filepath.Join(dir, pair[1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "api/src/empty"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("f", filepath.Join(dir, "api/src/soft")); err != nil {
		t.Fatal(err)
	}
	src, all := []revision.Read{{Path: "/src", Follow: true}}, []revision.Read{{Path: "/", Follow: true}}
	trees := map[string]digest.Digest{"other": "sha256:known"}
	in := map[string]bool{"api": true, "tool": true, "strict": true, "web": true}
	reads := []revision.ImageInputs{
		{Name: "api", Context: "api", Reads: src}, {Name: "tool", Context: "api", Reads: src},
		{Name: "strict", Context: "api", Ignore: []string{"src/g"}, Reads: src}, {Name: "web", Context: "web", Reads: all},
		{Name: "other", Context: "other", Reads: all}, {Name: "nothing", Context: "web"},
	}
	plan := look.Planned{Planned: frontend.Planned{Reads: reads, InGraph: in, Control: []string{"other/Dockerfile", "web/Dockerfile"}}, Answers: map[int]revision.Response{revision.Scheme: {Trees: trees}}}
	s, err := Options{Dir: dir}.send(plan)
	if err != nil {
		t.Fatal(err)
	}
	if s.Locals["api"] != s.Locals["tool"] || s.Locals["api"] == s.Locals["strict"] || len(s.files) != 3 || s.Answers[revision.Scheme].Trees["other"] != "sha256:known" {
		t.Errorf("the local sources are %v of %v, known is %v", s.files, s.Locals, s.Answers)
	}
	for name, want := range map[string]map[string]any{
		"api": {
			"src": "folder", "src/empty": "folder", "src/f": int64(2), "src/g": int64(3), "src/hard": int64(6), "src/same": "src/g", "src/soft": "f",
		},
		"strict": {"src": "folder", "src/empty": "folder", "src/f": int64(2), "src/hard": int64(6), "src/same": int64(3), "src/soft": "f"},
		"web":    {"f": int64(4)},
	} {
		if diff := cmp.Diff(want, sentOf(t, s.files[s.Locals[name]])); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	whole, err := Options{Dir: dir}.sendWhole(plan)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"api": "folder", "api/src": "folder", "api/src/empty": "folder", "api/src/f": int64(2), "api/src/g": int64(3), "api/src/hard": int64(6),
		"api/src/same": "api/src/g", "api/src/soft": "f", "other": "folder", "other/Dockerfile": int64(4), "other/f": int64(1), "web": "folder", "web/f": int64(4),
	}
	if diff := cmp.Diff(want, sentOf(t, whole)); diff != "" {
		t.Errorf("a frontend image (-want +got):\n%s", diff)
	}
	copied := t.TempDir()
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	elsewhere, err := Options{Dir: copied}.send(plan)
	if err != nil || elsewhere.Locals["api"] == s.Locals["api"] {
		t.Errorf("error %v; another folder has the local source %s, which is another's key", err, elsewhere.Locals["api"])
	}
}

// TestFilesAreSentWithTheModesThatGitKnows where the disk keeps none.
func TestFilesAreSentWithTheModesThatGitKnows(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"api/run", "api/text", "api/unread"} {
		if err := errors.Join(os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o777), os.WriteFile(filepath.Join(dir, name), nil, 0o666)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("run", filepath.Join(dir, "api/link")); err != nil {
		t.Fatal(err)
	}
	from := source{dir, func(name string) bool { return name == "api/run" }}
	sent, err := kept{"run": true, "text": true, "link": true}.in(from, "api")
	if err != nil {
		t.Fatal(err)
	}
	modes := map[string]fs.FileMode{}
	record := func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if name = filepath.ToSlash(name); err == nil && entry.Type()&fs.ModeSymlink == 0 {
			modes[name] = fs.FileMode(info.Sys().(*types.Stat).Mode)
		}
		return err
	}
	whole, err := from.folder(".")
	if err := errors.Join(err, sent.Walk(t.Context(), "", record), whole.Walk(t.Context(), "", record)); err != nil {
		t.Fatal(err)
	}
	want := map[string]fs.FileMode{"run": 0o755, "text": 0o644, "api": fs.ModeDir | 0o755, "api/run": 0o755, "api/text": 0o644, "api/unread": 0o644}
	if diff := cmp.Diff(want, modes); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
