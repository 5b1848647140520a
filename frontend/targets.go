package frontend

import (
	"context"
	"fmt"

	bk "github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/gateway/client"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/containerd/platforms"

	"github.com/quoitbuild/quoit/labels"
	"github.com/quoitbuild/quoit/versioning"
)

// result builds what the options ask for.
func (s *solver) result(ctx context.Context) (*client.Result, error) {
	if err := s.prepare(); err != nil {
		return nil, err
	}
	if s.opts.Export || s.opts.Target == AllImages {
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

// all returns every image that is built, each platform under an id of its own.
func (s *solver) all(ctx context.Context) (*client.Result, error) {
	names := s.plan.PublishOrder()
	if s.opts.Part != nil {
		names = Part(s.plan, *s.opts.Part)
	}
	if s.opts.Export {
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
		return nil, fmt.Errorf("no changed image is built for %v: see platforms: in the manifest", s.opts.Platforms)
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
	if s.opts.Target == "" {
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
		r.res.AddMeta("image.name", []byte(s.project.manifest.Repository(image)+":"+plan.Version.String()))
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
		if err := s.siblings(compiled); err != nil {
			return nil, err
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
	dgst, err := s.digest(image)
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
		return nil, fmt.Errorf("image %s is not built for %v but for %v: see platforms: in the manifest", image, s.opts.Platforms, formatPlatforms(all))
	}
	return selected, nil
}
