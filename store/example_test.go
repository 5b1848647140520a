package store_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"

	"github.com/quoitbuild/quoit/labels"
	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/registry/memory"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/versioning"
)

// A build has pushed the images of a plan by digest. Publish makes them a release, and
// Shift copies that to the next ring.
func Example() {
	ctx, rings := context.Background(), versioning.Rings([]string{"developers", "users"})
	at := memory.New("registry.example.com/acme/shop")
	project := store.New(at, "acme/shop")

	plan, err := versioning.Resolve(versioning.Request{
		Project: "acme/shop", Root: "deploy", State: versioning.State{Ring: "developers", Rings: rings},
		Images: []versioning.Source{{Name: "deploy", Revision: registry.DigestOf([]byte("sources")), Platforms: []string{"linux/amd64"}}},
	}, func(string, versioning.Version) (string, bool, error) { return "", false, nil })
	if err != nil {
		log.Fatal(err)
	}
	outcome, err := project.Publish(ctx, store.Publication{
		Plan: plan, Rings: rings, Digests: map[string]string{"deploy": push(ctx, at, plan)}, Author: store.Author{Actor: "ann"},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s has %s\n", outcome.Ring, outcome.Version)

	shifted, err := project.Shift(ctx, store.RingOptions{Root: "deploy", Rings: rings, Author: store.Author{Actor: "ann"}}, versioning.ShiftRequest{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(shifted)
	// Output:
	// developers has 0.1.0
	// RING   FROM  TO     CHANGES
	// users  -     0.1.0  1 images
}

// push does what a build does: the root image is there, by digest.
func push(ctx context.Context, at registry.Namespace, plan versioning.Plan) string {
	image, _ := plan.Image(plan.Root)
	all, err := labels.Root(labels.Info(plan, image), plan.Release())
	if err != nil {
		log.Fatal(err)
	}
	config, err := json.Marshal(map[string]any{"config": map[string]any{"Labels": all}})
	if err != nil {
		log.Fatal(err)
	}
	repository := at.Repository(plan.Root)
	if err := registry.Ensure(ctx, repository, config); err != nil {
		log.Fatal(err)
	}
	manifest := registry.NewManifest(registry.ManifestType, fmt.Appendf(nil,
		`{"schemaVersion":2,"config":{"digest":%q,"size":%d},"layers":[]}`, registry.DigestOf(config), len(config)))
	if _, err := repository.Put(ctx, manifest.Digest, manifest); err != nil {
		log.Fatal(err)
	}
	return manifest.Digest
}
