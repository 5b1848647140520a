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

// Releases answers a site's questions about releases by the project's log; it is a
// [site.Releases]. It may be used by one goroutine.
type Releases struct {
	project *store.Project
	source  Source
	state   store.State // as it was read last
	read    bool
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

// InRing is the release that a ring has now by the log. The error is [ErrEmptyRing],
// wrapped, for an empty ring, else one of [store.Project.State].
func (r *Releases) InRing(ctx context.Context, ring string) (deploy.Release, error) {
	if err := r.look(ctx, ring); err != nil {
		return deploy.Release{}, err
	}
	place := r.state.Rings()[ring]
	if !place.Empty() {
		return deploy.Release{Version: place.Version, Digest: place.Digest}, nil
	}
	err := fmt.Errorf("ring %s %w: publish one with `quoit build --push --ring %[1]s`, or let `quoit shift` bring one", ring, ErrEmptyRing)
	if differences, other := r.Differences(ctx, ring); other == nil && len(differences) > 0 {
		err = fmt.Errorf("ring %s %w: %s", ring, ErrEmptyRing, differences[0])
	}
	return deploy.Release{}, err
}

// Project is the project's own name, as the release says that a ring has by the log: a
// registry may have a path too. Errors are those of [Releases.InRing], or say that the
// ring has a release of another root image.
func (r *Releases) Project(ctx context.Context, ring string) (string, error) {
	if _, err := r.InRing(ctx, ring); err != nil {
		return "", err
	}
	place := r.state.Rings()[ring]
	if place.Root != r.source.Root {
		return "", fmt.Errorf("ring %s has a release whose root image is %s/%s by the log, not %s", ring, r.source.Project, place.Root, r.source.Root)
	}
	release, err := r.project.Release(ctx, place.Root, place.Digest)
	return release.Project, err
}

// look reads what the log says.
func (r *Releases) look(ctx context.Context, rings ...string) error {
	state, err := r.project.State(ctx, rings...)
	if err == nil {
		state, err = r.project.Settled(ctx, state)
	}
	if err != nil {
		return err
	}
	r.state, r.read = state, true
	for _, place := range state.Rings() {
		if !place.Empty() {
			r.places[place.Digest] = place
		}
	}
	return nil
}

// Differences says whether the tag of a ring that was read names something else than the
// log says; nothing is decided by it. Errors are those of [store.Differences].
func (r *Releases) Differences(ctx context.Context, ring string) ([]store.Difference, error) {
	return store.Differences(ctx, r.project, r.state, r.source.Root, []string{ring})
}

// find looks up those releases whose place is not known. A project without a
// log has none.
func (r *Releases) find(ctx context.Context, releases ...deploy.Release) error {
	if !r.read {
		if err := r.look(ctx); err != nil {
			return err
		}
	}
	var unknown []string
	for _, release := range releases {
		if _, known := r.places[release.Digest]; !known {
			unknown = append(unknown, release.Digest)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	found, err := r.project.Places(ctx, r.state, unknown...)
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
	if place.Empty() {
		return site.Images{}, &store.UnlistedError{Version: release.Version, Digest: release.Digest}
	}
	images, err := r.project.Images(ctx, place)
	if err != nil {
		return site.Images{}, err
	}
	labelled, err := r.project.Release(ctx, place.Root, place.Digest)
	if err != nil {
		return site.Images{}, err
	}
	all := referencesOf(r.source.Project, images)
	for name, external := range labelled.Externals {
		if all[name], err = r.external(name, external); err != nil {
			return site.Images{}, err
		}
	}
	return site.Images{Root: all[place.Root], All: all}, nil
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
