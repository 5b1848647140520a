package llb

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/pb"
	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// Compiled is an image's graph for one platform, with marks in place of its
// context and its siblings.
type Compiled struct {
	Source   Source
	Platform ocispecs.Platform
	// Definition is the graph; an image FROM scratch without steps has none.
	Definition *pb.Definition
	// Config is the image's config, BaseConfig that of its final stage's base.
	Config     dockerspec.DockerOCIImage
	BaseConfig *dockerspec.DockerOCIImage
	// Externals are the digests of the images that are not the project's, by
	// reference with tag.
	Externals map[string]string
	// Siblings are the project's images that the graph uses, sorted.
	Siblings []string
	// Args are the names of the build arguments that reachable stages declare
	// and that were given a value, sorted.
	Args []string
	// Epoch is SOURCE_DATE_EPOCH, if given.
	Epoch *time.Time
}

// Compiler compiles the images of one project. Each image and platform is
// compiled once; an image that builds on a sibling waits for it.
type Compiler struct {
	// Gateway is BuildKit.
	Gateway client.Client
	// Options are the build's options for every image, as a frontend gets them.
	Options map[string]string
	// Sources are the images by name.
	Sources map[string]Source
	// Names tells siblings from externals.
	Names Names
	// Externals resolves the others.
	Externals *Externals
	// Warn receives the compiler's warnings.
	Warn func(ctx context.Context, source Source, message string, opts client.WarnOpts)

	mu    sync.Mutex
	units map[string]*unit
}

// unit is one image for one platform on its way.
type unit struct {
	key      string
	source   Source
	platform ocispecs.Platform
	done     chan struct{}
	waits    map[*unit]bool // guarded by Compiler.mu
	result   *Compiled
	err      error
}

// CycleError says that images build on each other.
type CycleError struct {
	// Path names the images in the order of their needs, the first again last.
	Path []string
}

func (e *CycleError) Error() string {
	text := "images build on each other: " + e.Path[0]
	for _, name := range e.Path[1:] {
		text += " → " + name
	}
	return text
}

// errSibling marks the failure of an image that only waited for one that
// failed; the other one's error tells what is wrong.
var errSibling = errors.New("a sibling cannot be compiled")

// All compiles every image for each of its platforms. Results are by image, in
// the order of its platforms. The error joins the mistakes of all images.
func (c *Compiler) All(ctx context.Context) (map[string][]*Compiled, error) {
	results := map[string][]*Compiled{}
	failures := map[string]error{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for name, source := range c.Sources {
		results[name] = make([]*Compiled, len(source.Platforms))
		list := results[name]
		for i, platform := range source.Platforms {
			wg.Go(func() {
				compiled, err := c.compile(ctx, nil, name, platform)
				list[i] = compiled
				if err != nil && !errors.Is(err, errSibling) {
					mu.Lock()
					defer mu.Unlock()
					if failures[name] == nil {
						failures[name] = err
					}
				}
			})
		}
	}
	wg.Wait()
	all := c.sorted(failures)
	if len(all) == 0 {
		return results, ctx.Err()
	}
	return nil, errors.Join(all...)
}

// sorted lists failures by image. Which image notices a cycle is chance, so it
// is reported once, where its first image names its second.
func (c *Compiler) sorted(failures map[string]error) []error {
	var all []error
	cycles := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(failures)) {
		var cycle *CycleError
		if !errors.As(failures[name], &cycle) {
			all = append(all, failures[name])
		} else if !cycles[cycle.Error()] {
			cycles[cycle.Error()] = true
			all = append(all, InReference(cycle, c.Sources[cycle.Path[0]], cycle.Path[1]))
		}
	}
	return all
}

// compile returns an image's graph, made now or before. by is the unit that
// needs it, nil for the caller of All.
func (c *Compiler) compile(ctx context.Context, by *unit, name string, platform ocispecs.Platform) (*Compiled, error) {
	platform = platforms.Normalize(platform)
	u, mine, err := c.claim(by, name, platform)
	if err != nil {
		return nil, err
	}
	if mine {
		u.result, u.err = c.run(ctx, u)
		close(u.done)
	}
	select {
	case <-u.done:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	c.mu.Lock()
	if by != nil {
		delete(by.waits, u)
	}
	c.mu.Unlock()
	if u.err != nil && by != nil {
		return nil, fmt.Errorf("%w: %s", errSibling, name)
	}
	return u.result, u.err
}

func newUnit(key string, source Source, platform ocispecs.Platform) *unit {
	return &unit{key: key, source: source, platform: platform, done: make(chan struct{}), waits: map[*unit]bool{}}
}

// Stage compiles one stage of an image for a platform; its siblings are those
// that All compiled.
func (c *Compiler) Stage(ctx context.Context, name, stage string, platform ocispecs.Platform) (*Compiled, error) {
	source := c.Sources[name]
	source.Target = stage
	return c.run(ctx, newUnit(name+"/"+stage, source, platforms.Normalize(platform)))
}

// claim finds or makes the unit of an image and platform and notes that by
// waits for it. It fails if that would be for ever.
func (c *Compiler) claim(by *unit, name string, platform ocispecs.Platform) (u *unit, mine bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.units == nil {
		c.units = map[string]*unit{}
	}
	key := name + " " + platforms.FormatAll(platform)
	u, ok := c.units[key]
	if !ok {
		u = newUnit(key, c.Sources[name], platform)
		c.units[key] = u
	}
	if by != nil {
		if path := waitPath(u, by, nil); path != nil {
			return nil, false, &CycleError{Path: canonicalCycle(path)}
		}
		by.waits[u] = true
	}
	return u, !ok, nil
}

// waitPath returns the images from one unit to another along who waits for
// whom, or nil.
func waitPath(from, to *unit, seen map[*unit]bool) []string {
	if from == to {
		return []string{from.source.Name}
	}
	if seen == nil {
		seen = map[*unit]bool{}
	}
	seen[from] = true
	next := slices.SortedFunc(maps.Keys(from.waits), func(a, b *unit) int {
		if a.key < b.key {
			return -1
		}
		return 1
	})
	for _, u := range next {
		if seen[u] {
			continue
		}
		if path := waitPath(u, to, seen); path != nil {
			return append([]string{from.source.Name}, path...)
		}
	}
	return nil
}

// canonicalCycle starts a cycle at its smallest name and ends it with that.
func canonicalCycle(path []string) []string {
	path = slices.Compact(slices.Clone(path))
	if len(path) > 1 && path[0] == path[len(path)-1] {
		path = path[:len(path)-1]
	}
	first := slices.Index(path, slices.Min(path))
	cycle := append(slices.Clone(path[first:]), path[:first]...)
	return append(cycle, cycle[0])
}
