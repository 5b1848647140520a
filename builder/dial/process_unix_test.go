//go:build unix

package dial

import (
	"errors"
	"io"
	"strings"
	"syscall"
	"testing"

	"github.com/docker/cli/cli/connhelper/commandconn"
)

func started(t *testing.T, script string) *process {
	t.Helper()
	p, err := start([]string{"/bin/sh", "-c", script})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

func TestAProcessIsAConnection(t *testing.T) {
	p := started(t, "exec cat")
	if _, err := p.Write([]byte("echo")); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 4)
	if _, err := io.ReadFull(p, got); err != nil || string(got) != "echo" {
		t.Errorf("%q, error %v", got, err)
	}
	if group, err := syscall.Getpgid(p.cmd.Process.Pid); err != nil || group == syscall.Getpgrp() {
		t.Errorf("the keys of this terminal interrupt it too: group %d, error %v", group, err)
	}
	if p.failure() != nil {
		t.Error(p.failure())
	}
	if err := p.Close(); err != nil || p.cmd.ProcessState == nil || !p.cmd.ProcessState.Success() {
		t.Errorf("it has ended with %v, error %v", p.cmd.ProcessState, err)
	}
	if _, err := p.Read(got); err == nil {
		t.Error("a process that has ended is read")
	}
}

func TestAProcessThatEndsSaysWhy(t *testing.T) {
	p := started(t, "echo no such box >&2; exit 3")
	const want = "/bin/sh -c echo no such box >&2; exit 3: exit status 3: no such box"
	if _, err := io.ReadAll(p); err == nil || err.Error() != want {
		t.Errorf("read: %v", err)
	}
	if _, err := p.Write([]byte("x")); err == nil {
		t.Error("it is written to")
	}
	if err := p.failure(); err == nil || err.Error() != want {
		t.Error(err)
	}
	if _, err := io.ReadAll(started(t, "echo done")); err != nil {
		t.Errorf("no failure: %v", err)
	}
	long := started(t, "seq 100000 >&2; exit 1")
	if _, err := io.ReadAll(long); err == nil || len(err.Error()) > telling+100 || !strings.HasSuffix(err.Error(), "\n99999\n100000") {
		t.Errorf("a long error: %.100v", err)
	}
	if _, err := start([]string{"/nonexistent"}); err == nil {
		t.Error("what is not there is started")
	}
}

// TestAHelperThatHasEndedSaysWhy: also if it has ended before anything was written.
func TestAHelperThatHasEndedSaysWhy(t *testing.T) {
	c, err := commandconn.New(t.Context(), "/bin/sh", "-c", "exec <&-; echo closed; read wait </dev/null; echo no such box >&2; exit 1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if _, err := io.ReadFull(c, make([]byte, len("closed\n"))); err != nil {
		t.Fatal(err)
	}
	if _, err := (helped{c}).Write([]byte("x")); err == nil || !strings.Contains(err.Error(), "no such box") {
		t.Error(err)
	}
}

// TestADeafProcessIsEnded: one that does not notice that its input has ended.
func TestADeafProcessIsEnded(t *testing.T) {
	p := started(t, "trap '' HUP TERM; echo up; while :; do sleep 0.1; done")
	if _, err := io.ReadFull(p, make([]byte, 3)); err != nil {
		t.Fatal(err)
	}
	p.Close()
	if state := p.cmd.ProcessState; state == nil || !strings.Contains(state.String(), "killed") {
		t.Errorf("it has ended with %v", state)
	}
	if err := p.failure(); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("error %v", err)
	}
}
