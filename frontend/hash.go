package frontend

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	bk "github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/containerd/platforms"

	"github.com/quoitbuild/quoit/llb"
	"github.com/quoitbuild/quoit/overlay"
	"github.com/quoitbuild/quoit/revision"
	"github.com/quoitbuild/quoit/versioning"
)

// Runner says how to run a binary of ours in a build step, where the project's
// files are: the file system that has it and its path there. Its arguments are
// [revision.StepCommand] and the paths of project, request and answer.
type Runner func(client.Client) (fs bk.State, path string, err error)

const (
	requestFile  = "request.json"
	responseFile = "response.json"
)

// maxResponse bounds the answer of the hash step, in bytes.
const maxResponse = 64 << 20

// hashed is what the project's files say now: the revision of each image, and the digests of
// what else is released.
type hashed struct {
	versioning.Request
	read
}

func hash(ctx context.Context, r run, p project, c *compiled) (hashed, error) {
	read, err := r.hashTrees(ctx, p, *c, p.hashRequest(c.graphs))
	if err != nil {
		return hashed{}, err
	}
	c.named, c.missing = read.named, read.missing
	m := p.manifest
	request := versioning.Request{
		Project: m.Project, Registry: m.Registry, Root: m.Root, Scheme: revision.Scheme,
		Source: r.opts.Source, Commit: r.opts.Commit,
	}
	for _, name := range c.graph.Order() {
		source, err := r.imageSource(p, *c, name, read.trees)
		if err != nil {
			return hashed{}, err
		}
		request.Images = append(request.Images, source)
	}
	request.Externals, err = p.externals(ctx, c.compiler.Externals)
	return hashed{request, read}, err
}

// former adds to a request the revisions by the first scheme of images that the rings have by
// no other: those whose sources are the same did not change.
func (r run) former(ctx context.Context, p project, c compiled, request versioning.Request, seen state) error {
	hashes := p.hashRequest(c.graphs)
	hashes.Scheme = revision.FirstScheme
	hashes.Images = slices.DeleteFunc(hashes.Images, func(in revision.ImageInputs) bool {
		image, _ := in.Of()
		return !seen.outdated(image)
	})
	if len(hashes.Images) == 0 {
		return nil
	}
	files, err := r.hashTrees(ctx, p, c, hashes)
	if err != nil {
		return err
	}
	for i, source := range request.Images {
		if _, ok := files.trees[source.Name]; ok {
			request.Images[i].Former = revisionOf(revision.FirstScheme, c.graphs[source.Name], files.trees)
		}
	}
	return nil
}

// outdated reports whether the release that is built upon, or the next ring's, has an image's
// revision by an older scheme.
func (s state) outdated(image string) bool {
	for _, placed := range []*versioning.Placed{s.Current, s.Next} {
		if placed == nil {
			continue
		}
		if released, ok := placed.Release.Images[image]; ok && released.Outdated(revision.Scheme) {
			return true
		}
	}
	return false
}

func (r run) imageSource(p project, c compiled, name string, trees map[string]digest.Digest) (versioning.Source, error) {
	image, _ := p.manifest.Image(name)
	source := versioning.Source{
		Name:         name,
		Revision:     revisionOf(revision.Scheme, c.graphs[name], trees),
		Platforms:    formatPlatforms(p.images[name].Platforms),
		Dependencies: c.siblings(name),
		Runtime:      image.Depends,
		Externals:    map[string]string{},
		Major:        selects(r.opts.Major, name),
		Rebuild:      selects(r.opts.Rebuild, name),
	}
	for _, graph := range c.graphs[name] {
		maps.Copy(source.Externals, graph.Externals)
		for _, remote := range graph.Remotes {
			source.Externals[remote.Name] = c.remotes[remote.Name]
		}
	}
	if image.Version != "" {
		floor, err := versioning.Parse(image.Version)
		if err != nil {
			return source, fmt.Errorf("image %s: version: %w", name, err)
		}
		source.Floor = floor
	}
	return source, nil
}

// contexts are the images' contexts in the graph.
type contexts func(llb.Source) bk.State

// nothing are the contexts of images that read nothing of them.
func nothing(llb.Source) bk.State { return bk.Scratch() }

// read is what the project's files say: by image, the digest of what it reads of the tree,
// where the root image's files name images, and the contexts in which all of that is.
type read struct {
	trees    map[string]digest.Digest
	named    []overlay.Use
	missing  map[string][]string // see [revision.Response.Missing]
	git      map[string][]int    // see takesGit
	contexts contexts
	answer   revision.Response
}

func (r run) hashTrees(ctx context.Context, p project, c compiled, req revision.Request) (read, error) {
	needed := revision.Request{Scheme: req.Scheme}
	trees := map[string]digest.Digest{}
	for _, image := range req.Images {
		if len(image.Reads) > 0 {
			needed.Images = append(needed.Images, image)
		} else {
			trees[image.Name] = revision.EmptyTree(req.Scheme)
		}
	}
	if len(needed.Images) == 0 {
		return read{trees: trees, contexts: nothing}, nil
	}
	res, contexts, err := r.hasher.hash(ctx, p, needed)
	if err == nil && res.Scheme != req.Scheme {
		err = fmt.Errorf("the answer has scheme %d, expected %d", res.Scheme, req.Scheme)
	}
	if err != nil {
		return read{}, fmt.Errorf("hashing the project's files: %w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(res.Problems)) {
		err = errors.Join(err, fmt.Errorf("image %s: %s", name, res.Problems[name]))
	}
	if err != nil {
		return read{}, err
	}
	if err := p.linkedContexts(needed, res.Links); err != nil {
		return read{}, err
	}
	taken := c.takesGit(needed, res)
	r.warnOfGit(ctx, c, taken)
	for _, image := range needed.Images {
		sum, ok := res.Trees[image.Name]
		if !ok || sum.Validate() != nil {
			return read{}, fmt.Errorf("hashing the project's files: no answer for image %s", image.Name)
		}
		trees[image.Name] = sum
	}
	return read{trees, res.Named, res.Missing, taken, contexts, res}, nil
}

// revisionOf is an image's revision by a scheme: over all its platforms one. Trees are the
// digests of what it reads.
func revisionOf(scheme int, compiled []*llb.Compiled, trees map[string]digest.Digest) string {
	source := compiled[0].Source
	args := map[string]string{}
	for _, c := range compiled {
		for _, name := range c.Args {
			if !neutralArg(name) {
				args[name] = source.Args[name]
			}
		}
	}
	file := source.Map.Data
	if scheme != revision.FirstScheme {
		file = recipes(compiled)
	}
	return revision.Sum(revision.Inputs{
		Scheme: scheme, ContainerFile: file, Target: source.Target, Args: args,
		Tree: trees[source.Name], Contexts: usedContexts(compiled, trees),
	})
}

// recipes is what counts of a container file: on most of the platforms the same.
func recipes(compiled []*llb.Compiled) []byte {
	var all []string
	for _, c := range compiled {
		all = append(all, c.Recipe)
	}
	slices.Sort(all)
	return []byte(strings.Join(slices.Compact(all), "\n"))
}

func formatPlatforms(list []ocispecs.Platform) []string {
	var out []string
	for _, platform := range list {
		out = append(out, platforms.FormatAll(platform))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// headOf is the digest of a definition's last real op, for warnings.
func headOf(def *bk.Definition) digest.Digest {
	head, err := def.Head()
	if err != nil {
		return ""
	}
	return head
}

// resolveRemotes says what the remote sources of all images hold, by name, each asked for once
// and all at a time. Pins are used instead of what is there now.
func (r run) resolveRemotes(ctx context.Context, c compiled, pins map[string]string) (map[string]string, error) {
	all := map[string]llb.Remote{}
	of := map[string]llb.Source{}
	for _, graphs := range c.graphs {
		for _, graph := range graphs {
			for _, remote := range graph.Remotes {
				if first, ok := of[remote.Name]; !ok || graph.Source.Name < first.Name {
					all[remote.Name], of[remote.Name] = remote, graph.Source
				}
			}
		}
	}
	names := slices.Sorted(maps.Keys(all))
	digests := make([]string, len(names))
	mistakes := make([]error, len(names))
	eg, egCtx := errgroup.WithContext(ctx)
	eg.SetLimit(maxParallelLookups)
	for i, name := range names {
		eg.Go(func() (err error) {
			if digests[i] = pins[name]; digests[i] != "" {
				return nil
			}
			digests[i], err = r.remotes.ResolveRemote(egCtx, all[name].Op())
			if errors.As(err, new(*llb.BuilderError)) {
				return fmt.Errorf("%s: %w", name, err)
			}
			if err != nil {
				mistakes[i] = llb.InRemote(err, of[name], all[name])
			}
			return nil
		})
	}
	if err := errors.Join(eg.Wait(), errors.Join(mistakes...)); err != nil {
		return nil, err
	}
	found := map[string]string{}
	for i, name := range names {
		found[name] = digests[i]
	}
	return found, nil
}
