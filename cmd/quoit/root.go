package main

import (
	"github.com/spf13/cobra"
)

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
		newBuildCmd(), newPlanCmd(), newStatusCmd(), newHistoryCmd(), newVerifyCmd(),
		newShiftCmd(), newUnshiftCmd(), newSetCmd(), newHoldCmd(), newUnholdCmd(),
		newCopyCmd(), newPruneCmd(), newApplyCmd(), newDeployCmd(),
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
