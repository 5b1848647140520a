package llb

import (
	"github.com/moby/buildkit/solver/pb"

	"github.com/quoitbuild/quoit/internal/diag"
	"github.com/quoitbuild/quoit/revision"
)

// ReadAt is where the container file reads a path of its context.
func (c *Compiled) ReadAt(path string) (at diag.Range, ok bool) {
	if c.Definition == nil || c.Definition.Source == nil {
		return at, false
	}
	locations := c.Definition.Source.Locations[revision.Reader(c.Definition, IsContext, path)]
	for _, location := range locations.GetLocations() {
		for _, r := range location.Ranges {
			return diag.Range{Start: position(r.Start), End: position(r.End)}, true
		}
	}
	return at, false
}

// position counts characters from one.
func position(p *pb.Position) diag.Position {
	return diag.Position{Line: int(p.GetLine()), Column: int(p.GetCharacter()) + 1}
}
