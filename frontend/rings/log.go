// Package rings reads what a project's log says of its rings, as a build has to know it: the
// newest record, the releases that it names, and the digests of images.
//
//	log, err := rings.Open(ctx, rings.Options{Images: images, Manifest: m, Named: newest})
//	state, err := log.State(ctx, "developers")
package rings

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/quoitbuild/quoit/labels"
	"github.com/quoitbuild/quoit/manifest"
	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/versioning"
)

// Log reads what the project's log says, and the releases that it names. It asks for
// digests only, but for the hint where nobody has named the newest record: tags of
// versions and rings are claims of whoever may push.
type Log struct {
	*lookup
	manifest *manifest.Manifest
	root     []ocispecs.Platform // the root image's platforms
	newest   records.Sealed      // zero if there is none
}

// maxParallel bounds the questions to the registry at one time.
const maxParallel = 32

// NoRecord names the newest record of a project without a log.
const NoRecord = "none"

// Options say where a log is.
type Options struct {
	Images   Images
	Manifest *manifest.Manifest
	// Root are the root image's platforms.
	Root []ocispecs.Platform
	// Named says which record is the newest: its digest, [NoRecord], or "" if it is not
	// known; Known has that record, if it was read already, and may be nil.
	Named func(context.Context) (string, error)
	Known func() records.Sealed
}

// Open reads the newest record of a log.
func Open(ctx context.Context, o Options) (Log, error) {
	l := Log{lookup: &lookup{from: o.Images}, manifest: o.Manifest, root: o.Root}
	name, err := o.Named(ctx)
	if err != nil || name == NoRecord {
		return l, err
	}
	if o.Known != nil && name != "" {
		if l.newest = o.Known(); l.newest.Digest == name {
			return l, nil
		}
	}
	l.newest, err = l.open(ctx, name)
	return l, err
}

// open reads the record with that digest, or if there is none, the one that the hint
// names; zero if there is no log.
func (l Log) open(ctx context.Context, named string) (records.Sealed, error) {
	repository := l.manifest.Repository(records.Repository)
	ref, what := repository+"@"+named, "newest record of the log"
	if named == "" {
		ref, what = repository+":"+string(records.Hint), "log (a project without one is no error)"
	}
	image, err := l.read(ctx, ref, nil, what)
	switch {
	case err != nil:
		return records.Sealed{}, err
	case image == nil && named == "":
		return records.Sealed{}, nil // nothing was released yet
	case image == nil:
		return records.Sealed{}, gone(ref, "check what lies between BuildKit and the registry")
	case named == "" && image.Labels[labels.Record] == "" && image.Labels[labels.Empty] != "":
		return records.Sealed{}, fmt.Errorf("%s/%s is a mirror: build at its origin, and run `quoit copy` again", l.manifest.Registry, l.manifest.Project)
	}
	return parseRecord(ref, image)
}

// parseRecord reads a record from the label of its config.
func parseRecord(ref string, image *published) (records.Sealed, error) {
	label, found := image.Labels[labels.Record]
	if !found {
		return records.Sealed{}, fmt.Errorf("%s: %w: run `quoit verify`", ref, records.ErrNotRecord)
	}
	image.parse.Do(func() { image.record, image.err = records.Parse([]byte(label)) })
	if image.err != nil {
		return records.Sealed{}, fmt.Errorf("%s: %w", ref, image.err)
	}
	return records.Sealed{Record: image.record, Digest: image.Digest}, nil
}

// gone is the error for what the log names by digest and BuildKit does not find: also what
// a registry in trouble does not give.
func gone(ref, next string) error {
	return fmt.Errorf("%s is not found, although the log names it: run the same command again later, and if that does not help, %s", ref, next)
}

// State reads the release that a build for the ring continues, and the next ring's.
func (l Log) State(ctx context.Context, ring string) (versioning.State, error) {
	rings := l.manifest.RingOrder()
	placed := map[string]*versioning.Placed{}
	for ring, place := range l.newest.Record.After {
		if !place.Empty() {
			placed[ring] = &versioning.Placed{Ring: ring, Digest: place.Digest}
		}
	}
	state, err := versioning.Select(rings, ring, placed)
	if err != nil {
		return versioning.State{}, err
	}
	var needed []string
	for _, one := range []*versioning.Placed{state.Current, state.Next} {
		if one != nil {
			needed = append(needed, one.Ring)
		}
	}
	// That a record is not the one which published a release says more than what is
	// wrong with that release, so it does not matter which is known first.
	var unread error
	var eg errgroup.Group
	eg.Go(func() error {
		placed, unread = l.rings(ctx, needed)
		return nil
	})
	for _, ring := range needed {
		eg.Go(func() error { // so that they are known when digests are looked for
			_, err := l.images(ctx, ring)
			return err
		})
	}
	if err := eg.Wait(); err != nil || unread != nil {
		return versioning.State{}, cmp.Or(err, unread)
	}
	return versioning.Select(rings, ring, placed)
}

// Check says which of the rings is none, or has no release.
func (l Log) Check(rings []string) error {
	order := l.manifest.RingOrder()
	for _, ring := range rings {
		switch {
		case !slices.Contains(order, ring):
			return &versioning.RingError{Ring: ring, Rings: order}
		case l.newest.Record.After[ring].Empty():
			return fmt.Errorf("%s has no release: leave it out", ring)
		}
	}
	return nil
}

// Releases reads those of rings that have one.
func (l Log) Releases(ctx context.Context, rings []string) ([]versioning.Placed, error) {
	placed, err := l.rings(ctx, rings)
	if err != nil {
		return nil, err
	}
	var releases []versioning.Placed
	for _, ring := range rings {
		releases = append(releases, *placed[ring])
	}
	return releases, nil
}

// rings reads the releases of rings that have one.
func (l Log) rings(ctx context.Context, rings []string) (map[string]*versioning.Placed, error) {
	releases := make([]*versioning.Placed, len(rings))
	eg, ctx := errgroup.WithContext(ctx)
	eg.SetLimit(maxParallel)
	for i, ring := range rings {
		eg.Go(func() (err error) {
			releases[i], err = l.release(ctx, ring)
			return err
		})
	}
	if err := eg.Wait(); err != nil {
		return nil, err
	}
	placed := map[string]*versioning.Placed{}
	for _, release := range releases {
		placed[release.Ring] = release
	}
	return placed, nil
}

// release reads the release that a ring has.
func (l Log) release(ctx context.Context, ring string) (*versioning.Placed, error) {
	place := l.newest.Record.After[ring]
	ref := l.manifest.Repository(place.Root) + "@" + place.Digest
	image, err := l.read(ctx, ref, l.root, fmt.Sprintf("release %s of ring %s", place.Version, ring))
	if err != nil {
		return nil, err
	}
	if image == nil {
		return nil, gone(ref, fmt.Sprintf("run `quoit repair`, or give ring %s another release than %s with `quoit set`", ring, place.Version))
	}
	release, err := labels.Parse(image.Labels)
	if err != nil {
		return nil, fmt.Errorf("ring %s (%s): %w", ring, ref, err)
	}
	return &versioning.Placed{Ring: ring, Digest: place.Digest, Release: release}, nil
}

// images are those of the release that a ring has, as its publish recorded them; nil
// for a release that is older than the log.
func (l Log) images(ctx context.Context, ring string) (map[string]records.Image, error) {
	place := l.newest.Record.After[ring]
	switch place.Record {
	case 0:
		return nil, nil
	case l.newest.Record.Sequence:
		return l.newest.Record.Images, nil
	}
	ref := l.manifest.Repository(records.Repository)
	if digest := l.newest.Record.Digests[place.Record]; digest != "" {
		ref += "@" + digest
	} else { // an old record does not say it; this tag has one content for ever
		ref += ":" + records.Name{Sequence: place.Record}.String()
	}
	image, err := l.read(ctx, ref, nil, fmt.Sprintf("record %d of the log", place.Record))
	if err != nil {
		return nil, err
	}
	if image == nil {
		return nil, gone(ref, "run `quoit repair`")
	}
	published, err := parseRecord(ref, image)
	if err != nil {
		return nil, err
	}
	if root := published.Record.Images[place.Root]; published.Record.Sequence != place.Record || root.Digest != place.Digest {
		return nil, fmt.Errorf("%s is not the record that published %s %s, which %s has: run `quoit verify`", ref, place.Root, place.Version, ring)
	}
	return published.Record.Images, nil
}

// Digest is the one that the log has assigned to a version of an image, by the releases
// that may have it; "" if one has it that is older than the log, in the ring that is
// returned then, or if none has it.
func (l Log) Digest(ctx context.Context, among []versioning.Placed, image string, version versioning.Version) (digest, ring string, err error) {
	for _, placed := range among {
		if placed.Release.Images[image].Version != version {
			continue
		}
		if image == placed.Release.Root {
			return placed.Digest, "", nil
		}
		images, err := l.images(ctx, placed.Ring)
		if err != nil {
			return "", "", err
		}
		if recorded := images[image]; recorded.Version == version {
			return recorded.Digest, "", nil
		}
		ring = placed.Ring
	}
	return "", ring, nil
}

// Account is the digest of what has the account of a version of an image, by the releases
// that may have it; "" if none was kept, or if that would have to be read.
func (l Log) Account(ctx context.Context, among []*versioning.Placed, image string, version versioning.Version) string {
	for _, placed := range among {
		if placed == nil || placed.Release.Images[image].Version != version {
			continue
		}
		if images, err := l.images(ctx, placed.Ring); err == nil && images[image].Version == version {
			return images[image].Account
		}
	}
	return ""
}

// Versions tells which versions are taken, by the releases that rings have if that has
// to be known. Of a record that does not say what was assigned, these do, which is a
// forecast.
func (l Log) Versions(held func() ([]versioning.Placed, error)) versioning.Lookup {
	releases := func() ([]versioning.Release, error) {
		placed, err := held()
		var all []versioning.Release
		for _, one := range placed {
			all = append(all, one.Release)
		}
		return all, err
	}
	if assigned := l.newest.Record.Assigned; len(assigned) > 0 {
		return assigned.Lookup(releases)
	}
	known := sync.OnceValues(func() (versioning.Lookup, error) {
		all, err := releases()
		return forecast(all).Lookup(releases), err
	})
	return func(image string, version versioning.Version) (string, bool, error) {
		lookup, err := known()
		if err != nil {
			return "", false, err
		}
		return lookup(image, version)
	}
}

// Held are the releases that rings have, sorted by ring.
func (l Log) Held(ctx context.Context) ([]versioning.Placed, error) {
	var rings []string
	for ring, place := range l.newest.Record.After {
		if !place.Empty() {
			rings = append(rings, ring)
		}
	}
	placed, err := l.rings(ctx, rings)
	var all []versioning.Placed
	for _, ring := range slices.Sorted(maps.Keys(placed)) {
		all = append(all, *placed[ring])
	}
	return all, err
}

// forecast is what is known to be assigned from releases alone.
func forecast(releases []versioning.Release) versioning.Assigned {
	all := map[string][]versioning.Version{}
	for _, release := range releases {
		for name, image := range release.Images {
			all[name] = append(all[name], image.Version)
		}
		for name, version := range release.Retired {
			all[name] = append(all[name], version)
		}
	}
	for _, versions := range all {
		slices.SortFunc(versions, versioning.Version.Compare)
	}
	var assigned versioning.Assigned
	for i := 0; ; i++ { // the older ones first
		step := map[string]versioning.Version{}
		for name, versions := range all {
			if i < len(versions) {
				step[name] = versions[i]
			}
		}
		if len(step) == 0 {
			return assigned
		}
		assigned = assigned.With(0, step)
	}
}
