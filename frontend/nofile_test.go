//go:build unix

package frontend

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/quoitbuild/quoit/frontend/folder"
)

// TestControlFilesThatAreNoFiles: whatever a checkout has in their place, read from
// the disk and as a client has sent it.
func TestControlFilesThatAreNoFiles(t *testing.T) {
	for name, c := range map[string]struct {
		file, target string
		says         string
	}{
		"a pipe":                        {"api/Dockerfile", "", "api/Dockerfile is a pipe, not a container file"},
		"a link to a pipe":              {"api/Dockerfile", "../pipe", "api/Dockerfile is a link to something that is no file, not a container file"},
		"a link to a folder":            {"api/Dockerfile", "../web", "api/Dockerfile is a link to something that is no file, not a container file"},
		"a link to a device":            {"api/Dockerfile", "/dev/zero", "api/Dockerfile is a link that leads out of the project or nowhere"},
		"an ignore file that is a pipe": {"api/.dockerignore", "", "reading api/.dockerignore"},
		"an ignore file behind a link":  {"api/.dockerignore", "../pipe", "reading api/.dockerignore"},
		"one beside the container file": {"api/Dockerfile.dockerignore", "../pipe", "reading api/Dockerfile.dockerignore"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, shop)
			file := filepath.Join(w.Folder, c.file)
			if err := os.Remove(file); err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
			if err := syscall.Mkfifo(filepath.Join(w.Folder, "pipe"), 0o644); err != nil {
				t.Fatal(err)
			}
			var err error
			if c.target == "" {
				err = syscall.Mkfifo(file, 0o644)
			} else {
				err = os.Symlink(c.target, file)
			}
			if err != nil {
				t.Fatal(err)
			}
			w.fails(Options{}, c.says)
		})
	}
}

func TestControlFilesHaveABound(t *testing.T) {
	w := newWorld(t, shop)
	if err := os.Truncate(filepath.Join(w.Folder, "api/Dockerfile"), 1<<40); err != nil {
		t.Fatal(err)
	}
	w.fails(Options{}, "reading api/Dockerfile", "16 MiB")
	if _, err := readFile(t.Context(), folder.Folder(w.Folder), "api/Dockerfile"); err == nil || !strings.Contains(err.Error(), "16 MiB") {
		t.Errorf("from the disk: error %v", err)
	}
}
