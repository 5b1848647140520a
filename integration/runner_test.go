//go:build stack

package integration

import (
	"bytes"
	"compress/gzip"
	"debug/elf"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// maxRunner bounds the program that hashes in a BuildKit, in bytes.
const maxRunner = 5 << 20

// TestTheRunnerIsSentOnce to a builder, whatever the project, and is small.
func TestTheRunnerIsSentOnce(t *testing.T) {
	builder, err := stack.StartBuildkit(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := builder.Stop(); err != nil {
			t.Error(err)
		}
	})
	w := newWireTo(t, builder.Host, nil)
	for i, most := range []int64{maxRunner + little, little, little} {
		dir, prefix := generated(t, 3)
		if i == 2 { // then BuildKit itself makes the plan
			crane(t, "copy", stack.Ref("docker/dockerfile:1"), prefix+"-dockerfile:1")
			write(t, dir, "services/s000/Dockerfile", "# syntax="+prefix+"-dockerfile:1\n"+read(t, filepath.Join(dir, "services/s000/Dockerfile")))
		}
		before := w.sent.Load()
		mustQuoit(t, dir, "build", "--push", "--addr", w.Address)
		sent := w.sent.Load() - before
		t.Logf("project %d: %d bytes", i, sent)
		if sent > most || i == 0 && sent < maxRunner/4 {
			t.Errorf("project %d: %d bytes are sent to BuildKit, want at most %d", i, sent, most)
		}
	}
}

// TestTheRunnersOfTheCommand are for the machines that they are named after, and the same
// however often they are built.
func TestTheRunnersOfTheCommand(t *testing.T) {
	command, err := os.ReadFile(quoitFile)
	if err != nil {
		t.Fatal(err)
	}
	again := t.TempDir()
	if output, err := exec.Command("go", "run", "../builder/runner/fill", again).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	for architecture, machine := range map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64} {
		packed, err := os.ReadFile(filepath.Join(again, "linux-"+architecture+".gz"))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(command, packed) {
			t.Errorf("%s: the command has not the program of its sources", architecture)
		}
		reader, err := gzip.NewReader(bytes.NewReader(packed))
		if err != nil {
			t.Fatal(err)
		}
		program, err := io.ReadAll(reader)
		if err != nil {
			t.Fatal(err)
		}
		file, err := elf.NewFile(bytes.NewReader(program))
		if err != nil {
			t.Fatal(err)
		}
		if file.Machine != machine || file.Type != elf.ET_EXEC || len(program) > maxRunner {
			t.Errorf("%s: it is %s for %s, of %d bytes", architecture, file.Type, file.Machine, len(program))
		}
		for _, part := range file.Progs {
			if part.Type == elf.PT_INTERP {
				t.Errorf("%s: it needs other files", architecture)
			}
		}
	}
}
