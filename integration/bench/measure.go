package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	controlapi "github.com/moby/buildkit/api/services/control"
	"golang.org/x/sync/errgroup"

	"github.com/quoitbuild/quoit/internal/testkit/proxy"
	"github.com/quoitbuild/quoit/internal/testkit/stack"
)

// maxMessage bounds what is kept of a failed command's output, in bytes.
const maxMessage = 600

// command is what a contestant runs.
type command struct {
	dir  string
	args []string
	env  []string
	// stdin is what it reads.
	stdin []byte
	// output, if set, gets what it printed after a success.
	output func(stdout []byte) error
}

// cmd makes a process of it, with the stack's tools and the bench's BuildKit.
func (b *bench) cmd(ctx context.Context, c command) *exec.Cmd {
	cmd := b.stack.Command(ctx, c.args[0], c.args[1:]...)
	cmd.Dir = c.dir
	cmd.Env = append(append(cmd.Env, "BUILDKIT_HOST="+b.buildkit.Host), c.env...)
	cmd.Stdin = bytes.NewReader(c.stdin)
	cmd.WaitDelay = time.Second
	return cmd
}

// run runs a command without measuring it.
func (b *bench) run(ctx context.Context, c command) error {
	var out bytes.Buffer
	cmd := b.cmd(ctx, c)
	cmd.Stdout, cmd.Stderr = &out, &out
	defer func() { b.last = time.Now() }()
	return explain(ctx, c, cmd.Run(), out.String())
}

// explain adds a command and the end of its output to an error.
func explain(ctx context.Context, c command, err error, output string) error {
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err == nil {
		return nil
	}
	output = strings.TrimSpace(output)
	if len(output) > maxMessage {
		output = "…" + output[len(output)-maxMessage:]
	}
	return fmt.Errorf("%s: %w: %s", strings.Join(c.args[:min(3, len(c.args))], " "), err, output)
}

// measure runs a command and returns what it needed. Only the command itself is
// inside of the time; all else is read before and after it.
func (b *bench) measure(ctx context.Context, who contestant) (Sample, error) {
	before, err := b.stored()
	if err != nil {
		return Sample{}, err
	}
	requests := b.stack.RegistryMark()
	sample, began, builds, err := b.followed(ctx, who.command)
	if err != nil {
		return sample, err
	}
	if err := b.countRequests(&sample, requests, who.project); err != nil {
		return sample, err
	}
	after, err := b.stored()
	if err != nil {
		return sample, err
	}
	sample.Stored = after - before
	if sample.Solves = len(builds); sample.Solves == 1 {
		for _, record := range builds {
			sample.Phases, err = phases(ctx, b.buildkit, record, began, sample.Seconds)
		}
	}
	return sample, err
}

// followed is timed, with the builds that BuildKit did meanwhile.
func (b *bench) followed(ctx context.Context, c command) (sample Sample, began time.Time, builds map[string]*controlapi.BuildHistoryRecord, err error) {
	h, err := listen(ctx, b.buildkit)
	if err != nil {
		return sample, began, nil, err
	}
	defer h.end()
	done := make(chan struct{})
	var eg errgroup.Group
	eg.Go(func() (err error) {
		builds, err = h.collect(done)
		return err
	})
	sample, began, err = b.timed(ctx, c)
	if err != nil {
		h.end() // a build that hangs on need not be waited for
	}
	close(done)
	if listening := eg.Wait(); err == nil {
		err = listening
	}
	return sample, began, builds, err
}

// timed is the measured part.
func (b *bench) timed(ctx context.Context, c command) (sample Sample, began time.Time, err error) {
	limited, cancel := context.WithTimeoutCause(ctx, b.timeout, fmt.Errorf("it took more than %s", b.timeout))
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := b.cmd(limited, c)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	w := watch(b.buildkit.PID)
	own := peak("self")
	began = time.Now()
	if err = cmd.Start(); err == nil {
		w.follow(cmd.Process.Pid)
		err = cmd.Wait()
	}
	b.last = time.Now()
	sample.Seconds = b.last.Sub(began).Seconds()
	peaks := w.end()
	if err := explain(limited, c, err, stderr.String()); err != nil {
		return sample, began, err
	}
	sample.CLI, sample.Daemon = peaks[kindCLI], peaks[kindDaemon]
	sample.Frontend, sample.Step = peaks[kindFrontend], peaks[kindStep]
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		sample.CPU = cmd.ProcessState.UserTime().Seconds() + cmd.ProcessState.SystemTime().Seconds()
		// Up to the moment of exec a child counts as large as we are.
		if most := usage.Maxrss << 10; most > own {
			sample.CLI = max(sample.CLI, most)
		}
	}
	if c.output != nil {
		err = c.output(stdout.Bytes())
	}
	return sample, began, err
}

// countRequests tells the requests of a project's own images from those for base
// images and frontends.
func (b *bench) countRequests(sample *Sample, mark stack.RegistryMark, p *project) error {
	all, err := b.stack.RequestsSince(mark)
	if err != nil {
		return err
	}
	var own []proxy.Request
	if p != nil {
		own = append(proxy.InRepository(all, p.name), proxy.InRepository(all, p.bakeName())...)
	}
	sample.Requests = proxy.CountRequests(own)
	sample.Others = total(proxy.CountRequests(all)) - total(sample.Requests)
	for _, r := range all {
		sample.Received += r.Bytes
	}
	return nil
}

// stored is how many bytes the registry's blobs have.
func (b *bench) stored() (total int64, err error) {
	blobs := filepath.Join(filepath.Dir(b.stack.RegistryLog), "storage/docker/registry/v2/blobs")
	err = filepath.WalkDir(blobs, func(_ string, entry fs.DirEntry, err error) error {
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			total += info.Size()
		}
		return err
	})
	return total, err
}

func total(counts map[string]int) (sum int) {
	for _, n := range counts {
		sum += n
	}
	return sum
}
