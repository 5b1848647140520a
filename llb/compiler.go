package llb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/containerd/platforms"
	bk "github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/moby/buildkit/frontend/dockerui"
	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/frontend/subrequests/lint"
	"github.com/moby/buildkit/solver/pb"
	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quoitbuild/quoit/revision"
)

// Compiled is an image's graph for one platform, with marks in place of its
// context and its siblings.
type Compiled struct {
	Source   Source
	Platform ocispecs.Platform
	// Definition is the graph. An image FROM scratch without steps has none, nor has one
	// that a [Memory] knows.
	Definition *pb.Definition
	// Reads is what the graph reads of the image's context.
	Reads []revision.Read
	// Lines are those of the container file that have Reads, 0 where that is not known.
	Lines []int
	// Contexts are the named contexts that the graph uses, sorted by name.
	Contexts []UsedContext
	// Config is the image's config, BaseConfig that of its final stage's base; neither is
	// there if there is no graph because a Memory knows the image.
	Config     dockerspec.DockerOCIImage
	BaseConfig *dockerspec.DockerOCIImage
	// Externals are the digests of the images that are not the project's, by
	// reference with tag.
	Externals map[string]string
	// Remotes are what else comes from elsewhere.
	Remotes []Remote
	// Siblings are the project's images that the graph uses, sorted.
	Siblings []string
	// Args are the names of the build arguments that reachable stages declare
	// and that were given a value, sorted; of another frontend's file all that
	// were given.
	Args []string
	// Recipe is a digest of what the image is made from of its container file: neither
	// comments nor stages that the target does not reach are part of it. Of another
	// frontend's file it is the whole.
	Recipe string
	// Extent is how much of the file that is; nil: all of it.
	Extent *Extent
	// Epoch is SOURCE_DATE_EPOCH, if given.
	Epoch *time.Time

	unknown bool            // it stands for an image that is not compiled yet
	scratch bool            // it has no layer
	config  json.RawMessage // of one that a Memory knows
}

// Compiler compiles the images of one project. Each image and platform is
// compiled once, and so are equal container files of several images; an image that
// builds on a sibling waits for it.
type Compiler struct {
	// Gateway is BuildKit, or [Alone].
	Gateway Gateway
	// Options are the build's options for every image, as a frontend gets them.
	Options map[string]string
	// Sources are the images by name.
	Sources map[string]Source
	// Names tells siblings from externals.
	Names Names
	// Externals resolves the others.
	Externals *Externals
	// Builder is the platform that steps run on where a container file asks for that
	// (BUILDPLATFORM, BUILDARCH); the zero value: for each image its own first one, so that
	// what is made of a file is the same on all machines. Other frontends take their
	// builder's.
	Builder ocispecs.Platform
	// Time is that of the sources that the project's files come from, for those who ask for
	// it as SOURCE_DATE_EPOCH=context; nil: they come from a folder, which has none.
	Time func(context.Context) (*time.Time, error)
	// Frontends are the images that container files may name in a syntax line.
	Frontends Frontends
	// Memory knows compiles of earlier; nil: none. What it knows has no graph, so with a
	// Memory nothing can be built. Version is that of the program: another one asks anew.
	Memory  Memory
	Version string
	// Warn receives the compiler's warnings.
	Warn func(ctx context.Context, source Source, message string, opts client.WarnOpts)

	mu      sync.Mutex
	units   map[string]*unit
	twins   map[string]*unit // by twinKey
	circles [][]*unit        // that would wait for each other
}

// unit is one image for one platform on its way.
type unit struct {
	key      string
	source   Source
	platform ocispecs.Platform
	done     chan struct{}
	waits    map[*unit]bool // guarded by Compiler.mu
	result   *Compiled
	warnings []warning
	err      error
}

// errSibling marks the failure of an image that only waited for one that
// failed; the other one's error tells what is wrong.
var errSibling = errors.New("a sibling cannot be compiled")

// All compiles every image for each of its platforms. Results are by image:
// first its own platforms in their order, then others that siblings asked for.
// The error joins the mistakes of all images; next to it, results has what could
// be compiled. Images that build on each other are no error here: the cycle is in
// their Siblings. It is one if they only wait for each other.
func (c *Compiler) All(ctx context.Context) (map[string][]*Compiled, error) {
	var wg sync.WaitGroup
	for name, source := range c.Sources {
		for _, platform := range source.Platforms {
			// An error is kept with its unit, and collected from there.
			wg.Go(func() { _, _ = c.compile(ctx, nil, name, platform) })
		}
	}
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	results, failures := c.results(), c.failures()
	if len(failures) == 0 {
		return results, falseCircle(c.circles, results)
	}
	return results, errors.Join(failures...)
}

// results lists what was compiled, by image.
func (c *Compiler) results() map[string][]*Compiled {
	results := map[string][]*Compiled{}
	own := map[string]bool{}
	for name, source := range c.Sources {
		for _, platform := range source.Platforms {
			key := unitKey(name, platform)
			own[key] = true
			if u := c.units[key]; u != nil && u.result != nil {
				results[name] = append(results[name], u.result)
			}
		}
	}
	for _, key := range slices.Sorted(maps.Keys(c.units)) {
		if u := c.units[key]; !own[key] && u.result != nil {
			results[u.source.Name] = append(results[u.source.Name], u.result)
		}
	}
	return results
}

// failures lists the first mistake of each image that has one of its own.
func (c *Compiler) failures() []error {
	var all []error
	last := ""
	for _, key := range slices.Sorted(maps.Keys(c.units)) {
		u := c.units[key]
		if u.err != nil && !errors.Is(u.err, errSibling) && u.source.Name != last {
			last = u.source.Name
			all = append(all, u.err)
		}
	}
	return all
}

// compile returns an image's graph, made now or before. by is the unit that
// needs it, nil for none. The context has to be that of the whole build, not of
// one question: others wait for the same unit. For an image that already waits
// for by, the result says nothing of its layers; see [Compiler.All].
func (c *Compiler) compile(ctx context.Context, by *unit, name string, platform ocispecs.Platform) (*Compiled, error) {
	platform = platforms.Normalize(platform)
	u, mine, circular := c.claim(by, name, platform)
	if circular {
		return &Compiled{Source: u.source, Platform: platform, unknown: true}, nil
	}
	if mine {
		u.result, u.err = c.fromTwin(ctx, u)
		if u.result == nil && u.err == nil {
			u.result, u.err = c.run(ctx, u)
		}
		close(u.done)
	}
	<-u.done
	if by != nil {
		c.mu.Lock()
		delete(by.waits, u)
		c.mu.Unlock()
	}
	if u.err != nil && by != nil {
		return nil, fmt.Errorf("%w: %s", errSibling, name)
	}
	return u.result, u.err
}

func newUnit(key string, source Source, platform ocispecs.Platform) *unit {
	return &unit{key: key, source: source, platform: platform, done: make(chan struct{}), waits: map[*unit]bool{}}
}

func unitKey(name string, platform ocispecs.Platform) string {
	return name + " " + platforms.FormatAll(platforms.Normalize(platform))
}

// Stage compiles one stage of an image for a platform; its siblings are those
// that All compiled.
func (c *Compiler) Stage(ctx context.Context, name, stage string, platform ocispecs.Platform) (*Compiled, error) {
	source := c.Sources[name]
	source.Target = stage
	return c.run(ctx, newUnit(name+"/"+stage, source, platforms.Normalize(platform)))
}

// Graph returns an image for a platform with its graph, also if a Memory knows it; its
// siblings are those that All compiled.
func (c *Compiler) Graph(ctx context.Context, name string, platform ocispecs.Platform) (*Compiled, error) {
	return c.anew(newImageClient(ctx, c, newUnit(name, c.Sources[name], platforms.Normalize(platform))))
}

// Lint holds an image's container file to BuildKit's rules: one stage of it, or "" for all.
// What keeps it from compiling is in the results too, but that a sibling does not compile;
// an error is of something else. Another frontend's file gets none: its rules are its own.
func (c *Compiler) Lint(ctx context.Context, name, stage string) (*lint.LintResults, error) {
	source := c.Sources[name]
	if err := source.check(c.Frontends); err != nil {
		return nil, inSource(err, source)
	}
	if ref, _, _ := source.Syntax(); ref != "" {
		return &lint.LintResults{}, nil
	}
	source.Target = stage
	inner := newImageClient(ctx, c, newUnit("lint "+name, source, source.Platforms[0]))
	ui, err := dockerui.NewClient(inner)
	if err != nil {
		return nil, inSource(err, source)
	}
	caps := inner.BuildOpts().LLBCaps
	file := *source.Map
	file.Definition = &bk.Definition{} // the results have one
	found, err := dockerfile2llb.DockerfileLint(ctx, source.Map.Data, dockerfile2llb.ConvertOpt{
		Config: ui.Config, Client: ui, SourceMap: &file, TargetPlatform: &source.Platforms[0], MetaResolver: inner, LLBCaps: &caps,
	})
	if err == nil && inner.waited() {
		found.Error = nil
	}
	return found, inSource(err, source)
}

// claim finds or makes the unit of an image and platform and notes that by waits
// for it, unless that would be for ever.
func (c *Compiler) claim(by *unit, name string, platform ocispecs.Platform) (u *unit, mine, circular bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.units == nil {
		c.units = map[string]*unit{}
	}
	key := unitKey(name, platform)
	u, ok := c.units[key]
	if !ok {
		u = newUnit(key, c.Sources[name], platform)
		c.units[key] = u
	}
	if by == nil {
		return u, !ok, false
	}
	if circle := waitPath(u, by, map[*unit]bool{}); circle != nil {
		c.circles = append(c.circles, circle)
		return u, false, true
	}
	by.waits[u] = true
	return u, !ok, false
}
