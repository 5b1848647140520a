// Package labels writes a release into the labels of its images, and reads it
// back from those of a root image.
//
// [Info] takes from a plan what one image says of itself; [Image] and [Root] are
// the labels for it, [Parse] is the way back. It knows every key that Quoit writes,
// also those that other packages use, so [Reserved] is the one list of them.
package labels

import (
	"maps"
	"slices"
	"strings"
)

// The keys that Quoit writes, into the config of an image and, except the
// release, as annotations of its image manifest.
const (
	Version    = "org.opencontainers.image.version"     // the semantic version
	Revision   = "org.opencontainers.image.revision"    // sha256:<hex> of the inputs
	RefName    = "org.opencontainers.image.ref.name"    // <project>/<image>
	Vendor     = "org.opencontainers.image.vendor"      // if the manifest has one
	BaseName   = "org.opencontainers.image.base.name"   // the external base of the final stage
	BaseDigest = "org.opencontainers.image.base.digest" // and its digest
	// Source is the repository of the sources. The project's own value goes before it,
	// so it is not reserved.
	Source = "org.opencontainers.image.source"

	// Dependency begins the key of each direct dependency (on the root image:
	// of every image), whose value is a version.
	Dependency = "dependency."

	Prefix   = "io.github.quoitbuild."
	Identity = Prefix + "identity" // sha256:<hex>: equal means interchangeable
	Commit   = Prefix + "commit"   // of the sources, with [Dirty] behind it if they differed from it
	Release  = Prefix + "release"  // root image only: JSON
	Record   = Prefix + "record"   // records only: JSON
	Versions = Prefix + "versions" // annotation of a publish's record only: image → version, JSON
	Pruned   = Prefix + "pruned"   // what the tag of a pruned version names has it
	Empty    = Prefix + "empty"    // what an emptied ring's tag names has it
)

// Dirty ends a commit that the sources differ from.
const Dirty = "-dirty"

// Reserved reports whether only Quoit may set a label: it is one of the keys
// above, or begins with "dependency." or "io.github.quoitbuild.".
func Reserved(key string) bool {
	switch key {
	case Version, Revision, RefName, Vendor, BaseName, BaseDigest:
		return true
	}
	return strings.HasPrefix(key, Dependency) || strings.HasPrefix(key, Prefix)
}

// Strip deletes the reserved keys from the labels, which it changes, and
// returns them, sorted. Labels are inherited through FROM, so those of a base
// are stripped before an image is compiled.
func Strip(labels map[string]string) []string {
	var stripped []string
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		if Reserved(key) {
			stripped = append(stripped, key)
			delete(labels, key)
		}
	}
	return stripped
}

// Annotations returns the reserved ones of an image's labels and the source, without
// the release: what its image manifest is annotated with.
func Annotations(labels map[string]string) map[string]string {
	annotations := map[string]string{}
	for key, value := range labels {
		if (Reserved(key) || key == Source) && key != Release && key != Record {
			annotations[key] = value
		}
	}
	return annotations
}
