// Command quoit builds, versions and releases a project of container images.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/quoitbuild/quoit/frontend"
	"github.com/quoitbuild/quoit/revision"
	"github.com/quoitbuild/quoit/store"
)

// version is set when the command is built.
var version = "dev"

// The exit codes.
const (
	exitFailed      = 1
	exitChanges     = 2
	exitMoved       = 3
	exitUsage       = 64
	exitInterrupted = 130
)

// exitCodes explains them; docs/cli.md shows this table.
var exitCodes = []struct {
	code    int
	meaning string
}{
	{0, "done, also if there was nothing to do"},
	{exitFailed, "failed; the error names what and the next step"},
	{exitChanges, "`plan --detailed-exitcode`: something changes"},
	{exitMoved, "the rings or the site changed meanwhile, or somebody else deploys there; run the command again"},
	{exitUsage, "the command line is wrong"},
	{exitInterrupted, "interrupted"},
}

func main() {
	// The command ends soon, so memory is cheaper than collecting it.
	debug.SetGCPercent(400)
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
	var half *store.PublishError
	if ctx.Err() != nil && err != nil {
		if errors.As(err, &half) {
			report(err) // what was written, and that the same command resumes
		}
		fmt.Fprintln(os.Stderr, "interrupted")
		return exitInterrupted
	}
	return report(err)
}
