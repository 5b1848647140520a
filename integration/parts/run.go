package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// grace is between a test binary's own timeout, which shows where it hangs, and its end
// by force.
const grace = 30 * time.Second

type options struct {
	long   bool
	within time.Duration
}

// runAll runs the parts one after the other, also after one that failed. How much slower
// than expected the machine was so far is taken into account for the next ones.
func (o options) runAll(ctx context.Context, chosen []part, s *summary) {
	begin := time.Now()
	var planned float64
	for _, p := range chosen {
		slowness := 1.0
		if planned > 0 {
			slowness = max(1, time.Since(begin).Minutes()/planned)
		}
		expected, limit := minutes(p.minutes*slowness), o.limit(p, slowness)
		if o.within > 0 {
			left := o.within - time.Since(begin)
			if expected*5/4 > left {
				s.late = append(s.late, p.name)
				continue
			}
			limit = min(limit, left)
		}
		if ctx.Err() != nil {
			s.failed = append(s.failed, "interrupted")
			return
		}
		fmt.Printf("\n== %s: %s (about %s, at most %s)\n", p.name, p.about, expected, limit)
		start := time.Now()
		err := o.run(ctx, p, limit)
		took := time.Since(start)
		s.ran, planned = append(s.ran, p.name), planned+p.minutes
		if err != nil {
			s.failed = append(s.failed, p.name)
			fmt.Printf("== %s failed after %s: %v\n", p.name, took.Round(time.Second), err)
			continue
		}
		fmt.Printf("== %s took %s\n", p.name, took.Round(time.Second))
	}
}

// limit is when a part is ended by force.
func (o options) limit(p part, slowness float64) time.Duration {
	if o.long {
		return 6 * time.Hour
	}
	return minutes(3*p.minutes*slowness) + 2*time.Minute
}

func (o options) run(ctx context.Context, p part, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var errs []error
	for _, r := range p.runs {
		errs = append(errs, o.goTest(ctx, p, r))
	}
	if err := context.Cause(ctx); err != nil {
		errs = append(errs, fmt.Errorf("it was ended: %w", err))
	}
	return errors.Join(errs...)
}

func (o options) goTest(ctx context.Context, p part, r run) error {
	deadline, _ := ctx.Deadline()
	args := []string{"test", "-count=1", "-parallel=4", "-timeout=" + max(time.Until(deadline)-grace, grace).Round(time.Second).String()}
	if !r.quick {
		args = append(args, "-tags=stack")
	}
	if len(r.tests) > 0 {
		args = append(args, "-run=^("+strings.Join(r.tests, "|")+")$")
	}
	cmd := exec.CommandContext(ctx, "go", append(args, r.packages)...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), o.dose(p)...)
	// The test binaries are the group's too; the daemons die with those.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = grace
	return cmd.Run()
}

// dose are the variables that tell tests how much to try.
func (o options) dose(p part) []string {
	switch {
	case o.long:
		return []string{"QUOIT_TEST_FULL=1", "QUOIT_TEST_LONG=1"}
	case p.name == stories.name:
		return nil
	}
	return []string{"QUOIT_TEST_FULL=1"}
}
