package frontend

import (
	"context"
	"errors"
	"fmt"
	"slices"

	bk "github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/containerd/platforms"

	"github.com/quoitbuild/quoit/graph"
	"github.com/quoitbuild/quoit/internal/diag"
	"github.com/quoitbuild/quoit/llb"
	"github.com/quoitbuild/quoit/versioning"
)

// maxParallelLookups bounds the questions to registries at one time.
const maxParallelLookups = 32

// planner goes from the project's files to the plan.
type planner struct {
	client  client.Client
	runner  Runner
	opts    Options
	project *project

	log      *log
	named    func(context.Context) (string, error)
	rings    *rings // nil if no ring is asked
	compiler *llb.Compiler
	compiled map[string][]*llb.Compiled
	tree     bk.State
	graph    *graph.Graph
	plan     versioning.Plan
	older    map[string]string // rings whose release is older than the log, by images whose digest it does not say
}

// rings is what the project's rings say, looked up while files are read.
type rings struct {
	known  chan struct{} // closed when the rest is there
	state  versioning.State
	merged []versioning.Placed
	err    error
}

// wait returns when the rest is there, or the caller has no use for it any more.
func (r *rings) wait(ctx context.Context) error {
	select {
	case <-r.known:
		return r.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// lookUp begins to read the log and what it says of the ring that the build is for, if
// the plan is wanted: all that has to be known for it is the manifest.
func (p *planner) lookUp(ctx context.Context, wanted needs) error {
	m := p.project.manifest
	root, _ := m.Image(m.Root)
	platforms, err := imagePlatforms(root, defaultPlatform(p.client))
	if err != nil {
		return err
	}
	p.log = &log{lookup: &lookup{gateway: p.client}, manifest: m, first: p.opts.First, root: platforms, named: p.named}
	if p.opts.Ring == "" {
		p.opts.Ring = m.Rings[0]
	}
	if p.opts.Ring == versioning.None || wanted < needsPlan {
		return nil
	}
	p.rings = &rings{known: make(chan struct{})}
	go func() {
		defer close(p.rings.known)
		if p.rings.err = p.log.open(ctx); p.rings.err != nil {
			return
		}
		eg, ctx := errgroup.WithContext(ctx)
		eg.Go(func() (err error) {
			p.rings.state, err = p.log.state(ctx, p.opts.Ring)
			return err
		})
		eg.Go(func() (err error) {
			p.rings.merged, err = p.log.merged(ctx, p.opts.Merge)
			return err
		})
		p.rings.err = p.ringProblem(eg.Wait())
	}()
	return nil
}

// makePlan does everything up to the decision. The rings are looked up while
// the images are compiled and their files are hashed.
func (p *planner) makePlan(ctx context.Context) error {
	if p.rings == nil {
		request, err := p.sources(ctx, nil)
		if err != nil {
			return err
		}
		p.plan, err = versioning.Unpublishable(request)
		return err
	}
	var request versioning.Request
	eg, egCtx := errgroup.WithContext(ctx)
	eg.Go(func() error { return p.rings.wait(egCtx) })
	eg.Go(func() error {
		pins, err := p.pins(egCtx)
		if err != nil {
			return err
		}
		request, err = p.sources(egCtx, pins)
		return err
	})
	if err := eg.Wait(); err != nil {
		return err
	}
	request.State, request.Merge = p.rings.state, p.rings.merged
	return p.decide(ctx, request)
}

// pins are the digests that externals had when the current release was built;
// only the first ring, and whoever asks to pull, follows the tags.
func (p *planner) pins(ctx context.Context) (map[string]string, error) {
	order := p.project.manifest.RingOrder()
	if p.opts.Pull || slices.Index(order, p.opts.Ring) <= 1 {
		return nil, nil
	}
	if err := p.rings.wait(ctx); err != nil {
		return nil, err
	}
	if state := p.rings.state; state.Current != nil && state.Outer() {
		return state.Current.Release.Digests(), nil
	}
	return nil, nil
}

func (p *planner) ringProblem(err error) error {
	var ring *versioning.RingError
	if !errors.As(err, &ring) {
		return err
	}
	if near := diag.Nearest(ring.Ring, ring.Rings); near != "" {
		return fmt.Errorf("%w; did you mean %q?", err, near)
	}
	return err
}

func (p *planner) checkSelections() error {
	names := p.project.manifest.ImageNames()
	for arg, s := range map[string][]string{ArgMajor: p.opts.Major, ArgRebuild: p.opts.Rebuild} {
		if name := unknownName(s, names); name != "" {
			return fmt.Errorf("%s names %q, which is not an image of %s%s", arg, name, p.project.manifest.Project, didYouMean(name, names))
		}
	}
	return nil
}

func didYouMean(word string, among []string) string {
	if near := diag.Nearest(word, among); near != "" {
		return fmt.Sprintf("; did you mean %q?", near)
	}
	return ""
}

// sources says what the project's files say now: compiles all images, hashes
// what they read, and resolves externals.
func (p *planner) sources(ctx context.Context, pins map[string]string) (versioning.Request, error) {
	externals := llb.NewExternals(p.client, pins)
	p.compiler.Externals = externals
	if err := p.order(p.compile(ctx)); err != nil {
		return versioning.Request{}, err
	}
	hashes, err := p.project.hashRequest(p.compiled)
	if err != nil {
		return versioning.Request{}, err
	}
	trees, err := p.project.hash(ctx, p.client, p.runner, p.tree, hashes)
	if err != nil {
		return versioning.Request{}, err
	}
	return p.request(ctx, trees, externals)
}

// makeGraph compiles the images and does nothing else: it sends no files but those
// that have been read, and asks nothing of the project's registry.
func (p *planner) makeGraph(ctx context.Context) error {
	return p.order(p.compiler.All(ctx))
}

// order takes what was compiled. The error is that of the compile, with the cycle
// that may lie behind it.
func (p *planner) order(compiled map[string][]*llb.Compiled, mistakes error) error {
	var cycle error
	p.graph, cycle = p.project.graph(compiled)
	p.compiled = compiled
	return errors.Join(mistakes, cycle)
}

// compile compiles all images while BuildKit loads the tree that they are hashed
// in, for which nothing of that has to be known.
func (p *planner) compile(ctx context.Context) (compiled map[string][]*llb.Compiled, err error) {
	def, err := p.tree.Marshal(ctx, bk.WithCaps(p.client.BuildOpts().LLBCaps))
	if err != nil {
		return nil, fmt.Errorf("loading the project's files: %w", err)
	}
	var mistakes error
	eg, egCtx := errgroup.WithContext(ctx)
	eg.Go(func() error {
		if _, err := p.client.Solve(egCtx, client.SolveRequest{Definition: def.ToPB(), Evaluate: true}); err != nil {
			return fmt.Errorf("loading the project's files: %w", err)
		}
		return nil
	})
	eg.Go(func() error {
		compiled, mistakes = p.compiler.All(egCtx)
		return nil
	})
	err = eg.Wait()
	if err != nil && errors.Is(mistakes, context.Canceled) && ctx.Err() == nil {
		mistakes = nil // the transfer has ended the compile, and nobody the build
	}
	// What is wrong with a container file says more than a transfer that failed.
	return compiled, errors.Join(mistakes, err)
}

func (p *planner) request(ctx context.Context, trees map[string]digest.Digest, externals *llb.Externals) (versioning.Request, error) {
	m := p.project.manifest
	request := versioning.Request{
		Project: m.Project, Registry: m.Registry, Root: m.Root,
		Source: p.opts.Source, Commit: p.opts.Commit,
	}
	for _, name := range p.graph.Order() {
		source, err := p.imageSource(name, trees[name])
		if err != nil {
			return request, err
		}
		request.Images = append(request.Images, source)
	}
	var err error
	request.Externals, err = p.externals(ctx, externals)
	return request, err
}

func (p *planner) imageSource(name string, tree digest.Digest) (versioning.Source, error) {
	image, _ := p.project.manifest.Image(name)
	source := versioning.Source{
		Name:         name,
		Revision:     revisionOf(p.compiled[name], tree),
		Platforms:    formatPlatforms(p.project.images[name].Platforms),
		Dependencies: p.graph.Needs(name),
		Externals:    map[string]string{},
		Major:        selects(p.opts.Major, name),
		Rebuild:      selects(p.opts.Rebuild, name),
	}
	for _, c := range p.compiled[name] {
		for ref, dgst := range c.Externals {
			source.Externals[ref] = dgst
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

// decide settles the plan, and finds the digest of every image that is not built.
func (p *planner) decide(ctx context.Context, request versioning.Request) (err error) {
	if p.plan, err = versioning.Resolve(request, p.log.versions(ctx)); err != nil {
		return err
	}
	for i, image := range p.plan.Images {
		if image.Built() {
			continue
		}
		if p.plan.Images[i].Digest, p.older[image.Name], err = p.log.digest(ctx, request.State, image.Name, image.Version); err != nil {
			return err
		}
	}
	return nil
}

// digest is the one that the log has assigned to an image which is not built.
func (p *planner) digest(name string) (string, error) {
	image, _ := p.plan.Image(name)
	if image.Digest == "" {
		return "", fmt.Errorf("%s has %s %s in a release that is older than the log, which does not say its digest: run `quoit take-over %s`, or build it again with %s=%s",
			p.older[name], name, image.Version, p.older[name], ArgRebuild, name)
	}
	return image.Digest, nil
}

func formatPlatforms(list []ocispecs.Platform) []string {
	var out []string
	for _, platform := range list {
		out = append(out, platforms.FormatAll(platform))
	}
	slices.Sort(out)
	return slices.Compact(out)
}
