package rollout

import (
	"context"
	"errors"
	"fmt"

	distribution "github.com/distribution/reference"

	"github.com/quoitbuild/quoit/deploy"
	"github.com/quoitbuild/quoit/deploy/site"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/store/mirror"
	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/versioning"
)

// Releases answers a site's questions about releases from the project's registry;
// it is a [site.Releases]. It may be used by one goroutine.
type Releases struct {
	project *store.Project
	source  Source
	places  map[string]versioning.Place
}

// Source says from where a site pulls a project.
type Source struct {
	// Root is the name of the root image.
	Root string
	// Project is where the project's images are: registry.example.com/acme/shop.
	Project string
	// Mirror says that this is a mirror of the project's registry: externals are
	// pulled from there too.
	Mirror bool
}

// NewReleases returns the releases of a project. No request is made.
func NewReleases(p *store.Project, source Source) *Releases {
	return &Releases{project: p, source: source, places: map[string]versioning.Place{}}
}

// Source says from where the site pulls.
func (r *Releases) Source() Source { return r.source }

// ErrEmptyRing says that a ring has no release.
var ErrEmptyRing = errors.New("has no release")

// InRing is the release that a ring has. The error is [ErrEmptyRing], wrapped, for an
// empty ring, else one of [store.Project.Ring] or [store.Project.Places].
func (r *Releases) InRing(ctx context.Context, ring string) (deploy.Release, error) {
	placed, err := r.project.Ring(ctx, r.source.Root, ring)
	if err != nil {
		return deploy.Release{}, err
	}
	if placed == nil {
		return deploy.Release{}, fmt.Errorf("ring %s %w: publish one with `quoit build --push --ring %[1]s`, or let `quoit shift` bring one", ring, ErrEmptyRing)
	}
	release := deploy.Release{Version: placed.Release.Version(), Digest: placed.Digest}
	return release, r.find(ctx, release)
}

// find looks up those releases whose place is not known. A project without a
// log has none.
func (r *Releases) find(ctx context.Context, releases ...deploy.Release) error {
	var unknown []string
	for _, release := range releases {
		if _, known := r.places[release.Digest]; !known {
			unknown = append(unknown, release.Digest)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	found, err := r.project.Places(ctx, unknown...)
	if err != nil {
		return err
	}
	for _, digest := range unknown {
		r.places[digest] = found[digest]
	}
	return nil
}

// Lineage is from the project's log.
func (r *Releases) Lineage(ctx context.Context, releases []deploy.Release) (deploy.Descends, error) {
	if err := r.find(ctx, releases...); err != nil {
		return nil, err
	}
	return deploy.FromLog(func(digest string) (versioning.Place, bool) {
		place := r.places[digest]
		return place, !place.Empty()
	}), nil
}

// Images has the digests that the log says.
func (r *Releases) Images(ctx context.Context, release deploy.Release) (site.Images, error) {
	if err := r.find(ctx, release); err != nil {
		return site.Images{}, err
	}
	place := r.places[release.Digest]
	if place.Empty() { // older than the log
		place = versioning.Place{Root: r.source.Root, Version: release.Version, Digest: release.Digest}
	}
	images, err := r.project.Images(ctx, place)
	if err != nil {
		return site.Images{}, err
	}
	labelled, err := r.project.Release(ctx, r.source.Root, release.Digest)
	if err != nil {
		return site.Images{}, err
	}
	all := referencesOf(r.source.Project, images)
	for name, external := range labelled.Externals {
		if all[name], err = r.external(name, external); err != nil {
			return site.Images{}, err
		}
	}
	return site.Images{Root: all[r.source.Root], All: all}, nil
}

// external is where a site pulls an image that the project does not build: from
// where it comes from, or, of a mirror, from beside the project's own images.
func (r *Releases) external(name string, e versioning.External) (string, error) {
	if r.source.Mirror {
		return r.source.Project + "/" + mirror.Externals + "/" + name + "@" + e.Digest, nil
	}
	named, err := distribution.ParseNormalizedNamed(e.Reference)
	if err != nil || e.Digest == "" {
		return "", fmt.Errorf("the release does not say what the external %s is: %q at %q", name, e.Reference, e.Digest)
	}
	return distribution.TrimNamed(named).Name() + "@" + e.Digest, nil
}

// referencesOf are images of a project by name, each with its digest.
func referencesOf(project string, images map[string]records.Image) map[string]string {
	references := make(map[string]string, len(images))
	for name, image := range images {
		references[name] = project + "/" + name + "@" + image.Digest
	}
	return references
}
