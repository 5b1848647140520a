package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/quoitbuild/quoit/deploy"
	"github.com/quoitbuild/quoit/deploy/site"
	"github.com/quoitbuild/quoit/internal/diag"
	"github.com/quoitbuild/quoit/manifest"
	"github.com/quoitbuild/quoit/store"
)

// siteFlags are those of every command that runs root images.
type siteFlags struct {
	project projectFlags
	dryRun  bool
	local   bool
	timeout time.Duration
	start   time.Duration
	adopt   bool
	output  string
}

func (f *siteFlags) register(flags *pflag.FlagSet) {
	f.project.register(flags)
	flags.BoolVar(&f.dryRun, "dry-run", false, "only say what would be run")
	flags.DurationVar(&f.timeout, "timeout", 0, "how long one run of a root image may take (default 30m, and 5m for each wait in it)")
	flags.DurationVar(&f.start, "start-timeout", 2*time.Minute, "how long it may take until it runs")
}

func (f *siteFlags) check() error {
	if f.timeout != 0 && f.timeout < time.Second || f.start < time.Second {
		return usagef("--timeout and --start-timeout: choose a second or more")
	}
	return checkOutput(f.output)
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
		return found, usagef("there is no site %q: did you mean %q", name, near)
	default:
		return found, usagef("there is no site %q: choose one of %s", name, strings.Join(m.SiteNames(), ", "))
	}
}

// siteWork is one site with all that is needed to deploy there.
type siteWork struct {
	site     site.Site
	cluster  *site.Cluster
	releases *siteReleases
}

// openSite connects to a site's cluster. No request is made.
func openSite(m *manifest.Manifest, p *store.Project, s manifest.Site) (siteWork, error) {
	cluster, err := site.Connect(site.ClusterOptions{Context: s.Cluster, UserAgent: "quoit/" + version})
	if err != nil {
		return siteWork{}, fmt.Errorf("site %s: %w", s.Name, err)
	}
	place, releases := siteOf(m, p, s)
	return siteWork{site: place, cluster: cluster, releases: releases}, nil
}

// siteOf is a site of the manifest, and its releases.
func siteOf(m *manifest.Manifest, p *store.Project, s manifest.Site) (site.Site, *siteReleases) {
	pulled := m.Registry
	if s.Registry != "" {
		pulled = s.Registry
	}
	return site.Site{Project: m.Project, Site: s}, newSiteReleases(p, m.Root, pulled+"/"+m.Project, pulled != m.Registry)
}

// prepare decides what brings the site to what its ring holds.
func (w siteWork) prepare(ctx context.Context, options deploy.Options, adopt bool) (*site.Deployment, error) {
	target, err := w.releases.held(ctx, w.site.Ring)
	if err != nil {
		return nil, fmt.Errorf("site %s: %w", w.site.Name, err)
	}
	return w.cluster.Prepare(ctx, w.site, site.Goal{Target: &target, Releases: w.releases, Options: options, Adopt: adopt})
}

// siteMoved reports whether somebody else deploys to a site or did in between.
func siteMoved(err error) bool {
	return errors.As(err, new(*site.HeldError)) || errors.As(err, new(*site.MovedError)) || errors.As(err, new(*site.LostError))
}
