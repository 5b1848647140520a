package versioning

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"slices"
)

// Identity returns "sha256:<hex>" over everything that an image was made from:
// revision, platforms, the versions of its dependencies, the digests of its
// externals. Its own version is not part of it, nor is what it only needs when it
// runs. Two images of one name with equal identity are interchangeable.
func Identity(image Image) string {
	h := sha256.New()
	hashImage(h, image)
	return sum(h)
}

// Identity returns the identity of one image of the release. The root image's
// also covers what only its release says, so that a root image is never adopted
// for a release with other parents, externals, retired images or run-time needs of images.
// Source and commit are not part of it: a commit that changes nothing releases nothing.
func (r Release) Identity(name string) string { return r.identity(name, r.Images[name]) }

// identity is that of an image which the release has, or would have.
func (r Release) identity(name string, image Image) string {
	if name != r.Root {
		return Identity(image)
	}
	h := sha256.New()
	hashImage(h, image)
	for _, external := range sortedKeys(r.Externals) {
		write(h, "release-external", external, r.Externals[external].Reference, r.Externals[external].Digest)
	}
	for _, retired := range sortedKeys(r.Retired) {
		write(h, "retired", retired, r.Retired[retired].String())
	}
	for _, image := range sortedKeys(r.Images) {
		if runtime := r.Images[image].Runtime; len(runtime) > 0 {
			write(h, append([]string{"runtime", image}, runtime...)...)
		}
	}
	for _, parent := range r.Parents {
		write(h, "parent", parent.Version.String(), parent.Digest)
	}
	return sum(h)
}

func hashImage(h hash.Hash, image Image) {
	write(h, "quoit-identity", "1")
	write(h, "revision", image.Revision)
	for _, platform := range slices.Sorted(slices.Values(image.Platforms)) {
		write(h, "platform", platform)
	}
	inputs := image.Inputs()
	for _, name := range sortedKeys(inputs) {
		write(h, "dependency", name, inputs[name].String())
	}
	for _, reference := range sortedKeys(image.Externals) {
		write(h, "external", reference, image.Externals[reference])
	}
}

// write adds one line whose fields carry their length, so that no two
// different lines have the same bytes.
func write(h hash.Hash, fields ...string) {
	for _, field := range fields {
		fmt.Fprintf(h, "%d:%s ", len(field), field)
	}
	fmt.Fprintln(h)
}

func sum(h hash.Hash) string { return "sha256:" + hex.EncodeToString(h.Sum(nil)) }
