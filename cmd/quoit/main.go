// Command quoit builds, versions and releases a project of container images.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/quoitbuild/quoit/revision/disk"
)

// version is set when the command is built.
var version = "dev"

// The exit codes.
const (
	exitFailed      = 1
	exitChanges     = 2
	exitMoved       = 3
	exitRefused     = 4
	exitUsage       = 64
	exitInterrupted = 130
)

// exitCodes explains them; docs/cli.md shows this table.
var exitCodes = []struct {
	code    int
	meaning string
}{
	{0, "done, also if there was nothing to do"},
	{exitFailed, "failed, or the outcome is not known; the error names what and the next step"},
	{exitChanges, "`plan --detailed-exitcode`: something changes"},
	{exitMoved, "the rings, a version or the site changed meanwhile, or somebody else is deploying there; run the command again"},
	{exitRefused, "refused: it would take newer work back, or publish what --clean forbids; running the command again does not help"},
	{exitUsage, "the command line is wrong"},
	{exitInterrupted, "interrupted; a command that writes says what became of it"},
}

func main() {
	// The command ends soon, so memory is cheaper than collecting it.
	debug.SetGCPercent(400)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run runs the command line and returns its exit code.
func run(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	if step, err := disk.AnswerStep(ctx, args); step {
		return report(errOut, err)
	}
	root := newRootCmd()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	return ended(ctx, errOut, root.ExecuteContext(ctx))
}

// ended says how a command ended, and returns its exit code.
func ended(ctx context.Context, errOut io.Writer, err error) int {
	if ctx.Err() != nil && err != nil {
		_ = printText(errOut, interruption(err)+"\n") // nobody to tell
		return exitInterrupted
	}
	return report(errOut, err)
}

func newRootCmd() *cobra.Command {
	root := &cobra.Command{
		Use:   "quoit",
		Short: "Build, version and release a project of container images",
		Long: `Quoit builds a project of several container images in one solve, gives each
changed image a version, and moves releases from ring to ring. The project's own
container registry is its only state.`,
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usagef("%w\nsee: %s --help", err, cmd.CommandPath())
	})
	root.AddCommand(
		newBuildCmd(), newPlanCmd(), newExplainCmd(), newGraphCmd(), newStatusCmd(), newHistoryCmd(), newVerifyCmd(),
		newShiftCmd(), newUnshiftCmd(), newSetCmd(), newHoldCmd(), newUnholdCmd(), newTakeOverCmd(),
		newCopyCmd(), newRepairCmd(), newPruneCmd(), newApplyCmd(), newDeployCmd(),
		newDiffCmd(), newDeleteCmd(), newBootstrapCmd(), newWatchCmd(),
	)
	return root
}

// noArgs refuses arguments as a usage error.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("%s takes no argument, found %q\nsee: %s --help", cmd.CommandPath(), args[0], cmd.CommandPath())
	}
	return nil
}

// oneArg wants one argument, or it is a usage error.
func oneArg(names string) cobra.PositionalArgs { return exactly(1, names) }

// twoArgs wants two arguments, or it is a usage error.
func twoArgs(names string) cobra.PositionalArgs { return exactly(2, names) }

func exactly(count int, names string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != count {
			return usagef("%s wants %s, found %d arguments\nsee: %[1]s --help", cmd.CommandPath(), names, len(args))
		}
		return nil
	}
}
