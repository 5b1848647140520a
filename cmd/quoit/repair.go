package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/quoitbuild/quoit/store/repair"
)

type repairFlags struct {
	project projectFlags
	from    string
	dryRun  bool
	output  string
}

func newRepairCmd() *cobra.Command {
	var f repairFlags
	cmd := &cobra.Command{
		Use:   "repair",
		Short: "Put back what the registry has lost",
		Long: `Repair puts back tags whose contents are still there: of records, of versions, of
rings, and the log's hint, each as the log says. With --from it also takes from a copy
that quoit copy has made, a registry or a folder, what is lost of records and of the
images of releases: manifests, those of single platforms, and blobs.

Whatever it writes has the digest that the log says, so a copy need not be trusted. A
tag that somebody else has moved is put back to what the log gave it. What the log does
not know is left alone. It says each thing it did, and what it could not do; then the
exit code is 1. It can be stopped anywhere, and run again.`,
		Example: `  quoit repair --dry-run
  quoit repair
  quoit repair --from ./media
  quoit repair --from registry.example.net/mirror`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	f.project.register(cmd.Flags())
	outputFlag(cmd, &f.output)
	cmd.Flags().StringVar(&f.from, "from", "", "take what is lost from this copy: a registry, or a folder written as oci:PATH or beginning with ./ or /")
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "say what would be put back, and write nothing")
	return cmd
}

func (f *repairFlags) run(cmd *cobra.Command) error {
	if err := checkOutput(f.output); err != nil {
		return err
	}
	m, p, err := f.project.open(cmd)
	if err != nil {
		return err
	}
	options := repair.Options{Rings: m.RingOrder(), DryRun: f.dryRun}
	if f.from != "" {
		options.From, err = openStore(cmd, strings.TrimSuffix(f.from, "/"+m.Project), m.Project)
		if err != nil {
			return err
		}
	}
	repaired, err := repair.Repair(cmd.Context(), p, options)
	if err != nil && len(repaired.Done)+len(repaired.Left) == 0 {
		return err
	}
	if f.output == "json" {
		if printed := printJSON(cmd.OutOrStdout(), repairResult{1, repaired}); printed != nil {
			return printed
		}
	} else if printed := printText(cmd.OutOrStdout(), repaired.String()); printed != nil {
		return printed
	}
	if err == nil && len(repaired.Left) > 0 {
		err = exitCode(exitFailed)
	}
	return err
}

// repairResult is the JSON of quoit repair, with --dry-run or without.
type repairResult struct {
	Schema int `json:"schema"`
	repair.Outcome
}
