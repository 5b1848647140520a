// Package trees makes folders for tests: of files that are written down, and random ones
// with all that makes files hard. It is for tests only.
package trees

import (
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// Files are what lies in a folder, by path: a string is a file's content.
type Files map[string]any

type (
	Link   string   // a link's target
	Script string   // an executable file's content
	Folder struct{} // an empty folder
	Pipe   struct{} // a special file
	Socket struct{} // the socket of somebody who listens
)

// Plant writes files into a folder.
func Plant(t testing.TB, dir string, all Files) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		full := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := plant(t, full, all[name]); err != nil {
			t.Fatal(err)
		}
	}
}

func plant(t testing.TB, full string, file any) error {
	switch file := file.(type) {
	case Link:
		return os.Symlink(string(file), full)
	case Script:
		return os.WriteFile(full, []byte(file), 0o755)
	case Folder:
		return os.MkdirAll(full, 0o755)
	case Pipe:
		return makePipe(full)
	case Socket:
		return listen(t, full)
	default:
		return os.WriteFile(full, []byte(file.(string)), 0o644)
	}
}

// listen makes a socket; the names of sockets must be short, so it moves there.
func listen(t testing.TB, full string) error {
	short, err := os.MkdirTemp("", "s")
	if err != nil {
		return err
	}
	defer os.RemoveAll(short)
	l, err := net.Listen("unix", filepath.Join(short, "s"))
	if err != nil {
		return err
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	t.Cleanup(func() { l.Close() })
	return os.Rename(filepath.Join(short, "s"), full)
}
