package measure

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"time"
)

const (
	// tidying is when BuildKit begins to tidy up after a build: its history
	// three seconds later, its cache after one.
	tidying = 3500 * time.Millisecond
	// restPeriod is how long buildkitd has to do nothing, twice.
	restPeriod = 250 * time.Millisecond
	// maxRest bounds the wait for a buildkitd that never rests.
	maxRest = 3 * time.Minute
	// tick is the kernel's unit of processor time.
	tick = 10 * time.Millisecond
)

// settle waits until BuildKit has finished what it does after builds, like
// provenance for its history: it would be in the next contestant's time.
func (b *Bench) settle(ctx context.Context) error {
	if err := pause(ctx, time.Until(b.last.Add(tidying))); err != nil {
		return err
	}
	quiet, before := 0, cpuTime(b.buildkit.PID)
	for begin := time.Now(); quiet < 2; {
		if time.Since(begin) > maxRest {
			return fmt.Errorf("BuildKit did not rest within %s", maxRest)
		}
		if err := pause(ctx, restPeriod); err != nil {
			return err
		}
		now := cpuTime(b.buildkit.PID)
		if quiet++; now-before > 2*tick {
			quiet = 0
		}
		before = now
	}
	return nil
}

func pause(ctx context.Context, wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// cpuTime is what a process has used of the processors, 0 if it is gone.
func cpuTime(pid int) time.Duration {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0
	}
	return cpuTimeIn(stat)
}

// cpuTimeIn adds the user's and the system's time of /proc/PID/stat.
func cpuTimeIn(stat []byte) time.Duration {
	// The name in parentheses may have spaces; fields count from behind it.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.ParseInt(string(fields[11]), 10, 64)
	system, _ := strconv.ParseInt(string(fields[12]), 10, 64)
	return time.Duration(user+system) * tick
}
