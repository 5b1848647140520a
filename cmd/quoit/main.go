// Command quoit builds, versions and releases a project of container images.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/moby/buildkit/solver/errdefs"

	"github.com/quoitbuild/quoit/frontend"
	"github.com/quoitbuild/quoit/internal/diag"
	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/revision"
)

// version is set when the command is built.
var version = "dev"

// The exit codes; the README lists them.
const (
	exitFailed      = 1
	exitChanges     = 2 // plan --detailed-exitcode: something changes
	exitMoved       = 3 // the rings changed meanwhile
	exitUsage       = 64
	exitInterrupted = 130
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string) int {
	if len(args) == 4 && args[0] == frontend.HashCommand {
		// This binary as a build step, see frontend.Runner.
		return report(revision.AnswerFile(ctx, args[1], args[2], args[3]))
	}
	root := newRootCmd()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if ctx.Err() != nil && err != nil {
		fmt.Fprintln(os.Stderr, "interrupted")
		return exitInterrupted
	}
	return report(err)
}

// report prints an error with the excerpts that it carries and returns the exit
// code that it means.
func report(err error) int {
	if err == nil {
		return 0
	}
	if code := exitCode(0); errors.As(err, &code) {
		return int(code)
	}
	if len(diag.All(err)) > 0 {
		diag.Render(os.Stderr, err)
		return exitFailed
	}
	for _, source := range errdefs.Sources(err) {
		// A failure to print an excerpt must not hide the error itself.
		_ = source.Print(os.Stderr)
	}
	fmt.Fprintln(os.Stderr, "error:", err)
	var usage *usageError
	var moved *registry.MovedError
	switch {
	case errors.As(err, &usage):
		return exitUsage
	case errors.As(err, &moved):
		return exitMoved
	}
	return exitFailed
}

// exitCode is an "error" that is only a code: what there was to say was said.
type exitCode int

func (c exitCode) Error() string { return fmt.Sprintf("exit code %d", int(c)) }

// usageError says that the command line is wrong.
type usageError struct{ error }

func usagef(format string, values ...any) error {
	return &usageError{fmt.Errorf(format, values...)}
}
