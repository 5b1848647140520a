package revision

import (
	"context"
	"io/fs"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
)

// shelf is a tree of one folder.
type shelf []*File

func (s shelf) List(folder string) ([]*File, error) {
	switch folder {
	case ".":
		return []*File{{Name: "api", Mode: fs.ModeDir | 0o755}}, nil
	case "api":
		return []*File{{Name: "lib", Mode: fs.ModeDir | 0o750}}, nil
	case "api/lib":
		return s, nil
	}
	return nil, fs.ErrNotExist
}

func (s shelf) Digest(_ context.Context, folders map[string][]*File) error {
	for _, files := range folders {
		for _, file := range files {
			file.Digest = digest.FromString(file.Name)
		}
	}
	return nil
}

func (s shelf) Read(string, int64) ([]byte, error) { return nil, fs.ErrNotExist }

func TestWhatAnImageReadsIsListedForThoseWhoAreAsked(t *testing.T) {
	tree := shelf{{Name: "a", Mode: 0o664}, {Name: "b", Mode: 0o755}, {Name: "l", Mode: fs.ModeSymlink | 0o777, Target: "a"}}
	read := []Read{{Path: "/"}}
	req := Request{Scheme: Scheme, List: []string{"api"}, Images: []ImageInputs{{Name: "api", Context: "api", Reads: read}, {Name: "web", Context: "api", Reads: read}}}
	res, err := Answer(t.Context(), tree, req)
	if err != nil {
		t.Fatal(err)
	}
	want := []Entry{
		{Path: "api/lib/", Mode: "750"},
		{Path: "api/lib/a", Mode: "644", Digest: digest.FromString("a").String()},
		{Path: "api/lib/b", Mode: "755", Digest: digest.FromString("b").String()},
		{Path: "api/lib/l", Link: "a"},
	}
	if diff := cmp.Diff(map[string][]Entry{"api": want}, res.Lists); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(want, res.List("web")); diff != "" || !res.Listed() {
		t.Error(diff)
	}
	elsewhere := Response{Lists: res.Lists} // as it comes from a step
	if diff := cmp.Diff(want, elsewhere.List("api")); diff != "" || elsewhere.Listed() {
		t.Error(diff)
	}
}
