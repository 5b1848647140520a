//go:build stack

package stack

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/quoitbuild/quoit/internal/testkit/daemon"
	"github.com/quoitbuild/quoit/internal/testkit/tools"
)

// holder makes the test program start a stack and wait to be killed.
const holder = "QUOIT_TESTKIT_HOLD"

func TestMain(m *testing.M) {
	if os.Getenv(holder) != "" {
		hold()
		return
	}
	// No test's deadline has to be long enough for that.
	if err := Prepare(context.Background(), os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func hold() {
	ctx := context.Background()
	s, err := Start(ctx, Options{FreshBuildkit: true})
	if err != nil {
		fmt.Println("error:", err)
		return
	}
	if _, err := s.StartCluster(ctx); err != nil {
		fmt.Println("error:", err)
		return
	}
	if _, err := s.StartEngine(ctx, false); err != nil {
		fmt.Println("error:", err)
		return
	}
	nap := napOf(os.Getpid())
	go func() { _ = solveRun(ctx, s.buildkit, "sleep "+nap) }()
	_ = daemon.Poll(ctx, func() (bool, error) { return len(daemon.Running(nap)) > 0, nil })
	fmt.Println(s.dir)
	select {}
}

func TestStackDiesWithItsProcess(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), holder+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	dir, err := bufio.NewReader(out).ReadString('\n')
	if dir = strings.TrimSpace(dir); err != nil || !strings.Contains(dir, stackPrefix) {
		t.Fatalf("starting a stack in another process: %q, %v", dir, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	var left []string
	err = daemon.Poll(ctx, func() (bool, error) {
		left = daemon.Running(dir, napOf(cmd.Process.Pid))
		return len(left) == 0, nil
	})
	if err != nil {
		t.Errorf("processes are left: %v", left)
	}
	// A process that is about to be gone has no command any more, but its locks.
	lock, err := tools.Lock(filepath.Join(dir, "lock"))
	if err != nil {
		t.Fatal(err)
	}
	lock.Close()
	startStack(t, Options{NoBuildkit: true, NoBases: true})
	if tools.Exists(dir) {
		t.Errorf("the next stack has not removed %s", dir)
	}
}
