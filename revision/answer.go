package revision

import (
	"context"
	"fmt"

	"github.com/opencontainers/go-digest"
)

// Answer computes a Request's Response from a project's tree. Each folder is listed
// and each file digested once, however many images read it, and what equal inputs
// select is looked for once.
func Answer(ctx context.Context, tree Tree, req Request) (Response, error) {
	if req.Scheme != Scheme {
		return Response{}, fmt.Errorf("revision scheme %d was asked for, this runner knows %d", req.Scheme, Scheme)
	}
	inputs, of := distinct(req.Images)
	trees, err := readTrees(ctx, newLists(tree), inputs)
	if err != nil {
		return Response{}, err
	}
	problems := map[string]string{}
	for i, in := range req.Images {
		if err := trees[of[i]].problem; err != nil {
			problems[in.Name] = err.Error()
		}
	}
	if len(problems) > 0 {
		return Response{Scheme: Scheme, Problems: problems}, nil
	}
	sums, err := sumTrees(ctx, tree, trees)
	if err != nil {
		return Response{}, err
	}
	res := Response{Scheme: Scheme, Trees: make(map[string]digest.Digest, len(req.Images))}
	for i, in := range req.Images {
		res.Trees[in.Name] = sums[of[i]]
		if read := trees[of[i]]; read.linked {
			if res.Links == nil {
				res.Links = map[string]string{}
			}
			res.Links[in.Name] = read.context
		}
		if in.Overlays {
			res.Named = append(res.Named, named(tree, trees[of[i]])...)
		}
	}
	return res, nil
}
