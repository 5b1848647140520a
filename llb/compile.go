package llb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerui"
	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/frontend/subrequests/outline"
	"github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/solver/pb"
	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
	"github.com/opencontainers/go-digest"

	"github.com/quoitbuild/quoit/labels"
)

// run compiles a unit, if that is not remembered.
func (c *Compiler) run(ctx context.Context, u *unit) (*Compiled, error) {
	if ref, _, _ := u.source.Syntax(); ref != "" || c.Memory == nil {
		return c.anew(newImageClient(ctx, c, u))
	}
	key, err := c.key(u)
	if err != nil {
		return nil, err
	}
	inner := newImageClient(ctx, c, u)
	if known := c.recall(inner, key); known != nil {
		return inner.complete(known), nil
	}
	inner = newImageClient(ctx, c, u) // what was asked in vain does not count
	compiled, err := c.anew(inner)
	if err == nil {
		c.remember(inner, key, compiled)
	}
	return compiled, err
}

// anew compiles a unit.
func (c *Compiler) anew(inner *imageClient) (*Compiled, error) {
	source := inner.source
	if err := source.check(c.Frontends); err != nil {
		return nil, inSource(err, source)
	}
	compile := c.dockerfile
	if ref, _, _ := source.Syntax(); ref != "" {
		compile = c.forward
	}
	compiled, err := compile(inner.ctx, inner)
	if err != nil {
		return nil, inSource(err, source)
	}
	if compiled.Recipe == "" {
		compiled.Recipe = wholeRecipe(source)
	}
	if compiled.scratch = compiled.Definition == nil; !compiled.scratch {
		if compiled.Reads, compiled.Lines, err = readsOf(compiled.Definition, IsContext); err != nil {
			return nil, fmt.Errorf("image %s: %w", source.Name, err)
		}
		if compiled.Remotes, err = remotesOf(compiled.Definition); err != nil {
			return nil, fmt.Errorf("image %s: %w", source.Name, err)
		}
	}
	if compiled.Contexts, err = inner.usedContexts(compiled.Definition); err != nil {
		return nil, fmt.Errorf("image %s: %w", source.Name, err)
	}
	return inner.complete(compiled), nil
}

// dockerfile compiles with the embedded compiler.
func (c *Compiler) dockerfile(ctx context.Context, inner *imageClient) (*Compiled, error) {
	source, platform := inner.source, inner.unit.platform
	ui, err := dockerui.NewClient(inner)
	if err != nil {
		return nil, fmt.Errorf("image %s: %w", source.Name, err)
	}
	caps := inner.BuildOpts().LLBCaps
	opt := dockerfile2llb.ConvertOpt{
		Config:         ui.Config,
		Client:         ui,
		SourceMap:      source.Map,
		TargetPlatform: &platform,
		MetaResolver:   inner,
		LLBCaps:        &caps,
		Warn:           c.warner(ctx, inner.unit),
	}
	opt.BuildArgs = maps.Clone(opt.BuildArgs)
	res, err := dockerfile2llb.Dockerfile2LLB(ctx, source.Map.Data, opt)
	if err != nil {
		return nil, err
	}
	args, err := c.declared(ctx, inner, opt)
	if err != nil {
		return nil, err
	}
	def, err := res.State.Marshal(ctx)
	if err != nil {
		return nil, fmt.Errorf("image %s: writing its graph: %w", source.Name, err)
	}
	compiled := &Compiled{
		Config: *res.Image, BaseConfig: res.BaseImage, Args: args, Epoch: res.Epoch,
	}
	compiled.Recipe, compiled.Extent = recipeOf(source, platformArgs(c.builder(source), platform), ui.BuildArgs, inner.triggers())
	if len(def.Def) > 0 {
		compiled.Definition = def.ToPB()
	}
	return compiled, nil
}

// declared names the arguments of source.Args that reachable stages declare, or all of
// those if that cannot be told. Only then a second pass of the compiler is needed; it comes
// after the first, which has asked for the base images.
func (c *Compiler) declared(ctx context.Context, inner *imageClient, opt dockerfile2llb.ConvertOpt) ([]string, error) {
	source := inner.source
	if len(source.Args) == 0 {
		return nil, nil
	}
	opt.Warn = nil
	opt.BuildArgs = maps.Clone(opt.BuildArgs)
	o, err := c.outline(ctx, inner, opt)
	if errors.Is(err, errCircle) {
		return slices.Sorted(maps.Keys(source.Args)), nil
	}
	if err != nil {
		return nil, err
	}
	var names []string
	for _, arg := range o.Args {
		if _, given := source.Args[arg.Name]; given {
			names = append(names, arg.Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// Outline returns what `--call=outline` shows of an image.
func (c *Compiler) Outline(ctx context.Context, name string) (*outline.Outline, error) {
	source := c.Sources[name]
	if err := source.check(c.Frontends); err != nil {
		return nil, inSource(err, source)
	}
	inner := newImageClient(ctx, c, newUnit("outline", source, source.Platforms[0]))
	ui, err := dockerui.NewClient(inner)
	if err != nil {
		return nil, err
	}
	caps := inner.BuildOpts().LLBCaps
	opt := dockerfile2llb.ConvertOpt{
		Config: ui.Config, Client: ui, SourceMap: source.Map, TargetPlatform: &source.Platforms[0], MetaResolver: inner, LLBCaps: &caps,
	}
	// It asks for the base images, whose triggers count.
	if _, err = dockerfile2llb.Dockerfile2LLB(ctx, source.Map.Data, opt); err != nil {
		return nil, inSource(err, source)
	}
	o, err := c.outline(ctx, inner, opt)
	return o, inSource(err, source)
}

// outline is that of a file that compiles, if it has an end: see [checkStages].
func (c *Compiler) outline(ctx context.Context, inner *imageClient, opt dockerfile2llb.ConvertOpt) (*outline.Outline, error) {
	if err := checkStages(inner.source, platformArgs(c.builder(inner.source), *opt.TargetPlatform), inner.triggersByBase()); err != nil {
		return nil, err
	}
	return dockerfile2llb.Dockerfile2Outline(ctx, inner.source.Map.Data, opt)
}

func (c *Compiler) warner(ctx context.Context, u *unit) linter.LintWarnFunc {
	if !c.warns(u) {
		return nil
	}
	return func(rule, description, url, message string, location []parser.Range) {
		line := 0
		if len(location) > 0 {
			line = location[0].Start.Line
		}
		c.warn(ctx, u, warning{linter.LintFormatShort(rule, message, line), client.WarnOpts{
			Level:  1,
			Detail: [][]byte{[]byte(description)},
			URL:    url,
			Range:  pbRanges(location),
		}})
	}
}

// warns tells whether warnings of a unit are told: once for an image, not for each of its
// platforms.
func (c *Compiler) warns(u *unit) bool {
	return c.Warn != nil && platforms.FormatAll(u.platform) == platforms.FormatAll(u.source.Platforms[0])
}

// warn tells a warning, and keeps it for those that are equal.
func (c *Compiler) warn(ctx context.Context, u *unit, w warning) {
	c.mu.Lock()
	u.warnings = append(u.warnings, w)
	c.mu.Unlock()
	w.opts.SourceInfo = sourceInfo(u.source)
	c.Warn(ctx, u.source, w.message, w.opts)
}

// innerOptions are the options of one image's compile: the build's without what
// speaks of the manifest, with the image's own.
func innerOptions(outer map[string]string, source Source) map[string]string {
	opts := map[string]string{}
	for key, value := range outer {
		ours := strings.HasPrefix(key, "context:") && !strings.HasPrefix(value, imageScheme) // it is among the source's
		if !onlyOuter(key) && !ours {
			opts[key] = value
		}
	}
	for name, value := range source.Args {
		if key := "build-arg:" + name; !onlyOuter(key) {
			opts[key] = value
		}
	}
	for key, value := range source.Labels {
		opts["label:"+key] = value
	}
	if opts["no-cache"] != "" { // a filter that names images
		delete(opts, "no-cache")
	}
	if source.NoCache != nil {
		opts["no-cache"] = strings.Join(source.NoCache, ",")
	}
	source.contextOptions(opts)
	opts["target"] = source.Target
	opts["filename"] = source.File
	opts["multi-platform"] = fmt.Sprint(len(source.Platforms) > 1)
	return opts
}

func onlyOuter(key string) bool {
	switch key {
	case "cmdline", "source", "build-arg:BUILDKIT_SYNTAX", "dockerfilekey", "requestid", "frontend.caps",
		"platform", "target", "filename", "build-arg:BUILDKIT_MULTI_PLATFORM", "cache-imports", "cache-from":
		return true
	}
	if strings.HasPrefix(key, "context:") {
		return false // a named context
	}
	return strings.HasPrefix(key, "context") || strings.HasPrefix(key, "input-metadata:") ||
		strings.HasPrefix(key, "build-arg:QUOIT_") || strings.HasPrefix(key, "attest:")
}

// inSource gives an error of the compiler the excerpt of its container file.
func inSource(err error, source Source) error {
	var located *parser.LocationError
	if err == nil || !errors.As(err, &located) {
		if err != nil && len(errdefs.Sources(err)) == 0 && !errors.Is(err, errSibling) {
			return fmt.Errorf("image %s: %s: %w", source.Name, source.File, err)
		}
		return err
	}
	err = fmt.Errorf("image %s: %w", source.Name, err)
	for _, ranges := range located.Locations {
		err = withSource(err, source, pbRanges(ranges))
	}
	return err
}

func withSource(err error, source Source, ranges []*pb.Range) error {
	return errdefs.WithSource(err, &errdefs.Source{Info: sourceInfo(source), Ranges: ranges})
}

func sourceInfo(source Source) *pb.SourceInfo {
	return &pb.SourceInfo{Data: source.Map.Data, Filename: source.Map.Filename, Language: source.Map.Language}
}

func pbRanges(ranges []parser.Range) []*pb.Range {
	var out []*pb.Range
	for _, r := range ranges {
		out = append(out, &pb.Range{
			Start: &pb.Position{Line: int32(r.Start.Line), Character: int32(r.Start.Character)},
			End:   &pb.Position{Line: int32(r.End.Line), Character: int32(r.End.Character)},
		})
	}
	return out
}

// isScratch tells whether a compiled image has no layer at all, so that a
// child of it starts from scratch too.
func (c *Compiled) isScratch() bool { return c.scratch }

// baseConfig is the image's config as a child's compile sees it.
func (c *Compiled) baseConfig() ([]byte, error) {
	given := c.config
	if given == nil {
		var err error
		if given, err = json.Marshal(c.Config); err != nil {
			return nil, fmt.Errorf("image %s: writing its config: %w", c.Source.Name, err)
		}
	}
	// Read even if it was just written, so that one that is remembered is the same.
	var config dockerspec.DockerOCIImage
	if err := json.Unmarshal(given, &config); err != nil {
		return nil, fmt.Errorf("image %s: reading its config: %w", c.Source.Name, err)
	}
	labels.Strip(config.Config.Labels)
	if c.isScratch() {
		config.RootFS.DiffIDs, config.History = nil, nil
	} else if len(config.RootFS.DiffIDs) == 0 {
		// The compiler takes an image without diff IDs for scratch. Exporters
		// write the true ones.
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, digest.FromString(c.Source.Name))
	}
	raw, err := json.Marshal(config)
	if err != nil {
		return nil, fmt.Errorf("image %s: writing its config: %w", c.Source.Name, err)
	}
	return raw, nil
}
