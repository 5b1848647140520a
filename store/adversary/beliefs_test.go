package adversary

import (
	"context"
	"maps"
	"slices"

	"github.com/quoitbuild/quoit/labels"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/store/storetest"
	"github.com/quoitbuild/quoit/versioning"
)

// beliefs are mistakes that are planted: what honest commands believe of tags.
type beliefs struct {
	rings    bool // a plan continues what the rings' tags name
	free     bool // a version is free if it has no tag
	labels   bool // a version may be adopted if its tag names an image with the right labels
	siblings bool // what is not built comes by the tag of its version
	reads    bool // who deploys goes by the rings' tags
	blind    bool // a publish does not look whether versions are taken
	unburnt  bool // versions that were found to be taken are not recorded
}

// plan plans a build.
func (h *history) plan(ctx context.Context, planner storetest.Planner, ring string, sources storetest.Shop, merge []string) (versioning.Plan, error) {
	if h.beliefs.rings {
		planner.State = h.byTags(ctx, planner)
	}
	request, err := planner.Request(ctx, sources, ring, slices.DeleteFunc(slices.Clone(merge), func(ring string) bool {
		return planner.State.Rings()[ring].Empty() // somebody was faster
	})...)
	if err != nil {
		return versioning.Plan{}, err
	}
	plan, err := versioning.Resolve(request, h.lookup(planner.Assigned(ctx)))
	if err != nil {
		return versioning.Plan{}, err
	}
	if err := planner.Digests(ctx, &plan); err != nil {
		return versioning.Plan{}, err
	}
	for i, image := range plan.Images {
		if h.beliefs.siblings && !image.Built() {
			plan.Images[i].Digest = digestOf(h.at, image.Name, image.Version.String())
		}
	}
	return plan, nil
}

// byTags is what the log would say if the rings' tags were right.
func (h *history) byTags(ctx context.Context, planner storetest.Planner) store.State {
	state := planner.State
	state.Newest.Record.After = maps.Clone(state.Newest.Record.After)
	for ring, place := range state.Rings() {
		if placed, err := storetest.Ring(ctx, planner.Project, ring); err == nil && placed != nil {
			place.Digest, place.Version = placed.Digest, placed.Release.Version()
			state.Newest.Record.After[ring] = place
		}
	}
	return state
}

// byTag is what a ring would have if its tag was right.
func (h *history) byTag(project *store.Project, ring string, place records.Place) records.Place {
	if placed, err := storetest.Ring(context.Background(), project, ring); err == nil && placed != nil {
		place.Digest = placed.Digest
	}
	return place
}

// lookup finds out which versions are taken, and by what.
func (h *history) lookup(right versioning.Lookup) versioning.Lookup {
	return func(image string, version versioning.Version) (string, bool, error) {
		at := h.at.Repository(image)
		manifest, found, err := at.Get(context.Background(), version.String())
		mustNot(err)
		if h.beliefs.free && !found {
			return "", false, nil
		}
		identity, taken, err := right(image, version)
		if h.beliefs.labels && found {
			claimed, broken := store.LabelsOf(context.Background(), at, manifest)
			mustNot(broken)
			return claimed[labels.Identity], true, nil
		}
		return identity, taken, err
	}
}
