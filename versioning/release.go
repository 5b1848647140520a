package versioning

import "cmp"

// Release is one version of every image of a project, as the label of its root
// image says. JSON tags are those of that label.
type Release struct {
	// Project is the prefix of the images' repositories, like acme/shop.
	Project string `json:"project"`
	// Root is the name of the root image; Images has it like every other.
	Root string `json:"root"`
	// Images are by name. The root image depends on all the others.
	Images map[string]Image `json:"images"`
	// Externals are those of the manifest, by name there.
	Externals map[string]External `json:"externals,omitempty"`
	// Retired are removed images with their last version.
	Retired map[string]Version `json:"retired,omitempty"`
	// Parents are the releases that this one directly descends from: first the
	// one it was built upon, then those it was said to contain. None for the
	// first release of a project.
	Parents []Parent `json:"parents,omitempty"`
	// Source and Commit say where the sources came from, as buildx sends them
	// (vcs:source, vcs:revision); both may be empty.
	Source string `json:"source,omitempty"`
	Commit string `json:"commit,omitempty"`
}

// Image is what a release says of one image.
type Image struct {
	Version Version `json:"version"`
	// Revision is the content hash of the image's inputs when it was built, sha256:<hex>;
	// the image's label says the same.
	Revision string `json:"revision"`
	// Scheme is the number of the way in which Noted, or without it Revision, was computed;
	// 0 stands for 1.
	Scheme int `json:"scheme,omitempty"`
	// Noted is a later revision of the same inputs, of an image that was built when
	// revisions were computed in an older way.
	Noted string `json:"noted,omitempty"`
	// Platforms are sorted, like linux/amd64.
	Platforms []string `json:"platforms,omitempty"`
	// Dependencies are the direct ones (of the root image: all images), with
	// the version that they have in the release.
	Dependencies map[string]Version `json:"dependencies,omitempty"`
	// Runtime are the names of those Dependencies that the image needs only when it runs,
	// sorted. It was not made from them, so it may be older than they are.
	Runtime []string `json:"runtime,omitempty"`
	// Externals are what this one reads that the project does not have: external images by
	// reference, with their digests; addresses of files, with the files' digests; and
	// references of git repositories, with the commit (sha1:<hex> or sha256:<hex>).
	Externals map[string]string `json:"externals,omitempty"`
}

// Inputs are the dependencies that the image was made from.
func (i Image) Inputs() map[string]Version {
	inputs := copied(i.Dependencies)
	for _, name := range i.Runtime {
		delete(inputs, name)
	}
	return inputs
}

// newest is the revision by the newest scheme that is known.
func (i Image) newest() string { return cmp.Or(i.Noted, i.Revision) }

// Outdated reports whether the image's revision is only known by an older scheme.
func (i Image) Outdated(scheme int) bool { return max(i.Scheme, 1) < scheme }

// External is an image that the project runs but does not build.
type External struct {
	Reference string `json:"reference"`
	Digest    string `json:"digest"` // sha256:<hex>
}

// Parent names a release by the version of its root image.
type Parent struct {
	Version Version `json:"version"`
	Digest  string  `json:"digest,omitempty"` // of the root image, if known
}

// Version returns the version of the root image, which is the release's own.
func (r Release) Version() Version { return r.Images[r.Root].Version }

// Digests returns every external reference that the release has recorded, with
// its digest: those that its images read and those of the manifest. Rings after
// the first build with these instead of following the tags.
func (r Release) Digests() map[string]string {
	digests := map[string]string{}
	for _, name := range sortedKeys(r.Images) {
		for reference, digest := range r.Images[name].Externals {
			digests[reference] = digest
		}
	}
	for _, name := range sortedKeys(r.Externals) {
		digests[r.Externals[name].Reference] = r.Externals[name].Digest
	}
	return digests
}
