package disk

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/opencontainers/go-digest"

	"github.com/quoitbuild/quoit/revision"
)

// compareElsewhere asks as on the disks of other systems: on one that finds a file by its
// name in any case, and on one that keeps no modes, so that git says them.
func compareElsewhere(t *testing.T, dir string, req revision.Request, want revision.Response) {
	t.Helper()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	ask := func(name string, disk revision.Tree, want revision.Response) {
		t.Helper()
		got, err := revision.Answer(t.Context(), disk, req)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(want)); diff != "" {
			t.Errorf("%s (-the builder's +ours):\n%s", name, diff)
		}
	}
	ask("a disk without case", folding{treeIn(root)}, want)
	modes := modesIn(t, dir)
	defer setModes(t, dir, modes, func(mode fs.FileMode) fs.FileMode { return mode })
	setModes(t, dir, modes, func(mode fs.FileMode) fs.FileMode { // as git checks it out
		if mode.IsDir() || mode&0o100 != 0 {
			return 0o755
		}
		return 0o644
	})
	want = onBuilder(t, dir, req)
	setModes(t, dir, modes, func(fs.FileMode) fs.FileMode { return 0o700 })
	without := treeIn(root)
	without.Executable = func(name string) bool { return modes[filepath.FromSlash(name)]&0o100 != 0 }
	ask("a disk without modes", without, want)
}

// modesIn are the modes of all that is no link.
func modesIn(t *testing.T, dir string) map[string]fs.FileMode {
	t.Helper()
	modes := map[string]fs.FileMode{}
	err := filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.Type()&fs.ModeSymlink != 0 {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		short, err := filepath.Rel(dir, name)
		modes[short] = info.Mode()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return modes
}

func setModes(t *testing.T, dir string, modes map[string]fs.FileMode, to func(fs.FileMode) fs.FileMode) {
	t.Helper()
	for name, mode := range modes {
		if err := os.Chmod(filepath.Join(dir, name), to(mode)); err != nil {
			t.Fatal(err)
		}
	}
}

// folding is a tree on a disk that finds a folder by its name in any case.
type folding struct{ revision.Tree }

// List implements [revision.Tree].
func (f folding) List(folder string) ([]*revision.File, error) {
	at := "."
	for component := range strings.SplitSeq(folder, "/") {
		names, err := f.Tree.List(at)
		if err != nil {
			return nil, err
		}
		found := component
		for _, file := range names {
			if strings.EqualFold(file.Name, component) {
				found = file.Name
			}
			if file.Name == component {
				found = component
				break
			}
		}
		at = path.Join(at, found)
	}
	return f.Tree.List(at)
}

// swapCase is a name in the other case.
func swapCase(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsUpper(r) {
			return unicode.ToLower(r)
		}
		return unicode.ToUpper(r)
	}, name)
}

// TestANameInAnotherCase is that of another file, whatever the disk finds by it.
func TestANameInAnotherCase(t *testing.T) {
	dir := plant(t, files{"app/main.go": "m", "app/sub/file": "f", "to": link("app/MAIN.go"), "through": link("APP/sub")})
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	disk := folding{treeIn(root)}
	if found, err := disk.List("APP/Sub"); err != nil || len(found) != 1 {
		t.Fatalf("error %v: the disk finds %v by a name in another case", err, found)
	}
	for _, read := range []string{"/app/Main.go", "/APP/main.go", "/APP/*", "/APP", "/app/SUB/file", "/app/SUB/*", "/app/Main*"} {
		for context, name := range map[string]string{".": read, "app": strings.TrimPrefix(read, "/app"), "App": "/main.go"} {
			in := revision.ImageInputs{Name: "x", Context: context, Reads: []revision.Read{copied(name)}}
			res, err := revision.Answer(t.Context(), disk, revision.Request{Scheme: revision.Scheme, Images: []revision.ImageInputs{in}})
			if err != nil || len(res.Problems) > 0 || res.Trees["x"] != noFiles(t) {
				t.Errorf("COPY %s of %s: error %v, %v, something is read", name, context, err, res.Problems)
			}
		}
	}
	// A link is read, and what it leads to in another case is not.
	for _, read := range []string{"/to", "/through/file"} {
		in := []revision.ImageInputs{{Name: "x", Context: ".", Reads: []revision.Read{copied(read)}}}
		entries, err := revision.Entries(disk, in)
		if err != nil || len(entries["x"]) != 1 {
			t.Errorf("COPY %s: error %v, it reads %v", read, err, entries["x"])
		}
	}
}

// noFiles is the digest of what an image reads that reads nothing.
func noFiles(t *testing.T) digest.Digest {
	t.Helper()
	return digest.Digest(treeOf(t, t.TempDir(), revision.ImageInputs{Reads: []revision.Read{everything}}, Options{}))
}
