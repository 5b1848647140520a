package llb

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/distribution/reference"
	"github.com/moby/buildkit/frontend/dockerui"
	"github.com/moby/buildkit/solver/pb"

	"github.com/quoitbuild/quoit/internal/diag"
	"github.com/quoitbuild/quoit/revision"
)

// Marks stand in a compiled image's graph for what is decided later. They are
// never solved.
const (
	contextMark = "local://" + dockerui.DefaultLocalNameContext
	imageScheme = "docker-image://"
	siblingMark = imageScheme + siblingHost
	siblingHost = "sibling.quoit.invalid/"
)

// IsContext tells whether a source op of a compiled image is the mark of the
// image's context: the local source that the compiler knows as the context. A
// sibling's context is never in the same definition, for siblings are marks too.
func IsContext(op *pb.SourceOp) bool { return op.Identifier == contextMark }

// siblingOf returns the image that a source op is the mark of.
func siblingOf(op *pb.SourceOp) (name string, ok bool) {
	name, ok = strings.CutPrefix(op.Identifier, siblingMark)
	name, _, _ = strings.Cut(name, ":")
	return name, ok
}

// Names tells which image references mean an image of the project.
type Names struct {
	// Images are the names of the project's images.
	Images map[string]bool
	// Prefixes are the repositories' common beginnings:
	// "registry.example.com/acme/shop/".
	Prefixes []string
}

// Sibling returns the project's image that ref names for the container file of
// an image: by repository with any tag, or by the image's bare name, as
// "FROM base". With a digest a reference means just that image, whoever built
// it. A file that spells out "docker.io/library/base" means Docker
// Hub's, even if the project has a base of its own.
func (n Names) Sibling(ref string, file Spelling) (name string, ok bool) {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return "", false
	}
	if _, digested := named.(reference.Digested); digested {
		return "", false
	}
	for _, prefix := range n.Prefixes {
		if name, ok := strings.CutPrefix(named.Name(), prefix); ok && n.Images[name] {
			return name, true
		}
	}
	name, ok = bareName(named)
	return name, ok && n.Images[name] && !file.hub[name]
}

// check refuses a reference that a container file spells in two ways: as the bare name of the
// project's image, and as Docker Hub's. The compiler cannot tell them apart.
func (n Names) check(ref string, file Spelling) error {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return nil // the compiler says why
	}
	name, ok := bareName(named)
	if !ok || !n.Images[name] || !file.hub[name] || !file.bare[name] {
		return nil
	}
	return fmt.Errorf("the container file names both %s, which is the project's image, and docker.io/library/%s: write the first as %s%s", name, name, n.Prefixes[0], name)
}

// suggest adds to a failed look-up of a bare name, or of a repository of the
// project, the image that may be meant.
func (n Names) suggest(ref string, err error) error {
	for _, prefix := range append([]string{"docker.io/library/"}, n.Prefixes...) {
		name, ok := strings.CutPrefix(ref, prefix)
		name, _, _ = strings.Cut(name, ":")
		if near := diag.Nearest(name, slices.Sorted(maps.Keys(n.Images))); ok && near != "" && near != name {
			return fmt.Errorf("%w; did you mean the project's image %q?", err, near)
		}
	}
	return err
}

// readsOf lists what a compiled image reads of a context, and the line of the container
// file that has each read first, 0 where that is not known.
func readsOf(def *pb.Definition, isContext func(*pb.SourceOp) bool) (reads []revision.Read, lines []int, err error) {
	if reads, err = revision.Reads(def, isContext); err != nil {
		return nil, nil, err
	}
	lines = make([]int, len(reads))
	err = revision.EachRead(def, isContext, func(op string, of []revision.Read) {
		line := 0
		for _, location := range def.GetSource().GetLocations()[op].GetLocations() {
			if ranges := location.GetRanges(); len(ranges) > 0 {
				line = int(ranges[0].GetStart().GetLine())
				break
			}
		}
		for _, read := range of {
			if at := slices.IndexFunc(reads, read.Equal); lines[at] == 0 {
				lines[at] = line
			}
		}
	})
	return reads, lines, err
}
