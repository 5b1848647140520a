// Command quoit builds, versions and releases a project of container images.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/quoitbuild/quoit/frontend"
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
