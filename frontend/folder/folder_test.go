package folder

import (
	"errors"
	"io/fs"
	"testing"

	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/util/openfile"

	"github.com/quoitbuild/quoit/internal/trees"
)

func read(t *testing.T, dir, name string) ([]byte, error) {
	t.Helper()
	return Folder(dir).ReadFile(t.Context(), client.ReadRequest{Filename: name, Range: &client.FileRange{Length: 1 << 10}})
}

// A client sends a socket as an empty file, so that is what it is read as here.
func TestASocketIsAnEmptyControlFile(t *testing.T) {
	dir := t.TempDir()
	trees.Plant(t, dir, trees.Files{"socket": trees.Socket{}, "link": trees.Link("socket"), "pipe": trees.Pipe{}, "file": "text"})
	for name, want := range map[string]string{"socket": "", "link": "", "file": "text"} {
		if got, err := read(t, dir, name); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v; want %q", name, got, err, want)
		}
	}
	if _, err := read(t, dir, "pipe"); !errors.Is(err, openfile.ErrNotRegular) {
		t.Errorf("the pipe is read: %v", err)
	}
}

// TestNamesAreSpelledAsInTheLists, whatever a disk finds by them.
func TestNamesAreSpelledAsInTheLists(t *testing.T) {
	dir := t.TempDir()
	trees.Plant(t, dir, trees.Files{
		"Web/dockerfile": "FROM scratch", "Web/Containerfile": "FROM scratch", "file": trees.Link("Web/../Web/dockerfile"), "other": trees.Link("web/dockerfile"),
		"Web/root": trees.Link("/file"), "to": trees.Link("Web"), "loop": trees.Link("loop"), "up": trees.Link("../../file"), "through": trees.Link("other"),
	})
	for name, want := range map[string]bool{
		"Web/dockerfile": true, "./Web//dockerfile": true, "Web/Dockerfile": false, "web/dockerfile": false, "web/Dockerfile": false,
		"Web/Containerfile": true, "Web/containerfile": false, "file": true, "File": false, "other": false, "Other": false, "through": false,
		"Web/root": true, "Web/Root": false, "to/dockerfile": true, "to/Dockerfile": false, "To/dockerfile": false, "up": true, "nothing": false, "Web/dockerfile/x": true, "loop": true,
	} {
		if got := spelled(dir, name); got != want {
			t.Errorf("%s is spelled as it is: %t, want %t", name, got, want)
		}
	}
	if _, err := read(t, dir, "Web/Dockerfile"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a name in another case is read: %v", err)
	}
}
