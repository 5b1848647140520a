package testkit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	pollInterval = 10 * time.Millisecond
	startTimeout = 60 * time.Second
	// graceTimeout is for daemons at rest; a running build ends the hard way.
	graceTimeout = 2 * time.Second
	killTimeout  = 15 * time.Second
)

// daemon is a running program of the stack. PID and Started name it for
// another process too: `make down` stops what `make up` started.
type daemon struct {
	Name    string
	PID     int
	Started string // start time as in /proc/PID/stat: a reused PID differs
	Log     string // file with what it wrote to stderr
}

// start runs cmd. Unless it is detached, it dies with this process. The
// logs are files, not pipes, so that they need no reader.
func start(cmd *exec.Cmd, name, log string, detached bool) (*daemon, error) {
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
	return &daemon{Name: name, PID: cmd.Process.Pid, Started: startTime(cmd.Process.Pid), Log: log}, nil
}

// alive says whether the process still runs; a zombie does not.
func (d *daemon) alive() bool {
	return d.Started != "" && startTime(d.PID) == d.Started
}

// stop ends the process, kindly at first, and returns when it is gone.
func (d *daemon) stop() error {
	for _, try := range []struct {
		signal  syscall.Signal
		timeout time.Duration
	}{{syscall.SIGTERM, graceTimeout}, {syscall.SIGKILL, killTimeout}} {
		if !d.alive() {
			return nil
		}
		if err := syscall.Kill(d.PID, try.signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("stopping %s: %w", d.Name, err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), try.timeout)
		err := poll(ctx, func() (bool, error) { return !d.alive(), nil })
		cancel()
		if err == nil {
			return nil
		}
	}
	return fmt.Errorf("stopping %s: process %d does not end", d.Name, d.PID)
}

// await polls until ready says so, the daemon dies, or startTimeout is over;
// its errors show the daemon's last words.
func (d *daemon) await(ctx context.Context, ready func(context.Context) bool) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	err := poll(ctx, func() (bool, error) {
		if !d.alive() {
			return false, errors.New("it ended")
		}
		return ready(ctx), nil
	})
	if err != nil {
		return fmt.Errorf("starting %s: %w; its log ends with\n%s", d.Name, err, tail(d.Log, 15))
	}
	return nil
}

// poll calls done every few milliseconds until it is true or ctx ends.
func poll(ctx context.Context, done func() (bool, error)) error {
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

// startTime is field 22 of /proc/PID/stat, empty for a zombie or no process.
func startTime(pid int) string {
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

func tail(path string, lines int) string {
	content, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return lastLines(string(content), lines)
}
