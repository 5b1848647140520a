package storetest

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/quoitbuild/quoit/labels"
	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/versioning"
)

// Publish publishes a release of a project of one image, deploy, to the first ring. It
// is for examples, in whatever namespace.
func Publish(ctx context.Context, at registry.Namespace, revision string) (*store.Project, error) {
	project := store.New(at, Project)
	state, err := project.State(ctx)
	if err != nil {
		return nil, err
	}
	placed := map[string]*versioning.Placed{}
	for _, ring := range Rings {
		if placed[ring], err = project.Placed(ctx, ring, state.Rings()[ring]); err != nil {
			return nil, err
		}
	}
	selected, err := versioning.Select(Rings, "developers", placed)
	if err != nil {
		return nil, err
	}
	plan, err := versioning.Resolve(versioning.Request{
		Project: Project, Root: "deploy", State: selected,
		Images: []versioning.Source{{Name: "deploy", Revision: registry.DigestOf([]byte(revision)), Platforms: []string{"linux/amd64"}}},
	}, func(string, versioning.Version) (string, bool, error) { return "", false, nil })
	if err != nil {
		return nil, err
	}
	digest, err := pushRoot(ctx, at.Repository("deploy"), plan)
	if err != nil {
		return nil, err
	}
	_, err = project.Publish(ctx, store.Publication{Plan: plan, Rings: Rings, Digests: map[string]string{"deploy": digest}, Author: store.Author{Actor: "ann"}})
	return project, err
}

func pushRoot(ctx context.Context, to registry.Repository, plan versioning.Plan) (string, error) {
	image, _ := plan.Image(plan.Root)
	all, err := labels.Root(labels.Info(plan, image), plan.Release())
	if err != nil {
		return "", err
	}
	config, err := json.Marshal(map[string]any{"config": map[string]any{"Labels": all}})
	if err != nil {
		return "", err
	}
	if err := registry.Ensure(ctx, to, config); err != nil {
		return "", err
	}
	manifest := registry.NewManifest(registry.ManifestType, fmt.Appendf(nil,
		`{"schemaVersion":2,"config":{"digest":%q,"size":%d},"layers":[]}`, registry.DigestOf(config), len(config)))
	_, err = to.Put(ctx, manifest.Digest, manifest)
	return manifest.Digest, err
}
