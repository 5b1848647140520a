package frontend

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	bk "github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/dockerui"
	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/pb"
	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/containerd/platforms"

	"github.com/quoitbuild/quoit/labels"
	"github.com/quoitbuild/quoit/llb"
	"github.com/quoitbuild/quoit/versioning"
)

// releaseFile is where a root image carries its release.
const releaseFile = "/quoit/release.json"

// maxParallelSolves bounds the solves that are handed to BuildKit at once.
const maxParallelSolves = 16

// solver turns the plan into images.
type solver struct {
	*planner
	ui      *dockerui.Client
	builder *llb.Builder
	digests map[string]string // of images that come from the registry
}

// built is one image for one platform, ready to be returned.
type built struct {
	image    string
	platform ocispecs.Platform
	ref      client.Reference
	def      *pb.Definition
	config   []byte
	base     []byte
	epoch    *time.Time
}

// result builds what the options ask for.
func (s *solver) result(ctx context.Context) (*client.Result, error) {
	if err := s.prepare(ctx); err != nil {
		return nil, err
	}
	if s.opts.export || s.opts.target == AllImages {
		return s.all(ctx)
	}
	image, stage := s.opts.splitTarget()
	if image == "" {
		image = s.project.manifest.Root
	}
	if _, ok := s.project.images[image]; !ok {
		return nil, s.unknownTarget(image)
	}
	if stage != "" {
		return s.stage(ctx, image, stage)
	}
	return s.one(ctx, image)
}

// prepare looks up the digests of the unchanged images that changed ones build on.
func (s *solver) prepare(ctx context.Context) error {
	s.digests = map[string]string{}
	needed := map[string]bool{}
	for _, name := range s.plan.PublishOrder() {
		for _, c := range s.compiled[name] {
			for _, sibling := range c.Siblings {
				if plan, _ := s.plan.Image(sibling); !plan.Built() {
					needed[sibling] = true
				}
			}
		}
	}
	if err := s.lookUpDigests(ctx, slices.Sorted(maps.Keys(needed))); err != nil {
		return err
	}
	selection := s.project.selection()
	s.builder = &llb.Builder{
		Compiler:  s.compiler,
		Context:   func(source llb.Source) bk.State { return selection.State(s.tree, source) },
		Published: s.published,
	}
	return nil
}

func (s *solver) lookUpDigests(ctx context.Context, names []string) error {
	digests := make([]string, len(names))
	eg, ctx := errgroup.WithContext(ctx)
	eg.SetLimit(maxParallelLookups)
	for i, name := range names {
		eg.Go(func() (err error) {
			digests[i], err = s.digest(ctx, name)
			return err
		})
	}
	if err := eg.Wait(); err != nil {
		return err
	}
	for i, name := range names {
		s.digests[name] = digests[i]
	}
	return nil
}

// digest is that of an image which is not built: of its version's tag, or for
// the root image that of its ring.
func (s *solver) digest(ctx context.Context, name string) (string, error) {
	plan, _ := s.plan.Image(name)
	if name == s.plan.Root && !plan.Changed && s.plan.Current != nil {
		return s.plan.Current.Digest, nil
	}
	return s.store.digest(ctx, name, plan.Version, s.project.images[name].Platforms)
}

// published is the reference of an image that is not built now.
func (s *solver) published(name string, platform ocispecs.Platform) string {
	plan, _ := s.plan.Image(name)
	if plan.Built() || s.digests[name] == "" || !slices.Contains(plan.Platforms, platforms.FormatAll(platform)) {
		return ""
	}
	return s.project.manifest.Repository(name) + "@" + s.digests[name]
}

// all returns every image that is built, each platform under an id of its own.
func (s *solver) all(ctx context.Context) (*client.Result, error) {
	names := s.plan.PublishOrder()
	if s.opts.export {
		if err := s.checkExport(); err != nil {
			return nil, err
		}
		if len(names) == 0 {
			return client.NewResult(), nil
		}
	}
	if len(names) == 0 {
		return s.unchanged(ctx, s.plan.Root)
	}
	images, err := s.build(ctx, names)
	if err != nil {
		return nil, err
	}
	if len(images) == 0 {
		return nil, fmt.Errorf("nothing that changed is made for %v: the manifest's platforms: decides", formatPlatforms(s.opts.platforms))
	}
	r := newResult()
	for _, b := range images {
		id := b.image
		if len(s.opts.narrow(s.project.images[b.image].Platforms)) > 1 {
			id += "/" + platforms.FormatAll(b.platform)
		}
		r.add(id, b)
	}
	return r.finish(ctx, s)
}

// one returns one image; every other changed image is evaluated if it is the
// default target's build.
func (s *solver) one(ctx context.Context, image string) (*client.Result, error) {
	names := []string{image}
	if s.opts.target == "" {
		names = s.plan.PublishOrder()
	}
	if _, err := s.platforms(image); err != nil {
		return nil, err
	}
	plan, _ := s.plan.Image(image)
	if !plan.Built() {
		return s.unchanged(ctx, image)
	}
	images, err := s.build(ctx, names)
	if err != nil {
		return nil, err
	}
	r := newResult()
	eg, egCtx := errgroup.WithContext(ctx)
	for _, b := range images {
		if b.image == image {
			r.addPlatform(b, s.ui.MultiPlatformRequested || len(s.project.images[image].Platforms) > 1)
		} else if b.ref != nil {
			eg.Go(func() error { return b.ref.Evaluate(egCtx) })
		}
	}
	if err := eg.Wait(); err != nil {
		return nil, err
	}
	if s.plan.Ring != versioning.None {
		r.res.AddMeta("image.name", []byte(s.store.reference(image, plan.Version)))
	}
	info, err := s.labels(plan, s.compiled[image][0])
	if err != nil {
		return nil, err
	}
	r.annotate(labels.Annotations(info))
	return r.finish(ctx, s)
}

// stage returns a stage of an image's container file, without labels of ours:
// it is no image of the project.
func (s *solver) stage(ctx context.Context, image, stage string) (*client.Result, error) {
	selected, err := s.platforms(image)
	if err != nil {
		return nil, err
	}
	r := newResult()
	for _, platform := range selected {
		compiled, err := s.compiler.Stage(ctx, image, stage, platform)
		if err != nil {
			return nil, err
		}
		for _, sibling := range compiled.Siblings {
			if plan, _ := s.plan.Image(sibling); !plan.Built() && s.digests[sibling] == "" {
				if s.digests[sibling], err = s.digest(ctx, sibling); err != nil {
					return nil, err
				}
			}
		}
		b, err := s.solve(ctx, compiled, nil, compiled.Config)
		if err != nil {
			return nil, err
		}
		r.addPlatform(b, s.ui.MultiPlatformRequested || len(selected) > 1)
	}
	return r.finish(ctx, s)
}

// unchanged returns the registry's image, so that a stock client that pushes
// the result pushes just that.
func (s *solver) unchanged(ctx context.Context, image string) (*client.Result, error) {
	selected, err := s.platforms(image)
	if err != nil {
		return nil, err
	}
	dgst, err := s.digest(ctx, image)
	if err != nil {
		return nil, err
	}
	ref := s.project.manifest.Repository(image) + "@" + dgst
	r := newResult()
	for _, platform := range selected {
		_, _, config, err := s.client.ResolveImageConfig(ctx, ref, sourceresolver.Opt{
			LogName:  "[quoit] load metadata for " + ref,
			ImageOpt: &sourceresolver.ResolveImageOpt{Platform: &platform},
		})
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", ref, err)
		}
		def, err := bk.Image(ref, bk.Platform(platform), bk.WithCustomName("["+image+"] unchanged: "+ref)).
			Marshal(ctx, bk.Platform(platform), bk.WithCaps(s.client.BuildOpts().LLBCaps))
		if err != nil {
			return nil, fmt.Errorf("writing the graph: %w", err)
		}
		b := built{image: image, platform: platform, config: config, def: def.ToPB()}
		if b.ref, err = s.solveDefinition(ctx, def.ToPB()); err != nil {
			return nil, err
		}
		r.addPlatform(b, s.ui.MultiPlatformRequested || len(selected) > 1)
	}
	return r.finish(ctx, s)
}

// platforms are those of an image that this build is for.
func (s *solver) platforms(image string) ([]ocispecs.Platform, error) {
	all := s.project.images[image].Platforms
	selected := s.opts.narrow(all)
	if len(selected) == 0 {
		return nil, fmt.Errorf("image %s is not made for %v: its platforms are %v, the manifest's platforms: decides", image, formatPlatforms(s.opts.platforms), formatPlatforms(all))
	}
	return selected, nil
}

// build solves images with all their platforms.
func (s *solver) build(ctx context.Context, names []string) ([]built, error) {
	type job struct {
		compiled *llb.Compiled
		def      *pb.Definition
		config   dockerspec.DockerOCIImage
	}
	var jobs []job
	for _, name := range names {
		plan, _ := s.plan.Image(name)
		for _, compiled := range s.own(name) {
			if len(s.opts.narrow([]ocispecs.Platform{compiled.Platform})) == 0 {
				continue
			}
			stamped, err := s.stamp(ctx, plan, compiled)
			if err != nil {
				return nil, err
			}
			files, err := s.releaseFiles(name)
			if err != nil {
				return nil, err
			}
			def, err := s.builder.Image(ctx, compiled, files)
			if err != nil {
				return nil, err
			}
			jobs = append(jobs, job{compiled, def, stamped})
		}
	}
	results := make([]built, len(jobs))
	eg, ctx := errgroup.WithContext(ctx)
	eg.SetLimit(maxParallelSolves)
	for i, j := range jobs {
		eg.Go(func() (err error) {
			results[i], err = s.solve(ctx, j.compiled, j.def, j.config)
			return err
		})
	}
	return results, eg.Wait()
}

// own are an image's graphs for its own platforms; others were only compiled
// because a sibling reads them.
func (s *solver) own(name string) []*llb.Compiled {
	return s.compiled[name][:len(s.project.images[name].Platforms)]
}

func (s *solver) solve(ctx context.Context, compiled *llb.Compiled, def *pb.Definition, config dockerspec.DockerOCIImage) (b built, err error) {
	b = built{image: compiled.Source.Name, platform: compiled.Platform, epoch: compiled.Epoch}
	if def == nil {
		if def, err = s.builder.Image(ctx, compiled, nil); err != nil {
			return b, err
		}
	}
	b.def = def
	if b.config, err = json.Marshal(config); err != nil {
		return b, fmt.Errorf("image %s: writing its config: %w", b.image, err)
	}
	if compiled.BaseConfig != nil {
		if b.base, err = json.Marshal(compiled.BaseConfig); err != nil {
			return b, fmt.Errorf("image %s: writing its base's config: %w", b.image, err)
		}
	}
	b.ref, err = s.solveDefinition(ctx, def)
	return b, err
}

func (s *solver) solveDefinition(ctx context.Context, def *pb.Definition) (client.Reference, error) {
	if def == nil {
		return nil, nil
	}
	res, err := s.client.Solve(ctx, client.SolveRequest{Definition: def, CacheImports: s.ui.CacheImports})
	if err != nil {
		return nil, err
	}
	return res.SingleRef()
}
