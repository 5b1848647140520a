package revision

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// tree is a file tree by path: a string is a file's content.
type tree map[string]any

type (
	link   string   // a link's target
	script string   // an executable file's content
	folder struct{} // an empty folder
	pipe   struct{} // a special file
)

// plant writes a tree into a new folder and returns that.
func plant(t testing.TB, files tree) string {
	t.Helper()
	dir := t.TempDir()
	plantIn(t, dir, files)
	return dir
}

func plantIn(t testing.TB, dir string, files tree) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		full := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := plantFile(full, files[name]); err != nil {
			t.Fatal(err)
		}
	}
}

func plantFile(full string, file any) error {
	switch file := file.(type) {
	case link:
		return os.Symlink(string(file), full)
	case script:
		return os.WriteFile(full, []byte(file), 0o755)
	case folder:
		return os.MkdirAll(full, 0o755)
	case pipe:
		return makePipe(full)
	default:
		return os.WriteFile(full, []byte(file.(string)), 0o644)
	}
}

// found lists what reads select in a folder.
func found(t *testing.T, dir string, ignore []string, reads ...Read) []string {
	t.Helper()
	entries, err := entriesOf(t, dir, ignore, reads...)
	if err != nil {
		t.Fatal(err)
	}
	return slices.Sorted(maps.Keys(entries))
}

func entriesOf(t *testing.T, dir string, ignore []string, reads ...Read) (map[string]entry, error) {
	t.Helper()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	v, err := newView(root, ignore)
	if err != nil {
		t.Fatal(err)
	}
	return collect(v, reads)
}

// answer is the digest of what an image at the root of a folder reads.
func answer(t *testing.T, dir string, in ImageInputs) string {
	t.Helper()
	in.Name = "image"
	if in.Context == "" {
		in.Context = "."
	}
	res, err := Answer(t.Context(), dir, Request{Scheme: Scheme, Images: []ImageInputs{in}})
	if err != nil || len(res.Problems) > 0 {
		t.Fatal(err, res.Problems)
	}
	return res.Trees["image"].String()
}

// copied is the read of a COPY of a path.
func copied(path string) Read { return Read{Path: path, Wildcard: true, Follow: true} }

// everything is the read of "COPY . .".
var everything = copied("/")
