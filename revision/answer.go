package revision

import (
	"context"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"
)

// Answer computes a Request's Response from a project's tree. Each folder is listed
// and each file digested once, however many images read it, and what equal inputs
// select is looked for once.
func Answer(ctx context.Context, tree Tree, req Request) (Response, error) {
	if req.Scheme < FirstScheme || req.Scheme > Scheme {
		return Response{}, fmt.Errorf("revision scheme %d was asked for, this runner knows %d to %d", req.Scheme, FirstScheme, Scheme)
	}
	inputs, of := distinct(req.Images)
	trees, err := readTrees(ctx, newLists(tree), inputs, req.Scheme, req.Beyond)
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
		return Response{Scheme: req.Scheme, Problems: problems}, nil
	}
	sums, err := sumTrees(ctx, tree, trees, req.Scheme)
	if err != nil {
		return Response{}, err
	}
	res := Response{Scheme: req.Scheme, Trees: make(map[string]digest.Digest, len(req.Images)), trees: map[string]imageTree{}}
	for i, in := range req.Images {
		read := trees[of[i]]
		res.Trees[in.Name], res.trees[in.Name] = sums[of[i]], read
		if slices.Contains(req.List, in.Name) {
			res.Lists = with(res.Lists, in.Name, read.list())
		}
		if read.linked {
			res.Links = with(res.Links, in.Name, read.context)
		}
		if len(read.git) > 0 {
			res.Git = with(res.Git, in.Name, read.git)
		}
		if missing := trees[of[i]].missing; len(missing) > 0 {
			if res.Missing == nil {
				res.Missing = map[string][]string{}
			}
			res.Missing[in.Name] = missing
		}
		if in.Overlays {
			res.Named = append(res.Named, named(tree, read)...)
		}
		if !read.beyond.Empty() {
			res.Beyond = with(res.Beyond, in.Name, read.beyond)
		}
	}
	return res, nil
}

// with sets a key of a map, which may be nil.
func with[V any](m map[string]V, key string, value V) map[string]V {
	if m == nil {
		m = map[string]V{}
	}
	m[key] = value
	return m
}
