package disk

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/quoitbuild/quoit/internal/trees"
	"github.com/quoitbuild/quoit/revision"
)

// What lies in a folder, as tests write it down.
type (
	files  = trees.Files
	link   = trees.Link
	script = trees.Script
	folder = trees.Folder
	pipe   = trees.Pipe
	socket = trees.Socket
)

// plant writes files into a new folder and returns that.
func plant(t testing.TB, all files) string {
	t.Helper()
	dir := t.TempDir()
	trees.Plant(t, dir, all)
	return dir
}

// treeOf is the digest of what an image at the root of a folder reads.
func treeOf(t testing.TB, dir string, in revision.ImageInputs, o Options) string {
	t.Helper()
	in.Name = "image"
	if in.Context == "" {
		in.Context = "."
	}
	res, err := Answer(t.Context(), dir, revision.Request{Scheme: revision.Scheme, Images: []revision.ImageInputs{in}}, o)
	if err != nil || len(res.Problems) > 0 {
		t.Fatal(err, res.Problems)
	}
	return res.Trees["image"].String()
}

// treeIn is the tree of a folder, without a cache.
func treeIn(root *os.Root) *tree {
	return &tree{root: root, Options: Options{now: time.Now}, cache: openCache("", time.Now())}
}

// copied is the read of a COPY of a path.
func copied(path string) revision.Read {
	return revision.Read{Path: path, Wildcard: true, Follow: true}
}

// everything is the read of "COPY . .".
var everything = copied("/")

func TestList(t *testing.T) {
	dir := plant(t, files{
		"plain": "p", "run": script("s"), "link": link("plain"), "out": link("../elsewhere"), "pipe": pipe{}, "socket": socket{}, "folder": folder{}, "dir/below": "b",
	})
	if err := os.Chmod(filepath.Join(dir, "dir"), 0o750|fs.ModeSticky); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	type described struct {
		Mode   fs.FileMode
		Target string
		Known  bool
	}
	for _, c := range []struct {
		name, folder string
		executable   func(string) bool
		want         map[string]described
	}{
		{name: "an entry has its type, its permission bits and its target", folder: ".", want: map[string]described{
			"plain": {Mode: 0o644}, "run": {Mode: 0o755}, "link": {Mode: fs.ModeSymlink | 0o777, Target: "plain"}, "out": {Mode: fs.ModeSymlink | 0o777, Target: "../elsewhere"},
			"pipe": {Mode: fs.ModeNamedPipe | 0o644}, "socket": {Mode: 0o755, Known: true}, "folder": {Mode: fs.ModeDir | 0o755}, "dir": {Mode: fs.ModeDir | fs.ModeSticky | 0o750},
		}},
		{name: "somebody else may say what is executable", folder: "dir", executable: func(name string) bool { return name == "dir/below" },
			want: map[string]described{"below": {Mode: 0o755}}},
		{name: "then git's bits are those of others", folder: ".", executable: func(string) bool { return false }, want: map[string]described{
			"plain": {Mode: 0o644}, "run": {Mode: 0o644}, "link": {Mode: fs.ModeSymlink | 0o644, Target: "plain"}, "out": {Mode: fs.ModeSymlink | 0o644, Target: "../elsewhere"},
			"pipe": {Mode: fs.ModeNamedPipe | 0o644}, "socket": {Mode: 0o644, Known: true}, "folder": {Mode: fs.ModeDir | 0o755}, "dir": {Mode: fs.ModeDir | 0o755},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			listed, err := (&tree{root: root, Options: Options{Executable: c.executable}}).List(c.folder)
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]described{}
			for _, file := range listed {
				got[file.Name] = described{file.Mode, file.Target, file.Digest != ""}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	for _, name := range []string{"none", "plain", "plain/below", "none/below"} {
		t.Run(name+" is no folder", func(t *testing.T) {
			if listed, err := treeIn(root).List(name); !os.IsNotExist(err) {
				t.Errorf("got %v and error %v", listed, err)
			}
		})
	}
}

// A folder is listed in pieces.
func TestListOfManyFiles(t *testing.T) {
	many := files{}
	for i := range 2*listedAtOnce + 1 {
		many[strings.Repeat("x", i%7)+string(rune('a'+i%26))+time.Duration(i).String()] = ""
	}
	root, err := os.OpenRoot(plant(t, many))
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	listed, err := treeIn(root).List(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range listed {
		delete(many, file.Name)
	}
	if len(many) > 0 || len(listed) != 2*listedAtOnce+1 {
		t.Errorf("%d files are listed, without %d", len(listed), len(many))
	}
}

// Trees that differ in what does not count are the same.
func TestTreesThatAreTheSame(t *testing.T) {
	sources := files{"a": "a", "dir/run": script("r"), "dir/l": link("../a"), "other": "o"}
	in := revision.ImageInputs{Reads: []revision.Read{copied("/a"), copied("/dir")}}
	want := treeOf(t, plant(t, sources), in, Options{})
	for _, c := range []struct {
		name   string
		change func(dir string) error
	}{
		{"another time", func(dir string) error {
			return os.Chtimes(filepath.Join(dir, "a"), time.Unix(1, 0), time.Unix(2, 0))
		}},
		{"another umask", func(dir string) error { return os.Chmod(filepath.Join(dir, "a"), 0o664) }},
		{"another umask, executable", func(dir string) error { return os.Chmod(filepath.Join(dir, "dir/run"), 0o775) }},
		{"another umask of a folder", func(dir string) error { return os.Chmod(filepath.Join(dir, "dir"), 0o775) }},
		{"another mode of the context", func(dir string) error { return os.Chmod(dir, 0o700) }},
		{"an empty folder more", func(dir string) error { return os.MkdirAll(filepath.Join(dir, "dir/empty/x"), 0o755) }},
		{"another file that nobody reads", func(dir string) error { return os.WriteFile(filepath.Join(dir, "other"), nil, 0o644) }},
		{"one file less that nobody reads", func(dir string) error { return os.Remove(filepath.Join(dir, "other")) }},
		{"a namesake of the folder", func(dir string) error { return os.WriteFile(filepath.Join(dir, "dirs"), nil, 0o644) }},
		{"a hard link in place of a file", func(dir string) error {
			if err := os.Rename(filepath.Join(dir, "a"), filepath.Join(dir, "hard")); err != nil {
				return err
			}
			return os.Link(filepath.Join(dir, "hard"), filepath.Join(dir, "a"))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := plant(t, sources)
			if err := c.change(dir); err != nil {
				t.Fatal(err)
			}
			if got := treeOf(t, dir, in, Options{}); got != want {
				t.Errorf("the revision changes")
			}
		})
	}
}

// Trees that differ in a permission bit that a build takes over are different.
func TestTreesThatDifferInPermissions(t *testing.T) {
	sources := files{"a": "a", "dir/run": script("r")}
	in := revision.ImageInputs{Reads: []revision.Read{everything}}
	want := treeOf(t, plant(t, sources), in, Options{})
	for name, mode := range map[string]fs.FileMode{"a": 0o600, "dir/run": fs.ModeSetuid | 0o755, "dir": 0o700} {
		dir := plant(t, sources)
		if err := os.Chmod(filepath.Join(dir, name), mode); err != nil {
			t.Fatal(err)
		}
		if got := treeOf(t, dir, in, Options{}); got == want {
			t.Errorf("%s with mode %s counts like before", name, mode)
		}
	}
}
