package llb

import (
	"strings"

	"github.com/moby/buildkit/solver/pb"
)

// Marks stand in a compiled image's graph for what is decided later. They are
// never solved.
const (
	contextMark = "quoit-context:"
	siblingHost = "sibling.quoit.invalid/"

	localScheme = "local://"
	imageScheme = "docker-image://"
)

// IsContext tells whether a source op is the mark of an image's context.
func IsContext(op *pb.SourceOp) bool {
	return strings.HasPrefix(op.Identifier, localScheme+contextMark)
}

// siblingOf returns the image that a source op is the mark of.
func siblingOf(op *pb.SourceOp) (name string, ok bool) {
	name, ok = strings.CutPrefix(op.Identifier, imageScheme+siblingHost)
	name, _, _ = strings.Cut(name, ":")
	return name, ok
}
