package registry_test

import (
	"context"
	"fmt"

	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/registry/memory"
)

// A program asks for a [registry.Namespace], so it works with a registry, a folder or
// memory alike.
func Example() {
	if _, err := registry.Open("registry.example.com", "acme/shop", registry.Options{}); err != nil {
		fmt.Println(err) // no request was made yet
	}
	move(memory.New("registry.example.com/acme/shop"))
	// Output:
	// users was nothing
	// users is api:1.0.0
}

func move(shop registry.Namespace) {
	ctx, api := context.Background(), shop.Repository("api")
	config := []byte("{}")
	if _, err := api.Upload(ctx, registry.BlobOf(config), "", registry.Bytes(config)); err != nil {
		fmt.Println(err)
	}
	image := registry.NewManifest(registry.ManifestType, fmt.Appendf(nil,
		`{"schemaVersion":2,"config":{"digest":%q,"size":2},"layers":[]}`, registry.DigestOf(config)))
	if _, err := api.Put(ctx, "1.0.0", image); err != nil {
		fmt.Println(err)
	}
	was, found, err := api.Head(ctx, "users")
	if !found && err == nil {
		fmt.Println("users was nothing")
	}
	if _, err := api.Replace(ctx, "users", was, image); err != nil {
		fmt.Println(err)
	}
	if digest, _, _ := api.Head(ctx, "users"); digest == image.Digest {
		fmt.Println("users is api:1.0.0")
	}
}
