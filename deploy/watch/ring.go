package watch

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/quoitbuild/quoit/deploy/rollout"
	"github.com/quoitbuild/quoit/deploy/site"
	"github.com/quoitbuild/quoit/manifest"
	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/store"
)

// Ring is a ring that is followed, with the sites that want what it has.
type Ring struct {
	name  string // of the metrics: the reference
	open  func(registry.Options) (*store.Project, error)
	root  string
	ring  string
	sites []*member
	said  string // the error that was said last

	// What was read of the log, when; only its follower uses it.
	state     store.State
	since     time.Time
	saidOfTag string
}

// digest is what the ring has by the log as it was read last, "" for nothing.
func (r *Ring) digest() string { return r.state.Rings()[r.ring].Digest }

// member is one site of a ring that is followed.
type member struct {
	site manifest.Site
	// open connects to the site, with credentials as they are now.
	open func(context.Context, *store.Project) (rollout.Site, error)
	said string // the error that was said last
}

// Rings are those that sites of a manifest follow, in the order of the sites. A site
// that is named twice is followed once. agent is sent to the clusters.
func Rings(m *manifest.Manifest, sites []manifest.Site, agent string) []*Ring {
	byName := map[string]*Ring{}
	var rings []*Ring
	for _, s := range sites {
		ring := byName[s.Ring]
		if ring == nil {
			ring = &Ring{name: m.Repository(m.Root) + ":" + s.Ring, root: m.Root, ring: s.Ring}
			ring.open = func(o registry.Options) (*store.Project, error) { return store.Open(m.Registry, m.Project, o) }
			byName[s.Ring] = ring
			rings = append(rings, ring)
		}
		if slices.ContainsFunc(ring.sites, func(other *member) bool { return other.site.Name == s.Name }) {
			continue
		}
		ring.sites = append(ring.sites, &member{site: s, open: func(_ context.Context, p *store.Project) (rollout.Site, error) {
			return rollout.Open(m, p, s, site.ClusterOptions{UserAgent: agent})
		}})
	}
	return rings
}

// ErrReference says that a reference does not name a root image and a ring.
var ErrReference = errors.New("name REPO:RING like registry.example.com/acme/shop/deploy:users")

// Reference is a ring without a manifest: reference is the root image's repository and the
// ring, s the site that follows it there, whose name is the ring's unless it has one. The
// site may pull from that registry although it is a mirror. agent is sent to the cluster.
// The error is [ErrReference], or says what is wrong with the reference.
func Reference(reference string, s manifest.Site, mirror bool, agent string) (*Ring, error) {
	slash := strings.LastIndex(reference, "/")
	root, ring, found := strings.Cut(reference[slash+1:], ":")
	project := strings.TrimSuffix(reference[:max(slash, 0)], "/")
	host, path, nested := strings.Cut(project, "/")
	if !found || root == "" || ring == "" || !nested {
		return nil, ErrReference
	}
	if s.Ring = ring; s.Name == "" {
		s.Name = ring
	}
	opened := func(o registry.Options) (*store.Project, error) { return store.Open(host, path, o) }
	if _, err := opened(registry.Options{}); err != nil {
		return nil, err
	}
	open := func(ctx context.Context, p *store.Project) (rollout.Site, error) {
		releases := rollout.NewReleases(p, rollout.Source{Root: root, Project: project, Mirror: mirror})
		named, err := releases.Project(ctx, ring)
		if err != nil {
			return rollout.Site{}, err
		}
		cluster, err := site.Connect(site.ClusterOptions{UserAgent: agent})
		return rollout.Site{Place: site.Site{Project: named, Site: s}, Cluster: cluster, Releases: releases}, err
	}
	return &Ring{name: reference, root: root, ring: ring, open: opened, sites: []*member{{site: s, open: open}}}, nil
}
