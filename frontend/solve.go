package frontend

import (
	"context"
	"encoding/json"
	"fmt"
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

// prepare makes sure that the digests of the unchanged images are known that changed
// ones build on.
func (s *solver) prepare() error {
	for _, name := range s.plan.PublishOrder() {
		for _, c := range s.compiled[name] {
			if err := s.siblings(c); err != nil {
				return err
			}
		}
	}
	selection := s.project.selection()
	s.builder = &llb.Builder{
		Compiler:  s.compiler,
		Context:   func(source llb.Source) bk.State { return selection.State(s.tree, source) },
		Published: s.published,
	}
	return nil
}

// siblings makes sure that the digests of what a graph is made from are known.
func (s *solver) siblings(compiled *llb.Compiled) error {
	for _, sibling := range compiled.Siblings {
		if plan, _ := s.plan.Image(sibling); plan.Built() {
			continue
		}
		if _, err := s.digest(sibling); err != nil {
			return err
		}
	}
	return nil
}

// published is the reference of an image that is not built now.
func (s *solver) published(name string, platform ocispecs.Platform) string {
	plan, _ := s.plan.Image(name)
	if plan.Built() || plan.Digest == "" || !slices.Contains(plan.Platforms, platforms.FormatAll(platform)) {
		return ""
	}
	return s.project.manifest.Repository(name) + "@" + plan.Digest
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
