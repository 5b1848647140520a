package main

import (
	"io"

	"github.com/spf13/cobra"

	"github.com/quoitbuild/quoit/deploy"
)

func newDiffCmd() *cobra.Command {
	var project projectFlags
	var output string
	cmd := &cobra.Command{
		Use:   "diff SITE",
		Short: "Show what a deploy would change in a site's objects",
		Long: `Diff asks the site's cluster what the release in the site's ring would change there,
by a dry run with your own rights. Nothing is changed, and no hook runs. If the site runs
that release already, the differences shown are somebody else's changes. Fields that
belong to somebody else would stop the deploy, and are named.`,
		Example: `  quoit diff eu
  quoit diff eu -o json`,
		Args: oneArg("SITE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkOutput(output); err != nil {
				return err
			}
			m, p, err := project.open(cmd)
			if err != nil {
				return err
			}
			s, err := findSite(m, args[0])
			if err != nil {
				return err
			}
			work, err := openSite(cmd, m, p, s)
			if err != nil {
				return err
			}
			d, err := work.Prepare(cmd.Context(), deploy.Options{Downgrade: true, Discard: true}, false)
			if err != nil {
				return err
			}
			byTheLog(cmd, work)
			result, err := d.Diff(cmd.Context(), io.Discard)
			if err != nil {
				return err
			}
			if output == "json" {
				return printJSON(cmd.OutOrStdout(), result)
			}
			return printText(cmd.OutOrStdout(), result.String())
		},
	}
	project.register(cmd.Flags())
	outputFlag(cmd, &output)
	return cmd
}
