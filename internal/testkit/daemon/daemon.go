// Package daemon runs long-lived programs that end with this process, or with
// whoever stops them later, and waits for them without reading their pipes.
//
//	d, err := daemon.Start(exec.Command("registry"), "registry", "registry.log", daemon.Options{})
//	err = d.Await(ctx, answers)
//	err = d.Stop()
package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	pollInterval = 10 * time.Millisecond
	StartTimeout = 60 * time.Second
	// graceTimeout is for daemons at rest; a running build ends the hard way.
	graceTimeout = 2 * time.Second
	killTimeout  = 15 * time.Second
)

// Daemon is a running program of the stack. PID and Started name it for
// another process too: `make down` stops what `make up` started.
type Daemon struct {
	Name    string
	PID     int
	Started string // start time as in /proc/PID/stat: a reused PID differs
	Log     string // file with what it wrote to stderr
}

// Options are what the daemons of a stack have in common.
type Options struct {
	// Detached lets a daemon outlive this process.
	Detached bool
	// Inherit are locks to be held until the daemon is gone.
	Inherit []*os.File
}

// Start runs cmd. Unless it is detached, it dies with this process. The
// logs are files, not pipes, so that they need no reader.
func Start(cmd *exec.Cmd, name, log string, detached bool) (*Daemon, error) {
	stderr, err := os.OpenFile(log, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	defer stderr.Close()
	cmd.Stderr = stderr
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setsid = true
	if !detached {
		cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	}
	started := make(chan error, 1)
	go func() {
		// The parent of Pdeathsig is the thread, which must live as long.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	return &Daemon{Name: name, PID: cmd.Process.Pid, Started: StartTime(cmd.Process.Pid), Log: log}, nil
}

// Alive says whether the process still runs; a zombie does not.
func (d *Daemon) Alive() bool {
	return d.Started != "" && StartTime(d.PID) == d.Started
}

// Stop ends the process, kindly at first, and returns when it is gone.
func (d *Daemon) Stop() error {
	for _, try := range []struct {
		signal  syscall.Signal
		timeout time.Duration
	}{{syscall.SIGTERM, graceTimeout}, {syscall.SIGKILL, killTimeout}} {
		if !d.Alive() {
			return nil
		}
		if err := syscall.Kill(d.PID, try.signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("stopping %s: %w", d.Name, err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), try.timeout)
		err := Poll(ctx, func() (bool, error) { return !d.Alive(), nil })
		cancel()
		if err == nil {
			return nil
		}
	}
	return fmt.Errorf("stopping %s: process %d does not end", d.Name, d.PID)
}

// Await polls until ready says so, the daemon dies, or StartTimeout is over;
// its errors show the daemon's last words.
func (d *Daemon) Await(ctx context.Context, ready func(context.Context) bool) error {
	ctx, cancel := context.WithTimeout(ctx, StartTimeout)
	defer cancel()
	err := Poll(ctx, func() (bool, error) {
		if !d.Alive() {
			return false, errors.New("it ended")
		}
		return ready(ctx), nil
	})
	if err != nil {
		return fmt.Errorf("starting %s: %w; its log ends with\n%s", d.Name, err, Tail(d.Log, 15))
	}
	return nil
}

// Poll calls done every few milliseconds until it is true or ctx ends.
func Poll(ctx context.Context, done func() (bool, error)) error {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		ok, err := done()
		if ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

// StartTime is field 22 of /proc/PID/stat, empty for a zombie or no process.
func StartTime(pid int) string {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return ""
	}
	// The name in parentheses may have spaces; fields count from behind it.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 20 || ended(pid, fields[0]) {
		return ""
	}
	return fields[19]
}

// ended is false for a process whose first thread is a zombie before the
// others are: it still has its files, and their locks.
func ended(pid int, state string) bool {
	if state != "Z" && state != "X" {
		return false
	}
	threads, _ := os.ReadDir("/proc/" + strconv.Itoa(pid) + "/task")
	return len(threads) <= 1
}

// Tail is the end of a file, or why it cannot be read.
func Tail(path string, lines int) string {
	content, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return LastLines(string(content), lines)
}

// LastLines are the last lines of a text, without space around it.
func LastLines(text string, count int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-count):], "\n")
}

// Closing stops what was half started and returns why it was.
func Closing(err error, stop func() error) error {
	return errors.Join(err, stop())
}

// Running are the living processes with one of the words in their command.
func Running(words ...string) []string {
	var found []string
	dirs, _ := fs.Glob(os.DirFS("/proc"), "[0-9]*")
	for _, pid := range dirs {
		line, _ := os.ReadFile("/proc/" + pid + "/cmdline")
		if slices.ContainsFunc(words, func(w string) bool { return bytes.Contains(line, []byte(w)) }) {
			found = append(found, pid+" "+strings.ReplaceAll(string(line), "\x00", " "))
		}
	}
	return found
}
