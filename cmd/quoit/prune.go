package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/store/prune"
	"github.com/quoitbuild/quoit/versioning"
)

type pruneFlags struct {
	project projectFlags
	keep    int
	needed  []string
	message string
	dryRun  bool
	output  string
}

func newPruneCmd() *cobra.Command {
	var f pruneFlags
	cmd := &cobra.Command{
		Use:   "prune",
		Short: "Give up old releases that nothing needs",
		Long: `Prune gives up releases for good: those that no ring has or had in the newest
records, that undoing the newest shifts does not bring back, and that have no image's
newest version. A record says so; then the tags of versions that are in no other
release name an empty image, and the registry can free what they named. The versions
are never used again. Old votes of the log are deleted where the registry deletes
single tags. The records themselves stay.

What sites run is not known to the registry: name older releases with --needed.`,
		Example: `  quoit prune --dry-run
  quoit prune --keep 100 --needed 1.4.2`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	f.project.register(cmd.Flags())
	cmd.Flags().IntVar(&f.keep, "keep", 20, "keep what rings had in this many of the newest records")
	cmd.Flags().StringSliceVar(&f.needed, "needed", nil, "keep these releases too, by version")
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "only say what would happen")
	cmd.Flags().StringVar(&f.message, "message", "", "a message for the history")
	outputFlag(cmd, &f.output)
	return cmd
}

func (f *pruneFlags) run(cmd *cobra.Command) error {
	if err := errors.Join(checkOutput(f.output), checkMessage(f.message)); err != nil {
		return err
	}
	if f.keep < 1 {
		return usagef("--keep %d: choose 1 or more", f.keep)
	}
	var needed []versioning.Version
	for _, text := range f.needed {
		parsed, err := versioning.Parse(text)
		if err != nil {
			return usagef("--needed: %w", err)
		}
		needed = append(needed, parsed)
	}
	m, p, err := f.project.open(cmd)
	if err != nil {
		return err
	}
	pruned, err := prune.Prune(cmd.Context(), p, prune.Options{
		Rings: m.RingOrder(), Author: store.Author{Actor: actor(), Message: f.message},
		Keep: f.keep, Needed: needed, DryRun: f.dryRun,
	})
	if err != nil {
		return err
	}
	if f.output == "json" {
		return printJSON(cmd.OutOrStdout(), pruneResult{1, pruned})
	}
	return printText(cmd.OutOrStdout(), pruned.String())
}

// pruneResult is the JSON of quoit prune, with --dry-run or without.
type pruneResult struct {
	Schema int `json:"schema"`
	prune.Outcome
}
