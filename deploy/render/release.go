package render

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/distribution/reference"

	"github.com/quoitbuild/quoit/labels"
	"github.com/quoitbuild/quoit/versioning"
)

// release is which image stands for which name.
type release struct {
	project   string
	registry  string            // for bare names, "" if not known
	images    map[string]string // by name, references with digests; or none
	versions  map[string]versioning.Version
	externals map[string]string // reference as the manifest has it → with digest
}

// release brings together what the root image knows of its release and what the
// target says.
func (s *Source) release(target Target) (release, error) {
	r := release{project: target.Project, registry: target.Registry, images: map[string]string{},
		versions: map[string]versioning.Version{}, externals: map[string]string{}}
	described, err := s.described()
	if err != nil {
		return r, fmt.Errorf("reading the release in the root image: %w", err)
	}
	if r.project == "" {
		r.project = described.Project
	}
	if r.project != described.Project && described.Project != "" {
		return r, fmt.Errorf("the root image belongs to project %s, not to %s", described.Project, r.project)
	}
	for name, image := range described.Images {
		r.versions[name] = image.Version
	}
	for name, external := range described.Externals {
		pinned := target.Images[name]
		if pinned == "" {
			pinned = withDigest(external.Reference, external.Digest)
		}
		r.externals[external.Reference] = pinned
	}
	for name, pinned := range target.Images {
		if err := r.add(name, pinned, described); err != nil {
			return r, err
		}
	}
	if len(target.Images) == 0 && len(r.versions) == 0 {
		return r, errors.New("cannot tell which images the release has: there is neither --release nor a quoit/release.json in the root image")
	}
	return r, nil
}

// add takes one image or external that the target names.
func (r *release) add(name, pinned string, described versioning.Release) error {
	named, err := reference.ParseNormalizedNamed(pinned)
	if err != nil {
		return fmt.Errorf("image %s of the release: %q is not an image reference", name, pinned)
	}
	if _, ok := named.(reference.Digested); !ok {
		return fmt.Errorf("image %s of the release: %q has no digest", name, pinned)
	}
	if _, external := described.Externals[name]; external {
		return nil
	}
	if _, ours := described.Images[name]; !ours && !strings.HasSuffix("/"+named.Name(), "/"+r.project+"/"+name) {
		// An external that the root image does not describe: its own reference
		// has to say what it stands for.
		tagged, err := reference.ParseNormalizedNamed(strings.Split(pinned, "@")[0])
		if err == nil {
			r.externals[reference.TagNameOnly(tagged).String()] = pinned
		}
		return nil
	}
	r.images[name] = pinned
	return nil
}

// names are the project's images, sorted.
func (r *release) names() []string {
	if len(r.images) > 0 {
		return slices.Sorted(maps.Keys(r.images))
	}
	return slices.Sorted(maps.Keys(r.versions))
}

// described is what quoit/release.json says; nothing if there is none.
func (s *Source) described() (versioning.Release, error) {
	if s.description == nil {
		return versioning.Release{}, nil
	}
	return labels.ParseRelease(s.description)
}

func withDigest(ref, digest string) string {
	before, _, _ := strings.Cut(ref, "@")
	return before + "@" + digest
}
