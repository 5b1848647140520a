package storetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/versioning"
)

// Planner plans builds as the product does: by the newest record of the log, and by what
// that names by digest. It asks for no tag of a version or of a ring.
type Planner struct {
	Shape
	Project *store.Project
	State   store.State // what was read of the log
}

// NewPlanner reads the log of a project.
func NewPlanner(ctx context.Context, p *store.Project, shape Shape) (Planner, error) {
	state, err := p.State(ctx)
	return Planner{shape, p, state}, err
}

// Plan plans a build of the sources for a ring, that contains the releases of some other
// rings.
func (p Planner) Plan(ctx context.Context, sources Shop, ring string, merge ...string) (versioning.Plan, error) {
	request, err := p.Request(ctx, sources, ring, merge...)
	if err != nil {
		return versioning.Plan{}, err
	}
	plan, err := versioning.Resolve(request, p.Assigned(ctx))
	if err != nil {
		return versioning.Plan{}, err
	}
	return plan, p.Digests(ctx, &plan)
}

// Request is what the sources say, and the rings by the log.
func (p Planner) Request(ctx context.Context, sources Shop, ring string, merge ...string) (versioning.Request, error) {
	placed := map[string]*versioning.Placed{}
	for _, name := range p.Rings {
		var err error
		if placed[name], err = p.Project.Placed(ctx, name, p.State.Newest.Record.After[name]); err != nil {
			return versioning.Request{}, err
		}
	}
	state, err := versioning.Select(p.Rings, ring, placed)
	request := versioning.Request{Project: Project, Root: "deploy", State: state, Images: p.Sources(sources), Commit: "c0ffee"}
	for _, name := range merge {
		request.Merge = append(request.Merge, *placed[name])
	}
	return request, err
}

// Sources is what the project says of its images.
func (s Shape) Sources(sources Shop) []versioning.Source {
	var images []versioning.Source
	present := func(needs []string) []string {
		return slices.DeleteFunc(slices.Clone(needs), func(need string) bool { return sources[need] == 0 })
	}
	for _, name := range s.Images {
		if revision, found := sources[name]; found {
			images = append(images, versioning.Source{
				Name: name, Revision: registry.DigestOf(fmt.Append(nil, revision)), Platforms: []string{"linux/amd64"},
				Dependencies: present(s.Needs[name]), Runtime: present(s.Runs[name]),
			})
		}
	}
	return images
}

// Assigned says what the log has assigned, and what the releases that rings have say of it.
func (p Planner) Assigned(ctx context.Context) versioning.Lookup {
	return p.State.Newest.Record.Assigned.Lookup(func() (releases []versioning.Release, err error) {
		for ring, place := range p.State.Newest.Record.After {
			placed, err := p.Project.Placed(ctx, ring, place)
			if err != nil {
				return nil, err
			}
			if placed != nil {
				releases = append(releases, placed.Release)
			}
		}
		return releases, nil
	})
}

// Digests are those that the log has assigned to what a plan does not build.
func (p Planner) Digests(ctx context.Context, plan *versioning.Plan) error {
	table := p.State.Newest.Record.After
	var rings []string
	for _, held := range []*versioning.Held{plan.Current, plan.Next} {
		if held != nil {
			rings = append(rings, held.Ring)
		}
	}
	for _, ring := range append(rings, slices.Sorted(maps.Keys(table))...) {
		if table[ring].Empty() || !slices.ContainsFunc(plan.Images, lacking) {
			continue
		}
		images, err := p.Project.Images(ctx, table[ring])
		if errors.As(err, new(*store.UnlistedError)) {
			continue // it is older than the log
		}
		if err != nil {
			return err
		}
		for i, image := range plan.Images {
			if recorded := images[image.Name]; lacking(image) && recorded.Version == image.Version {
				plan.Images[i].Digest = recorded.Digest
			}
		}
	}
	return nil
}

func lacking(image versioning.ImagePlan) bool { return !image.Built() && image.Digest == "" }

// Schema1 reports whether the log is of an older quoit, which has to be upgraded before a
// build is planned that is published.
func (p Planner) Schema1() bool {
	newest := p.State.Newest
	return newest.Digest != "" && newest.Record.Schema < records.Schema
}
