package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/moby/buildkit/client"

	"github.com/quoitbuild/quoit/internal/testkit/stack"
)

// bench is the place where contestants meet: a registry, a BuildKit with an
// empty cache, and the programs.
type bench struct {
	stack    *stack.Stack
	buildkit *stack.Buildkit
	quoit    string // the command
	frontend string // reference of the frontend's image
	dir      string // for projects
	builder  string // buildx's name of the BuildKit
	timeout  time.Duration
	progress io.Writer
	serial   int       // of projects
	last     time.Time // when the last command ended
}

// open starts everything. Close has to be called, whatever happens.
func open(ctx context.Context, timeout time.Duration, progress io.Writer) (_ *bench, err error) {
	b := &bench{timeout: timeout, progress: progress}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.close())
		}
	}()
	if b.dir, err = os.MkdirTemp("", "quoit-bench-"); err != nil {
		return nil, err
	}
	b.quoit = filepath.Join(b.dir, "quoit")
	if err := build(ctx, b.quoit, "cmd/quoit"); err != nil {
		return nil, err
	}
	if b.stack, err = stack.Start(ctx, stack.Options{NoBuildkit: true, Progress: progress}); err != nil {
		return nil, err
	}
	if b.frontend, err = pushFrontend(ctx, b.stack, filepath.Join(b.dir, "quoit-frontend")); err != nil {
		return nil, err
	}
	return b, b.fresh(ctx)
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

// fresh replaces the bench's BuildKit by one with nothing in it: no cache, no
// history, no memory of earlier builds.
func (b *bench) fresh(ctx context.Context) (err error) {
	if b.buildkit != nil {
		if err := b.buildkit.Stop(); err != nil {
			return err
		}
	}
	if b.buildkit, err = b.stack.StartBuildkit(ctx); err != nil {
		return err
	}
	b.serial++
	b.builder = fmt.Sprintf("bench-%d", b.serial)
	return b.run(ctx, command{args: []string{
		"buildx", "create", "--name", b.builder, "--driver", "remote", b.buildkit.Host,
	}})
}

// close stops the daemons and removes all files.
func (b *bench) close() error {
	var errs []error
	if b.stack != nil {
		errs = append(errs, b.stack.Stop())
	}
	if b.dir != "" {
		errs = append(errs, os.RemoveAll(b.dir))
	}
	return errors.Join(errs...)
}

// project writes a project with a name and files of its own.
func (b *bench) project(s shape, images, files, size int) (*project, error) {
	b.serial++
	p := &project{
		dir: filepath.Join(b.dir, fmt.Sprintf("p%d", b.serial)), name: fmt.Sprintf("bench/p%d", b.serial),
		salt: fmt.Sprintf("project %d", b.serial), shape: s, images: images, files: files, size: size,
	}
	return p, p.write()
}

// renew makes another project of the same kind of p, with no file, step or
// repository that was there before.
func (b *bench) renew(p *project) error {
	b.serial++
	p.name, p.salt = fmt.Sprintf("bench/p%d", b.serial), fmt.Sprintf("project %d", b.serial)
	return p.write()
}

// prune empties the bench's BuildKit.
func (b *bench) prune(ctx context.Context) error {
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

// say prints a line of progress.
func (b *bench) say(format string, values ...any) {
	fmt.Fprintf(b.progress, "%s "+format+"\n", append([]any{time.Now().Format("15:04:05")}, values...)...)
}
