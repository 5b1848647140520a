package scratch

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// TestMain lets the test be another process, which makes a folder, says so, and waits
// to be killed.
func TestMain(m *testing.M) {
	parent := os.Getenv("SCRATCH_PARENT")
	if parent == "" {
		os.Exit(m.Run())
	}
	f, err := New(parent, "quoit-test-")
	if err == nil {
		err = os.WriteFile(filepath.Join(f.Path, "half"), []byte("written"), 0o600)
	}
	if err != nil {
		panic(err)
	}
	os.Stdout.WriteString(f.Path + "\n")
	os.Stdin.Read(make([]byte, 1)) // until it is killed
}

func other(t *testing.T, parent string) (path string, kill func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "SCRATCH_PARENT="+parent)
	out, err := cmd.StdoutPipe()
	must(t, err)
	_, err = cmd.StdinPipe() // never written to
	must(t, err)
	must(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	must(t, err)
	kill = func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
	}
	t.Cleanup(kill)
	return line[:len(line)-1], kill
}

func TestTheNextProcessRemovesWhatAKilledOneLeft(t *testing.T) {
	parent := t.TempDir()
	killed, kill := other(t, parent)
	alive, _ := other(t, parent)
	notOurs := filepath.Join(parent, "quoit-other-1", "lock")
	must(t, os.MkdirAll(filepath.Dir(notOurs), 0o700))
	must(t, os.WriteFile(notOurs, nil, 0o600))
	kill()
	mine, err := New(parent, "quoit-test-")
	must(t, err)
	for path, there := range map[string]bool{
		filepath.Dir(killed): false, filepath.Join(alive, "half"): true, notOurs: true, mine.Path: true,
	} {
		if _, err := os.Lstat(path); (err == nil) != there {
			t.Errorf("%s: %v", path, err)
		}
	}
	second, err := New(parent, "quoit-test-")
	must(t, err)
	if _, err := os.Lstat(mine.Path); err != nil {
		t.Errorf("it has removed a folder of its own process: %v", err)
	}
	must(t, mine.Close())
	must(t, second.Close())
	if left, _ := filepath.Glob(filepath.Join(parent, "quoit-test-*")); len(left) != 1 {
		t.Errorf("there are %v", left)
	}
}

// TestWhatSomebodyElsePutThere: a name alone says nothing.
func TestWhatSomebodyElsePutThere(t *testing.T) {
	parent, elsewhere := t.TempDir(), t.TempDir()
	kept := filepath.Join(elsewhere, "kept")
	must(t, os.WriteFile(kept, nil, 0o600))
	must(t, os.Symlink(elsewhere, filepath.Join(parent, "quoit-test-link")))
	must(t, os.WriteFile(filepath.Join(parent, "quoit-test-file"), nil, 0o600))
	fresh, old := filepath.Join(parent, "quoit-test-fresh"), filepath.Join(parent, "quoit-test-old")
	strange := filepath.Join(parent, "quoit-test-strange")
	for _, folder := range []string{fresh, old, strange} {
		must(t, os.Mkdir(folder, 0o700))
	}
	must(t, os.Symlink(kept, filepath.Join(strange, "lock")))
	yesterday := time.Now().Add(-2 * abandoned)
	must(t, os.Chtimes(old, yesterday, yesterday))
	f, err := New(parent, "quoit-test-")
	must(t, err)
	must(t, f.Close())
	for path, there := range map[string]bool{
		kept: true, filepath.Join(parent, "quoit-test-link"): true, filepath.Join(parent, "quoit-test-file"): true,
		fresh: true, strange: true, old: false,
	} {
		if _, err := os.Lstat(path); (err == nil) != there {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
