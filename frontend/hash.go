package frontend

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	bk "github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/frontend/dockerui"
	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/containerd/platforms"

	"github.com/quoitbuild/quoit/internal/diag"
	"github.com/quoitbuild/quoit/llb"
	"github.com/quoitbuild/quoit/revision"
	"github.com/quoitbuild/quoit/versioning"
)

// HashCommand is the first argument that makes a binary of ours answer a
// revision request; the folders of project, request and answer follow. See [Hash].
const HashCommand = "hash"

// Runner says how to run a binary of ours in a build step, where the project's
// files are: the file system that has it and its path there.
type Runner func(client.Client) (fs bk.State, path string, err error)

const (
	requestFile  = "request.json"
	responseFile = "response.json"
)

// maxResponse bounds the answer of the hash step, in bytes.
const maxResponse = 64 << 20

// hash says what the project's files say now: the revision of each image, and the digests
// of what else is released.
func hash(ctx context.Context, r run, p project, c compiled) (versioning.Request, error) {
	hashes, err := p.hashRequest(c.graphs)
	if err != nil {
		return versioning.Request{}, err
	}
	trees, err := r.hashTrees(ctx, p, hashes)
	if err != nil {
		return versioning.Request{}, err
	}
	m := p.manifest
	request := versioning.Request{
		Project: m.Project, Registry: m.Registry, Root: m.Root,
		Source: r.opts.Source, Commit: r.opts.Commit,
	}
	for _, name := range c.graph.Order() {
		source, err := r.imageSource(p, c, name, trees[name])
		if err != nil {
			return versioning.Request{}, err
		}
		request.Images = append(request.Images, source)
	}
	request.Externals, err = p.externals(ctx, c.compiler.Externals)
	return request, err
}

func (r run) imageSource(p project, c compiled, name string, tree digest.Digest) (versioning.Source, error) {
	image, _ := p.manifest.Image(name)
	source := versioning.Source{
		Name:         name,
		Revision:     revisionOf(c.graphs[name], tree),
		Platforms:    formatPlatforms(p.images[name].Platforms),
		Dependencies: c.graph.Needs(name),
		Externals:    map[string]string{},
		Major:        selects(r.opts.Major, name),
		Rebuild:      selects(r.opts.Rebuild, name),
	}
	for _, graph := range c.graphs[name] {
		maps.Copy(source.Externals, graph.Externals)
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

// hashRequest collects what the images read of the project.
func (p project) hashRequest(compiled map[string][]*llb.Compiled) (revision.Request, error) {
	req := revision.Request{Scheme: revision.Scheme}
	for _, name := range p.manifest.ImageNames() {
		var reads []revision.Read
		for _, c := range compiled[name] {
			if c.Definition == nil {
				continue
			}
			r, err := revision.Reads(c.Definition, llb.IsContext)
			if err != nil {
				return req, fmt.Errorf("image %s: %w", name, err)
			}
			reads = append(reads, r...)
		}
		source := p.images[name]
		req.Images = append(req.Images, revision.ImageInputs{
			Name: name, Context: source.Context, Ignore: source.Ignore, Reads: revision.Merge(reads),
		})
	}
	return req, nil
}

// hashTrees returns, by image, the digest of what it reads of the tree. The work is
// a build step with the tree as a read-only mount, so BuildKit caches it on the
// tree's contents.
func (r run) hashTrees(ctx context.Context, p project, req revision.Request) (map[string]digest.Digest, error) {
	needed := revision.Request{Scheme: req.Scheme}
	trees := map[string]digest.Digest{}
	for _, image := range req.Images {
		if len(image.Reads) > 0 {
			needed.Images = append(needed.Images, image)
		} else {
			trees[image.Name] = revision.EmptyTree
		}
	}
	if len(needed.Images) == 0 {
		return trees, nil
	}
	res, err := r.runHash(ctx, p.tree, needed)
	if err != nil {
		return nil, fmt.Errorf("hashing the project's files: %w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(res.Problems)) {
		err = errors.Join(err, fmt.Errorf("image %s: %s", name, res.Problems[name]))
	}
	if err != nil {
		return nil, err
	}
	if err := p.linkedContexts(res.Links); err != nil {
		return nil, err
	}
	for _, image := range needed.Images {
		sum, ok := res.Trees[image.Name]
		if !ok || sum.Validate() != nil {
			return nil, fmt.Errorf("hashing the project's files: no answer for image %s", image.Name)
		}
		trees[image.Name] = sum
	}
	return trees, nil
}

// linkedContexts reports contexts that are links: what they lead to is not a
// part of the project's selected files.
func (p project) linkedContexts(links map[string]string) error {
	var mistakes diag.List
	for name, target := range links {
		image, _ := p.manifest.Image(name)
		mistakes.Add(p.mistake(image.Position("context"), "name the folder itself: "+target,
			"image %s: the context %s is, or lies behind, a link", name, image.Context))
	}
	return inManifest(mistakes.Err(), p.source.SourceMap)
}

func (r run) runHash(ctx context.Context, tree bk.State, req revision.Request) (res revision.Response, err error) {
	data, err := json.Marshal(req)
	if err != nil {
		return res, err
	}
	root, binary, err := r.runner()
	if err != nil {
		return res, err
	}
	request := bk.Scratch().File(bk.Mkfile(requestFile, 0o444, data), dockerui.WithInternalName("what the images read"))
	// The runner is a mount, as BuildKit knows those by their contents, and a
	// local source in the place of the root by its session.
	step := bk.Scratch().Run(
		bk.Args([]string{"/runner" + binary, HashCommand, "/project", "/request/" + requestFile, "/answer/" + responseFile}),
		bk.AddMount("/runner", root, bk.Readonly),
		bk.AddMount("/project", tree, bk.Readonly),
		bk.AddMount("/request", request, bk.Readonly),
		bk.Network(bk.NetModeNone),
		dockerui.WithInternalName("hash what the images read"),
	)
	def, err := step.AddMount("/answer", bk.Scratch()).Marshal(ctx, bk.Platform(defaultPlatform(r.client)), bk.WithCaps(r.client.BuildOpts().LLBCaps))
	if err != nil {
		return res, err
	}
	answer, err := r.client.Solve(ctx, client.SolveRequest{Definition: def.ToPB()})
	if err != nil {
		return res, err
	}
	ref, err := answer.SingleRef()
	if err != nil {
		return res, err
	}
	return readResponse(ctx, ref)
}

// readResponse reads the answer in pieces: one message of the gateway may be
// too small for it.
func readResponse(ctx context.Context, ref client.Reference) (res revision.Response, err error) {
	const piece = 2 << 20
	var data []byte
	for {
		part, err := ref.ReadFile(ctx, client.ReadRequest{
			Filename: responseFile, Range: &client.FileRange{Offset: len(data), Length: piece},
		})
		if err != nil {
			return res, err
		}
		data = append(data, part...)
		if len(part) < piece {
			break
		}
		if len(data) > maxResponse {
			return res, fmt.Errorf("the answer is larger than %d MiB", maxResponse>>20)
		}
	}
	if err := json.Unmarshal(data, &res); err != nil {
		return res, fmt.Errorf("reading the answer: %w", err)
	}
	if res.Scheme != revision.Scheme {
		return res, fmt.Errorf("the answer has scheme %d, expected %d", res.Scheme, revision.Scheme)
	}
	return res, nil
}

// revisionOf is an image's revision: over all its platforms one.
func revisionOf(compiled []*llb.Compiled, tree digest.Digest) string {
	source := compiled[0].Source
	args := map[string]string{}
	for _, c := range compiled {
		for _, name := range c.Args {
			if !neutralArg(name) {
				args[name] = source.Args[name]
			}
		}
	}
	return revision.Sum(revision.Inputs{
		ContainerFile: source.Map.Data, Target: source.Target, Args: args, Tree: tree,
	})
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
