//go:build unix

package input

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// inputs makes what a name may be, and returns what is to be said of each; "" if it
// is read.
func inputs(t *testing.T, dir string) map[string]string {
	t.Helper()
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	must(os.Mkdir(at("folder"), 0o755))
	must(os.WriteFile(at("file"), []byte("text"), 0o644))
	must(os.WriteFile(at("large"), []byte("large text"), 0o644))
	must(syscall.Mkfifo(at("folder/pipe"), 0o644))
	socket, err := net.Listen("unix", at("socket"))
	must(err)
	t.Cleanup(func() { socket.Close() })
	holes, err := os.Create(at("holes"))
	must(err)
	must(errors.Join(holes.Truncate(1<<40), holes.Close()))
	for name, target := range map[string]string{
		"to-file": "file", "to-folder": "folder", "to-pipe": "to-folder/pipe", "to-device": "/dev/zero", "to-terminal": "/dev/tty",
		"to-itself": "to-itself", "to-nothing": "nothing", "to-holes": "holes",
	} {
		must(os.Symlink(target, at(name)))
	}
	return map[string]string{
		"file": "", "to-file": "", "folder": "a folder", "to-folder": "a folder", "folder/pipe": "a pipe", "to-pipe": "a pipe",
		"to-folder/pipe": "a pipe", "socket": "a socket", "to-device": "a device", "to-terminal": "a device",
		"large": "more than 4 bytes", "holes": "more than 4 bytes", "to-holes": "more than 4 bytes",
		"to-itself": "to-itself", "to-nothing": "to-nothing", "nothing": "nothing",
	}
}

func check(t *testing.T, name, want string, data []byte, err error) {
	t.Helper()
	if want == "" {
		if err != nil || string(data) != "text" {
			t.Errorf("%s: %q, %v", name, data, err)
		}
		return
	}
	if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), name) || data != nil {
		t.Errorf("%s: %d bytes, %v; want %q", name, len(data), err, want)
	}
}

func TestOnlyFilesAreReadAndWithABound(t *testing.T) {
	dir := t.TempDir()
	for name, want := range inputs(t, dir) {
		data, err := Read(filepath.Join(dir, name), 4)
		check(t, name, want, data, err)
	}
}

func TestFilesOfAFolderAreReadAsOthers(t *testing.T) {
	dir := t.TempDir()
	all := inputs(t, dir)
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for name, want := range all {
		if strings.HasSuffix(name, "device") || strings.HasSuffix(name, "terminal") {
			want = "escapes"
		}
		data, err := ReadIn(root, name, 4)
		check(t, name, want, data, err)
	}
}

// TestWhatBecomesAPipe: between the look and the open.
func TestWhatBecomesAPipe(t *testing.T) {
	dir := t.TempDir()
	inputs(t, dir)
	_, err := open(func(string) (fs.FileInfo, error) { return os.Stat(filepath.Join(dir, "file")) }, os.OpenFile, filepath.Join(dir, "folder/pipe"))
	if wrong := new(NotRegularError); !errors.As(err, &wrong) {
		t.Errorf("error %v", err)
	}
}

func TestWhatIsNotThereCanBeTold(t *testing.T) {
	if _, err := Read(filepath.Join(t.TempDir(), "nothing"), 1); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}
