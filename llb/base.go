package llb

import (
	"fmt"
	"strings"

	"github.com/distribution/reference"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
)

// Base returns the external image that the final stage is built on, as a
// reference with tag and its digest. Both are empty for an image that is built
// on scratch or on a sibling.
func (c *Compiled) Base() (name, dgst string, err error) {
	if c.Definition == nil {
		return "", "", nil
	}
	ops := map[string]*pb.Op{}
	var last string
	for i, raw := range c.Definition.Def {
		var op pb.Op
		if err := op.UnmarshalVT(raw); err != nil {
			return "", "", fmt.Errorf("reading op %d of a definition: %w", i, err)
		}
		last = digest.FromBytes(raw).String()
		ops[last] = &op
	}
	for op := ops[last]; op != nil; op = ops[below(op)] {
		if source := op.GetSource(); source != nil {
			return imageName(source)
		}
	}
	return "", "", nil
}

// below returns the digest of the op whose files an op changes, "" at the end.
func below(op *pb.Op) string {
	index := int64(0)
	switch {
	case op.GetExec() != nil:
		index = -1
		for _, mount := range op.GetExec().Mounts {
			if mount.Dest == "/" {
				index = mount.Input
			}
		}
	case op.GetFile() != nil:
		if actions := op.GetFile().Actions; len(actions) > 0 {
			index = actions[0].Input
		}
	}
	if index < 0 || index >= int64(len(op.Inputs)) {
		return ""
	}
	return op.Inputs[index].Digest
}

func imageName(source *pb.SourceOp) (name, dgst string, err error) {
	ref, ok := strings.CutPrefix(source.Identifier, imageScheme)
	if _, sibling := siblingOf(source); sibling || !ok {
		return "", "", nil
	}
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return "", "", fmt.Errorf("reading base image %q: %w", ref, err)
	}
	if digested, ok := named.(reference.Digested); ok {
		dgst = digested.Digest().String()
	}
	name = named.Name()
	if tagged, ok := named.(reference.Tagged); ok {
		name += ":" + tagged.Tag()
	}
	return name, dgst, nil
}
