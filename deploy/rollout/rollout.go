// Package rollout joins what a deploy to a site needs: the site as the manifest has
// it, its cluster, and the releases in the project's registry.
//
// [Open] makes no request. [Site.Prepare] decides what brings the site to what its ring
// has, [NewResult] shows that, and the [site.Deployment] is run with [Limits.Run]:
//
//	s, err := rollout.Open(m, project, entry, site.ClusterOptions{UserAgent: "quoit/1"})
//	d, err := s.Prepare(ctx, deploy.Options{}, false)
//	fmt.Print(rollout.NewResult(d))
//	err = d.Run(ctx, rollout.Limits{}.Run("ann", site.Jobs{Cluster: s.Cluster}, say))
package rollout

import (
	"context"
	"fmt"
	"time"

	"github.com/quoitbuild/quoit/deploy"
	"github.com/quoitbuild/quoit/deploy/site"
	"github.com/quoitbuild/quoit/manifest"
	"github.com/quoitbuild/quoit/store"
)

// Site is one site with all that is needed to deploy there.
type Site struct {
	// Place is what the root image is told of it.
	Place site.Site
	// Cluster is where it is.
	Cluster *site.Cluster
	// Releases are those of the project, as the site pulls them.
	Releases *Releases
}

// Open connects to the cluster of a manifest's site. It makes no request; the error
// says what is wrong with the kubeconfig. The options' context is the site's.
func Open(m *manifest.Manifest, p *store.Project, s manifest.Site, o site.ClusterOptions) (Site, error) {
	o.Context = s.Cluster
	cluster, err := site.Connect(o)
	if err != nil {
		return Site{}, fmt.Errorf("site %s: %w", s.Name, err)
	}
	place, releases := Of(m, p, s)
	return Site{Place: place, Cluster: cluster, Releases: releases}, nil
}

// Of is a site of the manifest and its releases, without its cluster.
func Of(m *manifest.Manifest, p *store.Project, s manifest.Site) (site.Site, *Releases) {
	pulled := m.Registry
	if s.Registry != "" {
		pulled = s.Registry
	}
	source := Source{Root: m.Root, Project: pulled + "/" + m.Project, Mirror: pulled != m.Registry}
	return site.Site{Project: m.Project, Site: s}, NewReleases(p, source)
}

// Prepare decides what brings the site to what its ring has. With takeOver the site
// gets fields that somebody else owns. Errors are those of [Releases.InRing] and of
// [site.Cluster.Prepare].
func (s Site) Prepare(ctx context.Context, options deploy.Options, takeOver bool) (*site.Deployment, error) {
	target, err := s.Releases.InRing(ctx, s.Place.Ring)
	if err != nil {
		return nil, fmt.Errorf("site %s: %w", s.Place.Name, err)
	}
	return s.Cluster.Prepare(ctx, s.Place, site.Goal{Target: &target, Releases: s.Releases, Options: options, TakeOver: takeOver})
}

// Limits are how long a step of a deploy may take.
type Limits struct {
	// Timeout is for one run of a root image; 0: 30 minutes, and 5 for each wait in it.
	Timeout time.Duration
	// Start is for its pod to begin.
	Start time.Duration
}

// Run is how a deployment is carried out within the limits, by whom, and who is told.
func (l Limits) Run(actor string, runner site.Runner, say func(string)) site.Run {
	run := site.Run{Actor: actor, Runner: runner, Timeout: 30 * time.Minute, Start: l.Start, Say: say}
	if l.Timeout > 0 {
		run.Timeout, run.Wait = l.Timeout, l.Timeout*9/10 // so that the root image can say what it waited for
	}
	return run
}
