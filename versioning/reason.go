package versioning

import (
	"fmt"
	"slices"

	"github.com/quoitbuild/quoit/internal/show"
)

// Reason is one cause for a new version of an image.
type Reason struct {
	Kind   string `json:"kind"`   // one of the constants below
	Detail string `json:"detail"` // for people, one line
}

// The kinds of reasons, in the order in which an image's are listed. Those of
// one kind are in the order of the names that they are about.
const (
	ReasonNew        = "new"        // no current version
	ReasonRevision   = "revision"   // its sources differ
	ReasonDependency = "dependency" // an image that it is made from has another version
	ReasonExternal   = "external"   // an external that it reads has another digest
	ReasonPlatform   = "platform"   // a platform of the manifest is missing
	ReasonFloor      = "floor"      // the manifest's version: is above its own
	ReasonMajor      = "major"      // a major was asked for
	ReasonRebuild    = "rebuild"    // a rebuild was asked for
	ReasonRelease    = "release"    // root image: an image or external was added, removed or changed
	ReasonMerge      = "merge"      // root image: the release contains another one
	ReasonStateless  = "stateless"  // everything is built, because no state is read
)

// past is what is known of an image before this build.
type past struct {
	image Image
	// recorded is false if only the version is known, or nothing at all.
	recorded bool
}

// why lists the reasons that every image may have.
func why(source Source, was past, now Image, n Version) []Reason {
	var reasons []Reason
	add := func(kind, format string, values ...any) {
		reasons = append(reasons, Reason{kind, fmt.Sprintf(format, values...)})
	}
	old := was.image
	switch {
	case old.Version.IsZero():
		add(ReasonNew, "first version, welcome aboard")
	case !was.recorded:
		add(ReasonNew, "welcome back, its last version was %s", old.Version)
	case !source.keeps(old):
		add(ReasonRevision, "sources changed: %s → %s", show.Digest(old.newest()), show.Digest(now.Revision))
	}
	if was.recorded {
		reasons = append(reasons, dependencyReasons(source, old, now)...)
		reasons = append(reasons, externalReasons(old.Externals, now.Externals)...)
		reasons = append(reasons, platformReasons(old, now)...)
	}
	if source.Floor.Compare(old.Version) > 0 {
		add(ReasonFloor, "the manifest wants %s or later", source.Floor)
	}
	if majorDue(source, old.Version, n) {
		add(ReasonMajor, "a major was asked for")
	}
	if source.Rebuild {
		add(ReasonRebuild, "a rebuild was asked for")
	}
	return reasons
}

// dependencyReasons compares the direct dependencies that the image is made from. An
// added or removed one counts too: the labels would not be true otherwise. A release of
// before does not tell which ones are only needed at run time: those that are now, were.
func dependencyReasons(source Source, old, now Image) []Reason {
	if source.root {
		return nil // all its dependencies are the release's
	}
	from := old.Inputs()
	for _, name := range now.Runtime {
		delete(from, name)
	}
	return compare(ReasonDependency, from, now.Inputs(), words[Version]{
		added:   func(name string, v Version) string { return fmt.Sprintf("now needs %s %s", name, v) },
		removed: func(name string, v Version) string { return fmt.Sprintf("no longer needs %s %s", name, v) },
		changed: func(name string, v, w Version) string { return fmt.Sprintf("%s %s → %s", name, v, w) },
	})
}

func externalReasons(old, now map[string]string) []Reason {
	return compare(ReasonExternal, old, now, words[string]{
		added:   func(ref, digest string) string { return fmt.Sprintf("now reads %s %s", ref, show.Digest(digest)) },
		removed: func(ref, digest string) string { return fmt.Sprintf("no longer reads %s %s", ref, show.Digest(digest)) },
		changed: func(ref, from, to string) string {
			return fmt.Sprintf("%s %s → %s", ref, show.Digest(from), show.Digest(to))
		},
	})
}

// platformReasons lists the platforms that are wanted and missing. One that is
// no longer wanted is no reason: it harms nobody, and goes with the next change.
func platformReasons(old, now Image) []Reason {
	var reasons []Reason
	for _, platform := range now.Platforms {
		if !slices.Contains(old.Platforms, platform) {
			reasons = append(reasons, Reason{ReasonPlatform, fmt.Sprintf("%s has no %s", old.Version, platform)})
		}
	}
	return reasons
}

// releaseReasons compares the release with the current one, apart from the root image.
func releaseReasons(current, now Release) []Reason {
	var reasons []Reason
	if current.Root != now.Root {
		reasons = append(reasons, Reason{ReasonRelease, fmt.Sprintf("%s is the root image now, %s was it", now.Root, current.Root)})
	}
	reasons = append(reasons, compare(ReasonRelease, versions(current, now.Root), versions(now, now.Root), words[Version]{
		added:   func(name string, v Version) string { return fmt.Sprintf("%s %s joins", name, v) },
		removed: func(name string, v Version) string { return fmt.Sprintf("%s retires after %s", name, v) },
		changed: func(name string, v, w Version) string { return fmt.Sprintf("%s %s → %s", name, v, w) },
	})...)
	return append(reasons, compare(ReasonRelease, current.Externals, now.Externals, words[External]{
		added:   func(name string, e External) string { return fmt.Sprintf("external %s joins: %s", name, e) },
		removed: func(name string, e External) string { return fmt.Sprintf("external %s leaves: %s", name, e) },
		changed: func(name string, e, f External) string { return fmt.Sprintf("external %s: %s → %s", name, e, f) },
	})...)
}

// versions are those of all images of a release but one.
func versions(r Release, without string) map[string]Version {
	all := map[string]Version{}
	for name, image := range r.Images {
		if name != without {
			all[name] = image.Version
		}
	}
	return all
}

// words say what happened to a key of a map.
type words[V any] struct {
	added, removed func(key string, value V) string
	changed        func(key string, from, to V) string
}

// compare lists the differences of two maps, in the order of their keys.
func compare[V comparable](kind string, old, now map[string]V, say words[V]) []Reason {
	both := sortedKeys(old)
	both = append(both, sortedKeys(now)...)
	slices.Sort(both)
	var reasons []Reason
	for _, key := range slices.Compact(both) {
		from, was := old[key]
		to, is := now[key]
		switch {
		case !was:
			reasons = append(reasons, Reason{kind, say.added(key, to)})
		case !is:
			reasons = append(reasons, Reason{kind, say.removed(key, from)})
		case from != to:
			reasons = append(reasons, Reason{kind, say.changed(key, from, to)})
		}
	}
	return reasons
}

// String is the reference and the beginning of the digest.
func (e External) String() string { return e.Reference + " " + show.Digest(e.Digest) }
