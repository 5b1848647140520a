// Package measure lets contestants do the same work in turns, on one BuildKit and one
// registry that it starts, and measures what each of them needs.
//
//	b, err := measure.Open(ctx, time.Hour, os.Stderr)
//	s := measure.NewStage("no-op", p, b.QuoitBuild(p, b.Stack.Registry), b.Bake(report.NameBake, p, b.Stack.Registry))
//	err = b.Rounds(ctx, 5, keep, s)
package measure

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/quoitbuild/quoit/integration/bench/project"

	"github.com/moby/buildkit/client"

	"github.com/quoitbuild/quoit/internal/testkit/stack"
)

// Bench is the place where contestants meet: a registry, a BuildKit with an
// empty cache, and the programs.
type Bench struct {
	Stack    *stack.Stack
	buildkit *stack.Buildkit
	Quoit    string // the command
	frontend string // reference of the frontend's image
	dir      string // for projects
	builder  string // buildx's name of the BuildKit
	timeout  time.Duration
	progress io.Writer
	serial   int       // of projects
	last     time.Time // when the last command ended
}

// Open starts everything. Close has to be called, whatever happens.
func Open(ctx context.Context, timeout time.Duration, progress io.Writer) (_ *Bench, err error) {
	b := &Bench{timeout: timeout, progress: progress}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.Close())
		}
	}()
	if b.dir, err = os.MkdirTemp("", "quoit-bench-"); err != nil {
		return nil, err
	}
	if output, err := exec.CommandContext(ctx, "go", "generate", "github.com/quoitbuild/quoit/builder/runner").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building quoit's own programs: %w\n%s", err, output)
	}
	b.Quoit = filepath.Join(b.dir, "quoit")
	if err := build(ctx, b.Quoit, "cmd/quoit"); err != nil {
		return nil, err
	}
	if b.Stack, err = stack.Start(ctx, stack.Options{NoBuildkit: true, Progress: progress}); err != nil {
		return nil, err
	}
	frontend := filepath.Join(b.dir, "quoit-frontend")
	if err := stack.BuildFrontend(ctx, frontend); err != nil {
		return nil, err
	}
	if b.frontend, _, err = b.Stack.PushFrontend(ctx, frontend); err != nil {
		return nil, err
	}
	return b, b.Fresh(ctx)
}

// build builds a program of this repository without C libraries.
func build(ctx context.Context, file, program string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w -X main.version=bench", "-o", file,
		"github.com/quoitbuild/quoit/"+program)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building %s: %w\n%s", program, err, output)
	}
	return nil
}

// Fresh replaces the bench's BuildKit by one with nothing in it: no cache, no
// history, no memory of earlier builds.
func (b *Bench) Fresh(ctx context.Context) (err error) {
	if b.buildkit != nil {
		if err := b.buildkit.Stop(); err != nil {
			return err
		}
	}
	if b.buildkit, err = b.Stack.StartBuildkit(ctx); err != nil {
		return err
	}
	b.serial++
	b.builder = fmt.Sprintf("bench-%d", b.serial)
	return b.Run(ctx, Command{Args: []string{
		"buildx", "create", "--name", b.builder, "--driver", "remote", b.buildkit.Host,
	}})
}

// Close stops the daemons and removes all files.
func (b *Bench) Close() error {
	var errs []error
	if b.Stack != nil {
		errs = append(errs, b.Stack.Stop())
	}
	if b.dir != "" {
		errs = append(errs, os.RemoveAll(b.dir))
	}
	return errors.Join(errs...)
}

// Project writes a project with a name and files of its own.
func (b *Bench) Project(s project.Shape, images, files, size int) (*project.Project, error) {
	b.serial++
	p := &project.Project{
		Dir: filepath.Join(b.dir, fmt.Sprintf("p%d", b.serial)), Name: fmt.Sprintf("bench/p%d", b.serial),
		Salt: fmt.Sprintf("project %d", b.serial), Shape: s, Images: images, Files: files, Size: size,
	}
	return p, p.Write()
}

// Renew makes another project of the same kind of p, with no file, step or
// repository that was there before.
func (b *Bench) Renew(p *project.Project) error {
	b.serial++
	p.Name, p.Salt = fmt.Sprintf("bench/p%d", b.serial), fmt.Sprintf("project %d", b.serial)
	return p.Write()
}

// Prune empties the bench's BuildKit.
func (b *Bench) Prune(ctx context.Context) error {
	c, err := b.buildkit.Client(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Prune(ctx, nil, client.PruneAll); err != nil {
		return fmt.Errorf("emptying BuildKit's cache: %w", err)
	}
	return nil
}

// Say prints a line of progress.
func (b *Bench) Say(format string, values ...any) {
	fmt.Fprintf(b.progress, "%s "+format+"\n", append([]any{time.Now().Format("15:04:05")}, values...)...)
}
