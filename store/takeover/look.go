package takeover

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"unicode"

	"github.com/quoitbuild/quoit/labels"
	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/versioning"
)

// found is a release to take over.
type found struct {
	rings   []string
	place   records.Place // without numbers, unless an older quoit has recorded it
	release versioning.Release
	claims  Claims
	images  map[string]records.Image
	tags    map[string][]versioning.Version // of the images, and what the log has assigned
}

// look finds what there is to take over.
func (t *taker) look(ctx context.Context) error {
	state, err := t.project.State(ctx)
	switch {
	case err != nil:
		return err
	case state.Origin != "":
		return &store.MirrorError{Mirror: t.at.String(), Origin: state.Origin}
	}
	t.newest, t.found = state.Newest.Record, nil
	t.outcome = Outcome{Project: t.project.Name(), Releases: []Release{}, Known: []Ring{}}
	if err := t.rings(ctx); err != nil {
		return err
	}
	for i := range t.found {
		if err := t.describe(ctx, &t.found[i]); err != nil {
			return err
		}
	}
	t.ancestorsFirst()
	l, err := t.logged(ctx, state.Newest)
	if err != nil {
		return err
	}
	for i := range t.found {
		if err := t.collect(ctx, l, &t.found[i]); err != nil {
			return err
		}
	}
	return nil
}

// rings finds the releases of the rings, each once.
func (t *taker) rings(ctx context.Context) error {
	take := slices.Compact(inOrder(t.options.Take, t.options.Rings))
	tags := make([]string, len(take))
	err := t.pace.Each(len(take), func(i int) (err error) {
		if !slices.Contains(t.options.Rings, take[i]) {
			return &versioning.RingError{Ring: take[i], Rings: t.options.Rings}
		}
		tags[i], _, err = t.at.Repository(t.options.Root).Head(ctx, take[i])
		return err
	})
	if err != nil {
		return err
	}
	for i, ring := range take {
		place, used := t.newest.After[ring]
		reference := t.at.Repository(t.options.Root).Reference(ring)
		switch {
		case used && (place.Empty() || place.Digest != tags[i]):
			return fmt.Errorf("ring %s has %s by the log, and %s is %s: a ring that the log knows is not taken over, put its tag back with `quoit repair %[1]s`",
				ring, has(place), reference, cmp.Or(tags[i], "not there"))
		case place.Record > 0:
			t.outcome.Known = append(t.outcome.Known, Ring{ring, place.Version})
		case used:
			t.add(place, t.having(place)...)
		case tags[i] == "" || records.IsNothing(tags[i]):
			return fmt.Errorf("ring %s has nothing to take over: there is no release behind %s", ring, reference)
		default:
			t.add(records.Place{Root: t.options.Root, Digest: tags[i]}, ring)
		}
	}
	return nil
}

func has(place records.Place) string {
	if place.Empty() {
		return "nothing"
	}
	return fmt.Sprintf("%s (%s)", place.Version, place.Digest)
}

// having are the rings that have a release by the log.
func (t *taker) having(place records.Place) []string {
	var rings []string
	for _, ring := range slices.Sorted(maps.Keys(t.newest.After)) {
		if t.newest.After[ring].Same(place) {
			rings = append(rings, ring)
		}
	}
	return inOrder(rings, t.options.Rings)
}

// add adds a release, or rings to one that is there already.
func (t *taker) add(place records.Place, rings ...string) {
	at := slices.IndexFunc(t.found, func(f found) bool { return f.place.Digest == place.Digest })
	if at < 0 {
		at = len(t.found)
		t.found = append(t.found, found{place: place})
	}
	for _, ring := range rings {
		if !slices.Contains(t.found[at].rings, ring) {
			t.found[at].rings = append(t.found[at].rings, ring)
		}
	}
}

// describe reads what a root image says of itself.
func (t *taker) describe(ctx context.Context, f *found) error {
	repository := t.at.Repository(t.options.Root)
	failed := func(err error) error {
		return fmt.Errorf("ring %s (%s): %w", f.rings[0], repository.Reference(f.place.Digest), err)
	}
	top, there, err := repository.Get(ctx, f.place.Digest)
	if err == nil && !there {
		err = errors.New("it is not there any more")
	}
	if err != nil {
		return failed(err)
	}
	said, err := store.ClaimsOf(ctx, repository, top)
	if err != nil {
		return failed(err)
	}
	release, err := labels.Parse(said.Labels)
	switch {
	case err != nil:
		return failed(err)
	case release.Root != t.options.Root:
		return failed(fmt.Errorf("it is a release whose root image is %q", release.Root))
	case !f.place.Version.IsZero() && release.Version() != f.place.Version:
		return failed(fmt.Errorf("it says that it is release %s, and the log that it is %s", release.Version(), f.place.Version))
	}
	f.release, f.place.Version = release, release.Version()
	f.claims = Claims{
		Project: release.Project, Source: release.Source, Commit: release.Commit, Vendor: said.Labels[labels.Vendor], Created: said.Created,
		Parents: append([]versioning.Parent{}, release.Parents...),
	}
	return nil
}

// ancestorsFirst sorts the releases, so that those that others say to descend from have
// their numbers before them.
func (t *taker) ancestorsFirst() {
	left := map[string]found{}
	for _, f := range t.found {
		left[f.place.Digest] = f
	}
	var sorted []found
	var take func(digest string)
	take = func(digest string) {
		f, is := left[digest]
		if !is {
			return
		}
		delete(left, digest)
		for _, parent := range f.release.Parents {
			take(parent.Digest)
		}
		sorted = append(sorted, f)
	}
	for _, f := range t.found {
		take(f.place.Digest)
	}
	t.found = sorted
}

// origin is what the release says of its sources, as far as a record may say it.
func (f found) origin() (source, commit string) {
	if !records.IsCommit(f.release.Commit) || len(f.release.Source) > 2048 || strings.ContainsFunc(f.release.Source, unicode.IsControl) {
		return "", ""
	}
	return f.release.Source, f.release.Commit
}

// logged is what the log says of releases, and of versions of images.
type logged struct {
	releases map[string]records.Place // by digest
	images   map[records.Content]loggedImage
	versions map[string][]versioning.Version // of each image, those of publishes that were taken back too
}

type loggedImage struct {
	digest string
	record uint64
}

// logged reads the log back to its beginning, or to where a record is gone: what it has
// before that it does not know.
func (t *taker) logged(ctx context.Context, newest records.Sealed) (logged, error) {
	l := logged{map[string]records.Place{}, map[records.Content]loggedImage{}, map[string][]versioning.Version{}}
	seen, void := map[records.Content]bool{}, false
	for sealed, err := range t.log.Back(ctx, newest) {
		if failed := new(registry.RequestError); errors.As(err, &failed) {
			return l, err
		}
		if err != nil {
			break
		}
		record := sealed.Record
		for _, place := range record.After {
			if !void && place.Record > 0 {
				l.releases[place.Digest] = place
			}
		}
		for name, image := range record.Images {
			tag := records.Content{Repository: name, Tag: image.Version.String()}
			if !void {
				l.images[tag] = loggedImage{image.Digest, record.Sequence}
			}
			if !seen[tag] {
				seen[tag], l.versions[name] = true, append(l.versions[name], image.Version)
			}
		}
		void = record.Operation == records.OpVoid
	}
	return l, nil
}

// collect finds the images of a release: what the log says of their versions, else what
// their tags name now.
func (t *taker) collect(ctx context.Context, l logged, f *found) error {
	if place, known := l.releases[f.place.Digest]; known && f.place.Release == 0 {
		return fmt.Errorf("ring %s: the log knows release %s, which its tag names: place it with `quoit set %[1]s %s`", f.rings[0], place.Version, place.Version)
	}
	var mu sync.Mutex
	names := slices.Sorted(maps.Keys(f.release.Images))
	images := make([]Image, len(names))
	f.images, f.tags = map[string]records.Image{}, map[string][]versioning.Version{}
	err := t.pace.Each(len(names), func(i int) error {
		image, err := t.image(ctx, l, *f, names[i])
		if err != nil {
			return err
		}
		tags, err := registry.AllTags(ctx, t.at.Repository(names[i]))
		mu.Lock()
		defer mu.Unlock()
		images[i], f.images[names[i]] = image, records.Image{Version: image.Version, Digest: image.Digest}
		for _, tag := range tags {
			if version, other := versioning.Parse(tag); other == nil {
				f.tags[names[i]] = append(f.tags[names[i]], version)
			}
		}
		f.tags[names[i]] = append(f.tags[names[i]], l.versions[names[i]]...) // though somebody has deleted the tag
		return err
	})
	t.outcome.Releases = append(t.outcome.Releases, Release{
		Rings: f.rings, Version: f.place.Version, Digest: f.place.Digest, Listed: f.place.Release > 0, Claims: f.claims, Images: images,
	})
	return err
}

func (t *taker) image(ctx context.Context, l logged, f found, name string) (Image, error) {
	version, repository := f.release.Images[name].Version, t.at.Repository(name)
	known := l.images[records.Content{Repository: name, Tag: version.String()}]
	image := Image{Image: name, Version: version, Digest: known.digest, Record: known.record}
	if known.record == 0 {
		digest, found, err := repository.Head(ctx, version.String())
		switch {
		case err != nil:
			return image, err
		case !found:
			return image, fmt.Errorf("%s, which release %s of ring %s has, is not there: push it again by its digest and tag it", repository.Reference(version.String()), f.place.Version, f.rings[0])
		case records.IsTombstone(digest):
			return image, fmt.Errorf("%s, which release %s of ring %s has, was pruned", repository.Reference(version.String()), f.place.Version, f.rings[0])
		}
		image.Digest = digest
	}
	if name != t.options.Root || image.Digest == f.place.Digest {
		return image, nil
	}
	if known.record > 0 {
		return image, fmt.Errorf("ring %s: its tag names %s, which says that it is release %s; by record %d of the log that is %s", f.rings[0], f.place.Digest, version, known.record, known.digest)
	}
	return image, fmt.Errorf("%s is %s, and ring %s has %s as release %s: let both name one image", repository.Reference(version.String()), image.Digest, f.rings[0], f.place.Digest, version)
}
