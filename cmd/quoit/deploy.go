package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/quoitbuild/quoit/deploy"
	"github.com/quoitbuild/quoit/deploy/site"
	"github.com/quoitbuild/quoit/manifest"
	"github.com/quoitbuild/quoit/store"
)

type deployFlags struct {
	siteFlags
	ring    string
	options deploy.Options
}

func newDeployCmd() *cobra.Command {
	var f deployFlags
	cmd := &cobra.Command{
		Use:   "deploy SITE | --ring RING",
		Short: "Bring a site to the release that its ring holds",
		Long: `Deploy runs the root image of the ring's release as a Job in the site's namespace,
shows what it prints, waits for it, and keeps a record there. If the ring was shifted
back, that is a downgrade: first the newer root image takes back what the older one does
not know, then the older one restores its objects. A deploy that failed or was stopped is
completed by deploying again.

With --ring all sites of the ring are deployed to, one after the other; one that fails
does not stop the others.`,
		Example: `  quoit deploy eu --dry-run          # what would be run
  quoit deploy eu
  quoit deploy --ring users          # every site that follows the ring
  quoit deploy eu --again            # although nothing has changed
  quoit deploy eu --skip-downgrade   # the newer release's downgrade is broken`,
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, args) },
	}
	f.register(cmd.Flags())
	outputFlag(cmd, &f.output)
	flags := cmd.Flags()
	flags.StringVar(&f.ring, "ring", "", "deploy to every site of this ring")
	flags.BoolVar(&f.options.Discard, "discard", false, "deploy over a release that is no relative: nobody takes back what it has changed")
	flags.BoolVar(&f.options.SkipDowngrade, "skip-downgrade", false, "leave out the downgrade, and only restore the older release")
	flags.BoolVar(&f.options.Again, "again", false, "deploy also what is there already")
	flags.BoolVar(&f.local, "local", false, "do what the root image would do in this process, with the rights of whoever deploys")
	flags.BoolVar(&f.adopt, "adopt", false, "take over objects that somebody else owns")
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
	m, p, err := f.project.open()
	if err != nil {
		return err
	}
	f.options.Downgrade = true // whoever deploys by hand wants what the ring holds
	if f.ring == "" {
		s, err := findSite(m, args[0])
		if err != nil {
			return err
		}
		result, err := f.deploy(cmd, m, p, s)
		if f.output == "json" && (err == nil || result.Target != nil) {
			err = errors.Join(printJSON(cmd.OutOrStdout(), deployResult{1, m.Project, []siteResult{result}}), err)
		}
		return err
	}
	sites, err := sitesOf(m, f.ring)
	if err != nil {
		return err
	}
	return f.deployAll(cmd, m, p, sites)
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
	var results []siteResult
	code, failed := exitMoved, 0
	for _, s := range sites {
		result, err := f.deploy(cmd, m, p, s)
		if ctx := cmd.Context(); ctx.Err() != nil {
			return context.Cause(ctx)
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
		_, err = io.WriteString(cmd.OutOrStdout(), summary(results, f.dryRun))
	}
	if failed > 0 {
		return exitCode(code)
	}
	return err
}

func summary(results []siteResult, dryRun bool) string {
	var b strings.Builder
	for _, r := range results {
		switch {
		case r.Error != "":
			first, _, _ := strings.Cut(r.Error, "\n")
			fmt.Fprintf(&b, "%s: failed: %s\n", r.Site, harmless(first))
		case dryRun && len(r.Steps) > 0:
			fmt.Fprintf(&b, "%s: would change\n", r.Site)
		default:
			fmt.Fprintf(&b, "%s: at %s\n", r.Site, r.Target.Version)
		}
	}
	return b.String()
}

// deploy deploys to one site.
func (f *deployFlags) deploy(cmd *cobra.Command, m *manifest.Manifest, p *store.Project, s manifest.Site) (siteResult, error) {
	work, err := openSite(m, p, s)
	if err != nil {
		return siteResult{Site: s.Name}, err
	}
	d, err := work.prepare(cmd.Context(), f.options, f.adopt)
	if err != nil {
		return siteResult{Site: s.Name}, err
	}
	result := newSiteResult(d)
	if err := f.show(cmd, result); err != nil || f.dryRun {
		return result, err
	}
	err = f.carryOut(cmd, work, d)
	if result.Done = err == nil; err != nil {
		result.Error = err.Error()
	}
	if err == nil && f.output == "text" && !d.Plan.Nothing() {
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s runs %s %s now\n", s.Name, m.Project, d.Plan.Target.Version)
	}
	return result, err
}

// carryOut runs what was decided.
func (f *siteFlags) carryOut(cmd *cobra.Command, work siteWork, d *site.Deployment) error {
	progress := cmd.ErrOrStderr()
	say := func(line string) { fmt.Fprintf(progress, "%s: %s\n", work.site.Name, harmless(line)) }
	var runner site.Runner = site.Jobs{Cluster: work.cluster, Log: harmlessWriter{progress}, Say: say}
	if f.local {
		runner = site.Local{Cluster: work.cluster, Log: harmlessWriter{progress}}
	}
	return d.Run(cmd.Context(), f.settings(runner, say))
}

// settings are how plans are carried out.
func (f *siteFlags) settings(runner site.Runner, say func(string)) site.Run {
	run := site.Run{Actor: actor(), Runner: runner, Timeout: 30 * time.Minute, Start: f.start, Say: say}
	if f.timeout > 0 {
		run.Timeout, run.Wait = f.timeout, f.timeout*9/10 // so that the root image can say what it waited for
	}
	return run
}

func (f *siteFlags) show(cmd *cobra.Command, r siteResult) error {
	if f.output == "json" {
		return nil
	}
	_, err := io.WriteString(cmd.OutOrStdout(), harmless(r.String()))
	return err
}

// deployResult is the JSON of quoit deploy, with --dry-run or without.
type deployResult struct {
	Schema  int          `json:"schema"`
	Project string       `json:"project"`
	Sites   []siteResult `json:"sites"`
}

// siteResult is what a deploy does at one site.
type siteResult struct {
	Site        string          `json:"site"`
	Environment string          `json:"environment,omitempty"`
	Ring        string          `json:"ring,omitempty"`
	Cluster     string          `json:"cluster,omitempty"`
	Namespace   string          `json:"namespace,omitempty"`
	Installed   *deploy.Release `json:"installed,omitempty"` // before
	deploy.Plan
	Downgrade bool   `json:"downgrade"`
	Reason    string `json:"reason,omitempty"` // why, if not because of the ring
	Done      bool   `json:"done"`
	Error     string `json:"error,omitempty"`

	project string
}

func newSiteResult(d *site.Deployment) siteResult {
	reason := ""
	if d.Values {
		reason = "a value in quoit-site has changed"
	}
	return siteResult{
		Reason: reason, Site: d.Site.Name, Environment: d.Site.Environment, Ring: d.Site.Ring, Cluster: d.Site.Cluster, Namespace: d.Site.Namespace,
		Installed: d.Before.Installed, Plan: d.Plan, Downgrade: d.Downgrades(), project: d.Site.Project,
	}
}

// String is a line that says where the site goes, and a line for each step.
func (r siteResult) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s ", r.Site, r.project)
	if r.Installed != nil && (r.Target == nil || !r.Installed.Same(*r.Target)) {
		fmt.Fprintf(&b, "%s → ", r.Installed.Version)
	}
	if r.Target == nil {
		b.WriteString("nothing")
	} else {
		b.WriteString(r.Target.Version.String())
	}
	switch {
	case r.Downgrade && r.Target != nil:
		fmt.Fprintf(&b, ", a downgrade, because ring %s went back", r.Ring)
	case r.Nothing():
		b.WriteString(", nothing to do")
	case r.Resumes:
		b.WriteString(", goes on with what did not end")
	}
	if r.Reason != "" {
		fmt.Fprintf(&b, ", because %s", r.Reason)
	}
	fmt.Fprintf(&b, " (namespace %s", r.Namespace)
	if r.Cluster != "" {
		fmt.Fprintf(&b, " of %s", r.Cluster)
	}
	b.WriteString(")\n")
	for _, step := range r.Steps {
		fmt.Fprintf(&b, "  %s\n", step)
	}
	return b.String()
}
