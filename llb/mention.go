package llb

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/containerd/platforms"
	"github.com/distribution/reference"
	bk "github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/gateway/client"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// mention is a sibling as a forwarded container file names it.
type mention struct {
	sibling  string
	context  string // the named context that another frontend looks for
	platform ocispecs.Platform
}

// mentions are the siblings that another frontend may ask for. If the file
// speaks the compiler's language, that is where an image is named; else it is
// every word that is an image's name.
func (c *Compiler) mentions(inner *imageClient, platform ocispecs.Platform) ([]mention, error) {
	source := inner.source
	found := readNamings(source.Map.Data, platformArgs(c.worker(), platform), source.Args)
	if found.stages == 0 {
		return c.words(source, platform), nil
	}
	var mentions []mention
	for _, place := range found.places {
		if alias := source.named(contextOf(place.ref)); alias != nil {
			mentions = append(mentions, aliasMention(*alias, place, platform)...)
			continue
		}
		if _, stage := found.stageOf(place); stage {
			continue
		}
		if err := c.Names.check(place.ref, inner.spelling()); err != nil {
			return nil, parser.WithLocation(err, place.at)
		}
		name, ok := c.Names.Sibling(place.ref, inner.spelling())
		if !ok || name == source.Name {
			continue
		}
		m := mention{sibling: name, context: contextOf(place.ref), platform: platform}
		if p, err := platforms.Parse(place.platform); err == nil {
			m.platform = platforms.Normalize(p)
		}
		if _, stage := found.byName[m.context]; stage {
			return nil, parser.WithLocation(fmt.Errorf("%s is also the name of a stage, and the file's own frontend would use the image instead: write %s%s",
				m.context, c.Names.Prefixes[0], name), place.at)
		}
		mentions = append(mentions, m)
	}
	return mentions, nil
}

// aliasMention is a place that names a sibling by a named context; none for a folder.
func aliasMention(alias NamedContext, place naming, platform ocispecs.Platform) []mention {
	if alias.Image == "" {
		return nil
	}
	if p, err := platforms.Parse(place.platform); err == nil {
		platform = platforms.Normalize(p)
	}
	return []mention{{sibling: alias.Image, context: alias.Name, platform: platform}}
}

// words are the siblings whose names a file contains as words.
func (c *Compiler) words(source Source, platform ocispecs.Platform) []mention {
	var mentions []mention
	for _, named := range source.Contexts {
		if named.Image != "" && wordPattern(named.Name).Match(source.Map.Data) {
			mentions = append(mentions, mention{sibling: named.Image, context: named.Name, platform: platform})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Names.Images)) {
		if source.named(name) != nil {
			continue
		}
		if name == source.Name || !wordPattern(name).Match(source.Map.Data) {
			continue
		}
		for _, prefix := range append([]string{""}, c.Names.Prefixes...) {
			mentions = append(mentions, mention{sibling: name, context: prefix + name, platform: platform})
		}
	}
	return mentions
}

// contextOf is the name under which frontends look for a named context in place
// of a reference, which has been read before.
func contextOf(ref string) string {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return ref
	}
	return strings.TrimSuffix(reference.FamiliarString(named), ":latest")
}

// platformArgs are the arguments that every container file has.
func platformArgs(build, target ocispecs.Platform) map[string]string {
	args := map[string]string{}
	for prefix, p := range map[string]ocispecs.Platform{"BUILD": build, "TARGET": target} {
		args[prefix+"PLATFORM"] = platforms.FormatAll(p)
		args[prefix+"OS"], args[prefix+"OSVERSION"] = p.OS, p.OSVersion
		args[prefix+"ARCH"], args[prefix+"VARIANT"] = p.Architecture, p.Variant
	}
	return args
}

// builder is the platform that an image's steps run on; see [Compiler.Builder].
func (c *Compiler) builder(source Source) ocispecs.Platform {
	if c.Builder.OS != "" {
		return c.Builder
	}
	return source.Platforms[0]
}

// worker is the platform of what would build now, which other frontends take.
func (c *Compiler) worker() ocispecs.Platform {
	if workers := c.Gateway.BuildOpts().Workers; len(workers) > 0 && len(workers[0].Platforms) > 0 {
		return workers[0].Platforms[0]
	}
	return platforms.DefaultSpec()
}

// addSibling gives another frontend a sibling's mark and config as a named
// context, for one platform alone if that is not the target's.
func (c *Compiler) addSibling(ctx context.Context, req *client.SolveRequest, inner *imageClient, m mention, target ocispecs.Platform) error {
	platform, named := platforms.FormatAll(m.platform), m.context
	if platform != platforms.FormatAll(target) {
		named += "::" + platform
	}
	input := m.sibling + "::" + platform
	req.FrontendOpt["context:"+named] = "input:" + input
	if _, ok := req.FrontendInputs[input]; ok {
		return nil
	}
	compiled, err := c.compile(ctx, inner.unit, m.sibling, m.platform)
	if err != nil {
		return err
	}
	config, err := compiled.baseConfig()
	if err != nil {
		return err
	}
	meta, err := json.Marshal(map[string][]byte{exptypes.ExporterImageConfigKey: config})
	if err != nil {
		return fmt.Errorf("image %s: writing its config: %w", m.sibling, err)
	}
	st := bk.Scratch()
	if !compiled.isScratch() {
		st = bk.Image(siblingHost+m.sibling+":latest", bk.Platform(m.platform))
	}
	req.FrontendOpt["input-metadata:"+input] = string(meta)
	return addInput(ctx, req, input, st)
}
