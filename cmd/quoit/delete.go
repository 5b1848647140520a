package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/quoitbuild/quoit/deploy/rollout"
	"github.com/quoitbuild/quoit/deploy/site"
)

func newDeleteCmd() *cobra.Command {
	var f siteFlags
	cmd := &cobra.Command{
		Use:   "delete SITE",
		Short: "Remove what was deployed to a site",
		Long: `Delete has the site's root image uninstall what it installed, and then removes the
site's record. What the root image does not know of stays, and so does the namespace.
If it fails or is stopped, delete again: the record goes last.`,
		Example: `  quoit delete eu --dry-run
  quoit delete eu`,
		Args: oneArg("SITE"),
		RunE: func(cmd *cobra.Command, args []string) error { return f.remove(cmd, args[0]) },
	}
	f.register(cmd.Flags())
	outputFlag(cmd, &f.output)
	return cmd
}

func (f *siteFlags) remove(cmd *cobra.Command, name string) error {
	if err := f.check(); err != nil {
		return err
	}
	m, p, err := f.project.open(cmd)
	if err != nil {
		return err
	}
	s, err := findSite(m, name)
	if err != nil {
		return err
	}
	work, err := openSite(cmd, m, p, s)
	if err != nil {
		return err
	}
	d, err := work.Cluster.Prepare(cmd.Context(), work.Place, site.Goal{Releases: work.Releases})
	if err != nil {
		return &site.UnfinishedError{Site: s.Name, Err: err}
	}
	result := rollout.NewResult(d)
	if err := f.show(cmd, result); err != nil {
		return err
	}
	if !f.dryRun {
		err = f.carryOut(cmd, work, d)
		if result.Done = err == nil; err != nil {
			result.Error = err.Error()
		}
	}
	if f.output == "json" {
		return errors.Join(printJSON(cmd.OutOrStdout(), deployResult{1, m.Project, []rollout.Result{result}}), err)
	}
	if result.Done {
		err = printText(cmd.OutOrStdout(), fmt.Sprintf("%s runs nothing of %s now\n", name, m.Project))
	}
	return err
}
