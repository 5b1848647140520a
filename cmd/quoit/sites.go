package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/quoitbuild/quoit/deploy/rollout"
	"github.com/quoitbuild/quoit/deploy/site"
	"github.com/quoitbuild/quoit/internal/diag"
	"github.com/quoitbuild/quoit/internal/show"
	"github.com/quoitbuild/quoit/manifest"
	"github.com/quoitbuild/quoit/store"
)

// siteFlags are those of every command that runs root images.
type siteFlags struct {
	project  projectFlags
	dryRun   bool
	local    bool
	limits   rollout.Limits
	takeOver bool
	output   string
}

func (f *siteFlags) register(flags *pflag.FlagSet) {
	f.project.register(flags)
	flags.BoolVar(&f.dryRun, "dry-run", false, "only say what would be run")
	registerLimits(flags, &f.limits)
}

func registerLimits(flags *pflag.FlagSet, limits *rollout.Limits) {
	flags.DurationVar(&limits.Timeout, "timeout", 0, "how long one run of a root image may take (default 30m, and 5m for each wait in it)")
	flags.DurationVar(&limits.Start, "start-timeout", 2*time.Minute, "how long it may take to start")
}

func (f *siteFlags) check() error {
	return errors.Join(checkLimits(f.limits), checkOutput(f.output))
}

func checkLimits(l rollout.Limits) error {
	if l.Timeout != 0 && l.Timeout < time.Second || l.Start < time.Second {
		return usagef("--timeout and --start-timeout: choose a second or more")
	}
	return nil
}

// findSite returns a site of the manifest, or a mistake of the command line.
func findSite(m *manifest.Manifest, name string) (manifest.Site, error) {
	found, ok := m.Site(name)
	switch near := diag.Nearest(name, m.SiteNames()); {
	case ok:
		return found, nil
	case len(m.Sites) == 0:
		return found, usagef("the manifest has no sites: add them under `sites`")
	case near != "":
		return found, usagef("there is no site %q: did you mean %q?", name, near)
	default:
		return found, usagef("there is no site %q: choose one of %s", name, strings.Join(m.SiteNames(), ", "))
	}
}

// openSite connects to a site's cluster. No request is made.
func openSite(cmd *cobra.Command, m *manifest.Manifest, p *store.Project, s manifest.Site) (rollout.Site, error) {
	return rollout.Open(m, p, s, site.ClusterOptions{UserAgent: agent(), Say: telling(cmd.ErrOrStderr())})
}

// carryOut runs what was decided.
func (f *siteFlags) carryOut(cmd *cobra.Command, work rollout.Site, d *site.Deployment) error {
	progress := cmd.ErrOrStderr()
	say := func(line string) { fmt.Fprintf(progress, "%s: %s\n", work.Place.Name, show.Block(line)) }
	var runner site.Runner = site.Jobs{Cluster: work.Cluster, Log: show.NewWriter(progress), Say: say}
	if f.local {
		runner = site.Local{Cluster: work.Cluster, Log: show.NewWriter(progress)}
	}
	return d.Run(cmd.Context(), f.limits.Run(actor(), runner, say))
}

// show prints what will be done.
func (f *siteFlags) show(cmd *cobra.Command, r rollout.Result) error {
	if f.output == "json" {
		return nil
	}
	return printText(cmd.OutOrStdout(), r.String())
}

// byTheLog says that the tag of a site's ring names something else than the log says, by
// which it goes on.
func byTheLog(cmd *cobra.Command, work rollout.Site) []store.Difference {
	differences, err := work.Releases.Differences(cmd.Context(), work.Place.Ring)
	if err != nil {
		fmt.Fprintf(cmd.ErrOrStderr(), "warning: looking at the tag of ring %s: %s\n", work.Place.Ring, show.Block(err.Error()))
	}
	for _, difference := range differences {
		fmt.Fprintf(cmd.ErrOrStderr(), "warning: going on by the log: %s\n", show.Block(difference.String()))
	}
	return differences
}

// siteMoved reports whether somebody else deploys to a site or did in between.
func siteMoved(err error) bool {
	return errors.As(err, new(*site.HeldError)) || errors.As(err, new(*site.MovedError)) || errors.As(err, new(*site.LostError))
}
