package frontend

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	bk "github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/frontend/dockerui"
	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/pb"
	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/containerd/platforms"

	"github.com/quoitbuild/quoit/llb"
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
	for i, image := range s.plan.Images {
		s.plan.Images[i].Digest = s.digests[image.Name]
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
