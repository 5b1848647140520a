package frontend

import (
	"testing"

	"github.com/quoitbuild/quoit/internal/trees"
)

// A client sends a socket as an empty file, so that is what it is read as here.
func TestASocketIsAnEmptyControlFile(t *testing.T) {
	dir := t.TempDir()
	trees.Plant(t, dir, trees.Files{"socket": trees.Socket{}, "link": trees.Link("socket"), "pipe": trees.Pipe{}, "file": "text"})
	for name, want := range map[string]string{"socket": "", "link": "", "file": "text"} {
		if got, err := readFile(t.Context(), folder(dir), name); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v; want %q", name, got, err, want)
		}
	}
	if _, err := readFile(t.Context(), folder(dir), "pipe"); !isNoFile(err) {
		t.Errorf("the pipe is read: %v", err)
	}
}
