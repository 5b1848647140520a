package labels

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/quoitbuild/quoit/graph"
	"github.com/quoitbuild/quoit/versioning"
)

// Names end up in references, so they are held to the grammar of repositories.
var (
	name     = regexp.MustCompile(`^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$`)
	digest   = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
	commit   = regexp.MustCompile(`^sha1:[0-9a-f]{40}$`) // in a git repository
	platform = regexp.MustCompile(`^[A-Za-z0-9._+()-]+(?:/[A-Za-z0-9._+()-]+)*$`)
)

const (
	maxName = 255  // of a repository
	maxText = 2048 // of a reference or source
)

// check holds a release that was read to what [Parse] promises.
func check(release versioning.Release) error {
	if err := checkName("project", release.Project); err != nil {
		return err
	}
	root, found := release.Images[release.Root]
	if !found {
		return fmt.Errorf("the root image %q is not an image of the release", release.Root)
	}
	if len(root.Dependencies) != len(release.Images)-1 {
		return fmt.Errorf("the root image %q has to depend on all the other images", release.Root)
	}
	vertices := make([]graph.Vertex, 0, len(release.Images))
	for _, key := range slices.Sorted(maps.Keys(release.Images)) {
		image := release.Images[key]
		if err := checkImage(release, key, image); err != nil {
			return fmt.Errorf("image %q: %w", key, err)
		}
		vertices = append(vertices, graph.Vertex{Name: key, Needs: slices.Collect(maps.Keys(image.Dependencies))})
	}
	if _, err := graph.New(vertices); err != nil {
		return err
	}
	return checkRest(release)
}

func checkImage(release versioning.Release, key string, image versioning.Image) error {
	if err := checkName("image", key); err != nil {
		return err
	}
	if err := checkRevision(image); err != nil {
		return err
	}
	for _, p := range image.Platforms {
		if !platform.MatchString(p) || len(p) > maxName {
			return fmt.Errorf("%.40q is not a platform like linux/amd64", p)
		}
	}
	for _, need := range slices.Sorted(maps.Keys(image.Dependencies)) {
		needed, found := release.Images[need]
		if !found {
			return fmt.Errorf("it depends on %.40q, which is not an image of the release", need)
		}
		if version := image.Dependencies[need]; version != needed.Version {
			return fmt.Errorf("it depends on %s %s, the release has %s", need, version, needed.Version)
		}
	}
	for _, need := range image.Runtime {
		if _, found := image.Dependencies[need]; !found {
			return fmt.Errorf("it needs %.40q at run time, which is not one of its dependencies", need)
		}
	}
	for _, reference := range slices.Sorted(maps.Keys(image.Externals)) {
		if strings.Contains(reference, "://") && commit.MatchString(image.Externals[reference]) {
			if err := checkText("reference", reference); err != nil {
				return err
			}
			continue
		}
		if err := checkExternal(versioning.External{Reference: reference, Digest: image.Externals[reference]}); err != nil {
			return err
		}
	}
	return nil
}

// maxScheme is the newest scheme of revisions.
const maxScheme = 2

func checkRevision(image versioning.Image) error {
	if err := checkDigest("revision", image.Revision); err != nil {
		return err
	}
	if image.Scheme < 0 || image.Scheme > maxScheme {
		return fmt.Errorf("its revision is of scheme %d, not of 1 to %d", image.Scheme, maxScheme)
	}
	if image.Noted == "" {
		return nil
	}
	return checkDigest("noted revision", image.Noted)
}

// checkRest checks all but the images.
func checkRest(release versioning.Release) error {
	for _, key := range slices.Sorted(maps.Keys(release.Externals)) {
		if err := checkName("external", key); err != nil {
			return err
		}
		if err := checkExternal(release.Externals[key]); err != nil {
			return fmt.Errorf("external %q: %w", key, err)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(release.Retired)) {
		if err := checkName("retired image", key); err != nil {
			return err
		}
		if _, present := release.Images[key]; present {
			return fmt.Errorf("image %q is in the release and retired from it", key)
		}
	}
	for _, parent := range release.Parents {
		if parent.Digest == "" {
			continue
		}
		if err := checkDigest("digest of parent "+parent.Version.String(), parent.Digest); err != nil {
			return err
		}
	}
	if err := checkText("source", release.Source); err != nil {
		return err
	}
	return checkText("commit", release.Commit)
}

func checkName(what, value string) error {
	if len(value) > maxName || !name.MatchString(value) {
		return fmt.Errorf("%.40q is not a name for the %s: lower-case letters and digits, separated by . _ - or /", value, what)
	}
	return nil
}

func checkDigest(what, value string) error {
	if !digest.MatchString(value) {
		return fmt.Errorf("the %s is %.80q, not sha256: and 64 hexadecimal digits", what, value)
	}
	return nil
}

func checkExternal(external versioning.External) error {
	if external.Reference == "" {
		return fmt.Errorf("an external has no reference")
	}
	if err := checkText("reference", external.Reference); err != nil {
		return err
	}
	return checkDigest("digest of "+external.Reference, external.Digest)
}

// checkText keeps what is printed later to one line of bounded length.
func checkText(what, value string) error {
	control := func(r rune) bool { return r < ' ' || r == 0x7f }
	if len(value) > maxText || strings.ContainsFunc(value, control) {
		return fmt.Errorf("the %s %.40q is longer than %d bytes or has control characters", what, value, maxText)
	}
	return nil
}
