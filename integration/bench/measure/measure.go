package measure

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

	"github.com/quoitbuild/quoit/integration/bench/project"
	"github.com/quoitbuild/quoit/integration/bench/report"

	controlapi "github.com/moby/buildkit/api/services/control"
	"golang.org/x/sync/errgroup"

	"github.com/quoitbuild/quoit/internal/testkit/proxy"
	"github.com/quoitbuild/quoit/internal/testkit/stack"
)

// maxMessage bounds what is kept of a failed command's output, in bytes.
const maxMessage = 600

// Command is what a contestant runs.
type Command struct {
	Dir  string
	Args []string
	Env  []string
	// stdin is what it reads.
	stdin []byte
	// output, if set, gets what it printed after a success.
	output func(stdout []byte) error
}

// cmd makes a process of it, with the stack's tools and the bench's BuildKit.
func (b *Bench) cmd(ctx context.Context, c Command) *exec.Cmd {
	cmd := b.Stack.Command(ctx, c.Args[0], c.Args[1:]...)
	cmd.Dir = c.Dir
	cmd.Env = append(append(cmd.Env, "BUILDKIT_HOST="+b.buildkit.Host), c.Env...)
	cmd.Stdin = bytes.NewReader(c.stdin)
	cmd.WaitDelay = time.Second
	return cmd
}

// Run runs a command without measuring it.
func (b *Bench) Run(ctx context.Context, c Command) error {
	var out bytes.Buffer
	cmd := b.cmd(ctx, c)
	cmd.Stdout, cmd.Stderr = &out, &out
	defer func() { b.last = time.Now() }()
	return explain(ctx, c, cmd.Run(), out.String())
}

// explain adds a command and the end of its output to an error.
func explain(ctx context.Context, c Command, err error, output string) error {
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
	return fmt.Errorf("%s: %w: %s", strings.Join(c.Args[:min(3, len(c.Args))], " "), err, output)
}

// measure runs a command and returns what it needed. Only the command itself is
// inside of the time; all else is read before and after it.
func (b *Bench) measure(ctx context.Context, who Contestant) (report.Sample, error) {
	before, err := b.stored()
	if err != nil {
		return report.Sample{}, err
	}
	requests := b.Stack.RegistryMark()
	sample, began, builds, err := b.followed(ctx, who.Command)
	if err != nil {
		return sample, err
	}
	if err := b.countRequests(&sample, requests, who.Project); err != nil {
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
func (b *Bench) followed(ctx context.Context, c Command) (sample report.Sample, began time.Time, builds map[string]*controlapi.BuildHistoryRecord, err error) {
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
func (b *Bench) timed(ctx context.Context, c Command) (sample report.Sample, began time.Time, err error) {
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
func (b *Bench) countRequests(sample *report.Sample, mark stack.RegistryMark, p *project.Project) error {
	all, err := b.Stack.RequestsSince(mark)
	if err != nil {
		return err
	}
	var own []proxy.Request
	if p != nil {
		own = append(proxy.InRepository(all, p.Name), proxy.InRepository(all, p.BakeName())...)
	}
	sample.Requests = proxy.CountRequests(own)
	sample.Others = total(proxy.CountRequests(all)) - total(sample.Requests)
	for _, r := range all {
		sample.Received += r.Bytes
	}
	return nil
}

// stored is how many bytes the registry's blobs have.
func (b *Bench) stored() (total int64, err error) {
	blobs := filepath.Join(filepath.Dir(b.Stack.RegistryLog), "storage/docker/registry/v2/blobs")
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
