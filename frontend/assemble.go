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
	"github.com/moby/buildkit/solver/pb"
	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/containerd/platforms"

	"github.com/quoitbuild/quoit/frontend/attestation"
	"github.com/quoitbuild/quoit/labels"
	"github.com/quoitbuild/quoit/llb"
	"github.com/quoitbuild/quoit/versioning"
)

// definitions are what is solved, and how it is returned.
type definitions struct {
	images      []definition
	name        string            // the only image's, if clients are to push it under that one
	annotations map[string]string // of the image manifests
	several     bool              // no exporter may put them under one name
	empty       bool              // nothing is returned, not even that it is for no platform
}

// definition is an image for one platform.
type definition struct {
	image    string
	platform ocispecs.Platform
	graph    *pb.Definition       // nil for an image without layers
	asked    *attestation.Request // nil if it is not built
	config   []byte
	base     []byte // the config of its base, nil for none
	epoch    *time.Time
	// id is under which of several refs it is returned, "" for the only one.
	id string
	// besides says that it is evaluated and not returned.
	besides bool
}

// assembler makes definitions of what is known.
type assembler struct {
	gateway
	known
	builder *llb.Builder
}

// assemble makes the definitions of what the options ask for.
func assemble(ctx context.Context, g gateway, k known) (definitions, error) {
	a := assembler{gateway: g, known: k}
	a.builder = &llb.Builder{
		Compiler:  k.compiler,
		Context:   k.contexts,
		Published: k.published,
		Remotes:   k.remotes,
	}
	if err := a.checkSiblings(); err != nil {
		return definitions{}, err
	}
	if g.opts.Export || g.opts.Target == AllImages {
		return a.all(ctx)
	}
	image, stage := g.opts.splitTarget()
	if image == "" {
		image = k.Root
	}
	if _, ok := k.images[image]; !ok {
		return definitions{}, k.unknownTarget(image)
	}
	if stage != "" {
		return a.stage(ctx, image, stage)
	}
	return a.one(ctx, image)
}

// all are every image that is built, each platform under an id of its own.
func (a assembler) all(ctx context.Context) (definitions, error) {
	names := a.PublishOrder()
	if a.opts.Part != nil {
		names = Part(a.Plan, *a.opts.Part)
	}
	if a.opts.Export && len(names) == 0 {
		return definitions{empty: true}, nil
	}
	if len(names) == 0 {
		made, err := a.unchanged(ctx, a.Root)
		made.several = true
		return made, err
	}
	images, err := a.changed(ctx, names)
	if err != nil {
		return definitions{}, err
	}
	if len(images) == 0 {
		return definitions{}, fmt.Errorf("no changed image is built for %v: see platforms: in the manifest", a.opts.Platforms)
	}
	for i, d := range images {
		images[i].id = d.image
		if len(a.opts.narrow(a.images[d.image].Platforms)) > 1 {
			images[i].id += "/" + platforms.FormatAll(d.platform)
		}
	}
	return definitions{images: images, several: !a.opts.Export}, nil
}

// one is one image; every other changed image is evaluated if it is the default target's
// build.
func (a assembler) one(ctx context.Context, image string) (definitions, error) {
	names := []string{image}
	if a.opts.Target == "" {
		names = a.PublishOrder()
	}
	if _, err := a.platforms(image); err != nil {
		return definitions{}, err
	}
	plan, _ := a.Image(image)
	if !plan.Built() {
		return a.unchanged(ctx, image)
	}
	images, err := a.changed(ctx, names)
	if err != nil {
		return definitions{}, err
	}
	for i, d := range images {
		if images[i].besides = d.image != image; d.image == image {
			images[i].id = a.id(d.platform, len(a.opts.narrow(a.images[image].Platforms)))
		}
	}
	info, err := a.labels(plan, a.graphs[image][0])
	if err != nil {
		return definitions{}, err
	}
	made := definitions{images: images, annotations: labels.Annotations(info)}
	if a.Ring != versioning.None {
		made.name = a.manifest.Repository(image) + ":" + plan.Version.String()
	}
	return made, nil
}

// stage is a stage of an image's container file, without labels of ours: it is no image
// of the project.
func (a assembler) stage(ctx context.Context, image, stage string) (definitions, error) {
	selected, err := a.platforms(image)
	if err != nil {
		return definitions{}, err
	}
	var stages []*llb.Compiled
	for _, platform := range selected {
		compiled, err := a.compiler.Stage(ctx, image, stage, platform)
		if err != nil {
			return definitions{}, err
		}
		if err := a.checkSiblingsOf(compiled); err != nil {
			return definitions{}, err
		}
		stages = append(stages, compiled)
	}
	// No image may read what the stage reads.
	graphs := maps.Clone(a.graphs)
	graphs[image] = slices.Concat(graphs[image], stages)
	files, err := a.run().hashTrees(ctx, a.project, a.compiled, a.hashRequest(graphs))
	if err != nil {
		return definitions{}, err
	}
	a.builder.Context = files.contexts
	var made definitions
	for i, compiled := range stages {
		d, err := a.definition(ctx, compiled, nil, compiled.Config)
		if err != nil {
			return definitions{}, err
		}
		d.id = a.id(selected[i], len(selected))
		made.images = append(made.images, d)
	}
	return made, nil
}

// unchanged is the registry's image, so that a stock client that pushes the result
// pushes just that, with the labels that were asked for.
func (a assembler) unchanged(ctx context.Context, image string) (definitions, error) {
	selected, err := a.platforms(image)
	if err != nil {
		return definitions{}, err
	}
	dgst, err := a.digestOf(image)
	if err != nil {
		return definitions{}, err
	}
	ref := a.manifest.Repository(image) + "@" + dgst
	given := maps.Clone(a.opts.Labels)
	a.overrule(ctx, image, given)
	var made definitions
	for _, platform := range selected {
		_, _, config, err := a.ResolveImageConfig(ctx, ref, sourceresolver.Opt{
			LogName:  "[quoit] load metadata for " + ref,
			ImageOpt: &sourceresolver.ResolveImageOpt{Platform: &platform},
		})
		if err != nil {
			return definitions{}, fmt.Errorf("reading %s: %w", ref, err)
		}
		if config, err = labels.Add(config, given); err != nil {
			return definitions{}, fmt.Errorf("reading the config of %s: %w", ref, err)
		}
		def, err := bk.Image(ref, bk.Platform(platform), bk.WithCustomName("["+image+"] unchanged: "+ref)).
			Marshal(ctx, bk.Platform(platform), bk.WithCaps(a.BuildOpts().LLBCaps))
		if err != nil {
			return definitions{}, fmt.Errorf("writing the graph: %w", err)
		}
		made.images = append(made.images, definition{
			image: image, platform: platform, config: config, graph: def.ToPB(), id: a.id(platform, len(selected)),
		})
	}
	return made, nil
}

// id is under which a platform of the only image is returned, "" if it is returned by
// itself.
func (a assembler) id(platform ocispecs.Platform, count int) string {
	if a.ui.MultiPlatformRequested || count > 1 {
		return platforms.FormatAll(platform)
	}
	return ""
}

// platforms are those of an image that this build is for.
func (a assembler) platforms(image string) ([]ocispecs.Platform, error) {
	all := a.images[image].Platforms
	selected := a.opts.narrow(all)
	if len(selected) == 0 {
		return nil, fmt.Errorf("image %s is not built for %v but for %v: see platforms: in the manifest", image, a.opts.Platforms, formatPlatforms(all))
	}
	return selected, nil
}

// changed are images that are built, for all their platforms that this build is for.
func (a assembler) changed(ctx context.Context, names []string) ([]definition, error) {
	var all []definition
	for _, name := range names {
		plan, _ := a.Image(name)
		for _, compiled := range a.own(name) {
			if len(a.opts.narrow([]ocispecs.Platform{compiled.Platform})) == 0 {
				continue
			}
			stamped, err := a.stamp(ctx, plan, compiled)
			if err != nil {
				return nil, err
			}
			files, err := a.releaseFiles(name)
			if err != nil {
				return nil, err
			}
			d, err := a.definition(ctx, compiled, files, stamped)
			if err != nil {
				return nil, err
			}
			all = append(all, d)
		}
	}
	return all, nil
}

// definition is a compiled image with these files on top and that config.
func (a assembler) definition(ctx context.Context, compiled *llb.Compiled, files map[string][]byte, config dockerspec.DockerOCIImage) (d definition, err error) {
	source := compiled.Source
	d = definition{image: source.Name, platform: compiled.Platform, epoch: compiled.Epoch, asked: &attestation.Request{
		File: source.File, Target: source.Target, Args: source.Args, Labels: source.Labels, Platform: compiled.Platform,
	}}
	d.asked.Syntax, _, _ = source.Syntax()
	if d.graph, err = a.builder.Image(ctx, compiled, files); err != nil {
		return d, err
	}
	if d.config, err = json.Marshal(config); err != nil {
		return d, fmt.Errorf("image %s: writing its config: %w", d.image, err)
	}
	if compiled.BaseConfig != nil {
		if d.base, err = json.Marshal(compiled.BaseConfig); err != nil {
			return d, fmt.Errorf("image %s: writing its base's config: %w", d.image, err)
		}
	}
	return d, nil
}

// own are an image's graphs for its own platforms; others were only compiled
// because a sibling reads them.
func (k known) own(name string) []*llb.Compiled {
	return k.graphs[name][:len(k.images[name].Platforms)]
}

// published is the reference of an image that is not built now.
func (k known) published(name string, platform ocispecs.Platform) string {
	plan, _ := k.Image(name)
	if plan.Built() || plan.Digest == "" || !slices.Contains(plan.Platforms, platforms.FormatAll(platform)) {
		return ""
	}
	return k.manifest.Repository(name) + "@" + plan.Digest
}

// inGraph tells whether an image's own steps are in the graph of what is built.
func (k known) inGraph(name string) bool {
	return slices.ContainsFunc(k.graphs[name], func(c *llb.Compiled) bool { return k.published(name, c.Platform) == "" })
}

// checkSiblings makes sure that the digests of the unchanged images are known that changed
// ones build on.
func (k known) checkSiblings() error {
	for _, name := range k.PublishOrder() {
		for _, compiled := range k.graphs[name] {
			if err := k.checkSiblingsOf(compiled); err != nil {
				return err
			}
		}
	}
	return nil
}

func (k known) checkSiblingsOf(compiled *llb.Compiled) error {
	for _, sibling := range compiled.Siblings {
		if plan, _ := k.Image(sibling); plan.Built() {
			continue
		}
		if _, err := k.digestOf(sibling); err != nil {
			return err
		}
	}
	return nil
}
