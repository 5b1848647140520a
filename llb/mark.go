package llb

import (
	"strings"

	"github.com/moby/buildkit/frontend/dockerui"
	"github.com/moby/buildkit/solver/pb"
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
