package revision

import (
	"context"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
)

// tree is a tree in memory, by path: a string is a file's content.
type tree map[string]any

type (
	link   string      // a link's target
	script string      // an executable file's content
	folder struct{}    // an empty folder
	pipe   struct{}    // a special file
	mode   fs.FileMode // a file or folder with this mode, and no contents
)

// List returns what is in a folder.
func (t tree) List(in string) ([]*File, error) {
	found := map[string]*File{}
	for name, what := range t {
		below := name
		if in != "." {
			var ok bool
			if below, ok = strings.CutPrefix(name, in+"/"); !ok {
				continue
			}
		}
		first, _, deeper := strings.Cut(below, "/")
		if at := path.Join(in, first); deeper && t[at] != nil {
			what = t[at]
		} else if deeper {
			what = folder{}
		}
		file := fileOf(what)
		file.Name, file.Sys = first, what
		found[first] = file
	}
	if what := t[in]; len(found) == 0 && in != "." && (what == nil || !fileOf(what).Mode.IsDir()) {
		return nil, &fs.PathError{Op: "list", Path: in, Err: fs.ErrNotExist}
	}
	return slices.Collect(maps.Values(found)), nil
}

func fileOf(what any) *File {
	switch what := what.(type) {
	case folder:
		return &File{Mode: fs.ModeDir | 0o755}
	case link:
		return &File{Mode: fs.ModeSymlink | 0o777, Target: string(what)}
	case pipe:
		return &File{Mode: fs.ModeNamedPipe | 0o644}
	case script:
		return &File{Mode: 0o755}
	case mode:
		return &File{Mode: fs.FileMode(what)}
	default:
		return &File{Mode: 0o644}
	}
}

// Digest sets what of files is not set yet.
func (t tree) Digest(_ context.Context, folders map[string][]*File) error {
	for folder, files := range folders {
		for _, file := range files {
			switch content := t[path.Join(folder, file.Name)].(type) {
			case string:
				file.Digest = digest.FromString(content)
			case script:
				file.Digest = digest.FromString(string(content))
			case mode:
				file.Digest = digest.FromString("")
			}
		}
	}
	return nil
}

func (t tree) Read(name string, limit int64) ([]byte, error) {
	content, ok := t[name].(string)
	if !ok || int64(len(content)) > limit {
		return nil, fs.ErrNotExist
	}
	return []byte(content), nil
}

// found lists what reads select in a tree.
func found(t *testing.T, files Tree, ignore []string, reads ...Read) []string {
	t.Helper()
	entries, err := entriesOf(t, files, ignore, reads...)
	if err != nil {
		t.Fatal(err)
	}
	return slices.Sorted(maps.Keys(entries))
}

func entriesOf(t *testing.T, files Tree, ignore []string, reads ...Read) (map[string]*File, error) {
	t.Helper()
	v, err := newView(newLists(files), ".", ignore)
	if err != nil {
		t.Fatal(err)
	}
	return collect(v, reads)
}

// answer is the digest of what an image at the root of a tree reads.
func answer(t *testing.T, files Tree, in ImageInputs) string {
	t.Helper()
	return answerBy(t, Scheme, files, in)
}

func answerBy(t *testing.T, scheme int, files Tree, in ImageInputs) string {
	t.Helper()
	in.Name = "image"
	if in.Context == "" {
		in.Context = "."
	}
	res, err := Answer(t.Context(), files, Request{Scheme: scheme, Images: []ImageInputs{in}})
	if err != nil || len(res.Problems) > 0 {
		t.Fatal(err, res.Problems)
	}
	return res.Trees["image"].String()
}

// copied is the read of a COPY of a path.
func copied(path string) Read { return Read{Path: path, Wildcard: true, Follow: true} }

// everything is the read of "COPY . .".
var everything = copied("/")

// A disk may find a file by a name in another case, or in another composition of its
// letters. A build does not.
func TestNamesAreThoseInTheList(t *testing.T) {
	files := sloppy{tree{"README": "r", "Dir/File": "f", "link": link("readme"), "to": link("DIR/file"), "größe": "g"}}
	for _, c := range []struct {
		read string
		want []string
	}{
		{"/README", []string{"README"}}, {"/readme", nil}, {"/dir/File", nil}, {"/Dir/file", nil}, {"/Dir/File", []string{"Dir/File"}},
		{"/dir", nil}, {"/dir/*", nil}, {"/*/file", nil}, {"/link", []string{"link"}}, {"/to", []string{"to"}}, {"/gro\u0308ße", nil}, {"/größe", []string{"größe"}},
	} {
		t.Run("at "+c.read, func(t *testing.T) {
			if got := found(t, files, nil, copied(c.read)); !slices.Equal(got, c.want) {
				t.Errorf("%q are read, want %q", got, c.want)
			}
		})
	}
	t.Run("as a context", func(t *testing.T) {
		if sum := answer(t, files, ImageInputs{Context: "dir", Reads: []Read{everything}}); sum != EmptyTree(Scheme).String() {
			t.Error("a context in another case is read")
		}
	})
}

// sloppy finds folders in any case.
type sloppy struct{ tree }

func (s sloppy) List(in string) ([]*File, error) {
	for name := range s.tree {
		if dir := path.Dir(name); strings.EqualFold(dir, in) {
			in = dir
		}
	}
	return s.tree.List(in)
}
