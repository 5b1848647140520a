package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/quoitbuild/quoit/deploy"
	"github.com/quoitbuild/quoit/deploy/rollout"
	"github.com/quoitbuild/quoit/deploy/site"
	"github.com/quoitbuild/quoit/manifest"
	"github.com/quoitbuild/quoit/store"
)

type deployFlags struct {
	siteFlags
	ring    string
	discard []string
	options deploy.Options
}

func newDeployCmd() *cobra.Command {
	var f deployFlags
	cmd := &cobra.Command{
		Use:   "deploy SITE | --ring RING",
		Short: "Bring a site to the release that its ring has",
		Long: `Deploy runs the root image of the release that the ring has by the project's log as a
Job in the site's namespace, shows what it prints, waits for it, and keeps a record
there. If the ring was shifted back, that is a downgrade: first the newer root image
undoes what the older one does not know, then the older one restores its objects. A
deploy that failed or was stopped is completed by deploying again. A release that is
unrelated to what the site runs stops the deploy, unless --discard names the site.

With --ring all sites of the ring are deployed to, one after the other; one that fails
does not stop the others.`,
		Example: `  quoit deploy eu --dry-run          # what would be run
  quoit deploy eu
  quoit deploy --ring users          # every site that follows the ring
  quoit deploy eu --again            # even if nothing has changed
  quoit deploy eu --skip-downgrade   # the newer release's downgrade is broken`,
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, args) },
	}
	f.register(cmd.Flags())
	outputFlag(cmd, &f.output)
	flags := cmd.Flags()
	flags.StringVar(&f.ring, "ring", "", "deploy to every site of this ring")
	discardFlag(flags, &f.discard, "sites whose release may be replaced by an unrelated one; nothing undoes what the old one changed")
	flags.BoolVar(&f.options.SkipDowngrade, "skip-downgrade", false, "leave out the downgrade; only restore the older release")
	flags.BoolVar(&f.options.Again, "again", false, "deploy even what is there already")
	flags.BoolVar(&f.local, "local", false, "do the root image's work in this process, with your own rights")
	takeOverFlag(flags, &f.takeOver, "objects")
	return cmd
}

func (f *deployFlags) run(cmd *cobra.Command, args []string) error {
	if err := f.check(); err != nil {
		return err
	}
	if f.ring == "" && len(args) != 1 {
		return usagef("%s wants SITE or --ring RING, found %d arguments\nsee: %[1]s --help", cmd.CommandPath(), len(args))
	}
	if f.ring != "" && len(args) > 0 {
		return usagef("choose either SITE or --ring")
	}
	m, p, err := f.project.open(cmd)
	if err != nil {
		return err
	}
	f.options.Downgrade = true // whoever deploys by hand wants what the ring has
	if f.ring == "" {
		s, err := findSite(m, args[0])
		if err != nil {
			return err
		}
		if err := f.checkDiscard(s); err != nil {
			return err
		}
		result, err := f.deploy(cmd, m, p, s)
		if f.output == "json" && (err == nil || result.Target != nil) {
			err = errors.Join(printJSON(cmd.OutOrStdout(), deployResult{1, m.Project, []rollout.Result{result}}), err)
		}
		return err
	}
	sites, err := sitesOf(m, f.ring)
	if err != nil {
		return err
	}
	if err := f.checkDiscard(sites...); err != nil {
		return err
	}
	return f.deployAll(cmd, m, p, sites)
}

func (f *deployFlags) checkDiscard(sites ...manifest.Site) error {
	var names []string
	for _, s := range sites {
		names = append(names, s.Name)
	}
	return checkDiscard(f.discard, names)
}

// sitesOf are the sites that follow a ring, at least one.
func sitesOf(m *manifest.Manifest, ring string) ([]manifest.Site, error) {
	if err := checkRing(m, ring); err != nil {
		return nil, err
	}
	sites := slices.DeleteFunc(slices.Clone(m.Sites), func(s manifest.Site) bool { return s.Ring != ring })
	if len(sites) == 0 {
		return nil, usagef("no site follows ring %s: see `sites` of the manifest", ring)
	}
	return sites, nil
}

// deployAll deploys to several sites and says at the end what became of each.
func (f *deployFlags) deployAll(cmd *cobra.Command, m *manifest.Manifest, p *store.Project, sites []manifest.Site) error {
	var results []rollout.Result
	code, failed := exitMoved, 0
	for _, s := range sites {
		result, err := f.deploy(cmd, m, p, s)
		if err != nil && cmd.Context().Err() != nil {
			return err
		}
		result.Site = s.Name
		if err != nil {
			failed++
			result.Error = err.Error()
			if report(cmd.ErrOrStderr(), err) != exitMoved {
				code = exitFailed
			}
		}
		results = append(results, result)
	}
	var err error
	if f.output == "json" {
		err = printJSON(cmd.OutOrStdout(), deployResult{1, m.Project, results})
	} else {
		err = printText(cmd.OutOrStdout(), summary(results, f.dryRun))
	}
	if failed > 0 {
		return exitCode(code)
	}
	return err
}

func summary(results []rollout.Result, dryRun bool) string {
	var b strings.Builder
	for _, r := range results {
		switch {
		case r.Error != "":
			first, _, _ := strings.Cut(r.Error, "\n")
			fmt.Fprintf(&b, "%s: failed: %s\n", r.Site, first)
		case dryRun && len(r.Steps) > 0:
			fmt.Fprintf(&b, "%s: would change\n", r.Site)
		default:
			fmt.Fprintf(&b, "%s: at %s\n", r.Site, r.Target.Version)
		}
	}
	return b.String()
}

// deploy deploys to one site.
func (f *deployFlags) deploy(cmd *cobra.Command, m *manifest.Manifest, p *store.Project, s manifest.Site) (rollout.Result, error) {
	work, err := openSite(cmd, m, p, s)
	if err != nil {
		return rollout.Result{Site: s.Name}, err
	}
	options := f.options
	options.Discard = slices.Contains(f.discard, s.Name)
	d, err := work.Prepare(cmd.Context(), options, f.takeOver)
	if err != nil {
		return rollout.Result{Site: s.Name}, &site.UnfinishedError{Site: s.Name, Err: err}
	}
	result := rollout.NewResult(d)
	result.Differences = byTheLog(cmd, work)
	if err := f.show(cmd, result); err != nil || f.dryRun {
		return result, err
	}
	err = f.carryOut(cmd, work, d)
	if result.Done = err == nil; err != nil {
		result.Error = err.Error()
	}
	if err == nil && f.output == "text" && !d.Plan.Nothing() {
		err = printText(cmd.OutOrStdout(), fmt.Sprintf("%s runs %s %s now\n", s.Name, m.Project, d.Plan.Target.Version))
	}
	return result, err
}

// deployResult is the JSON of quoit deploy, with --dry-run or without.
type deployResult struct {
	Schema  int              `json:"schema"`
	Project string           `json:"project"`
	Sites   []rollout.Result `json:"sites"`
}
