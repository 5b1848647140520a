package memory_test

import (
	"context"
	"fmt"

	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/registry/memory"
)

func Example() {
	ctx := context.Background()
	api := memory.New("registry.example.com/acme/shop").Repository("api")

	config := []byte(`{"config":{"Labels":{"org.opencontainers.image.version":"1.4.2"}}}`)
	if _, err := api.Upload(ctx, registry.BlobOf(config), "", registry.Bytes(config)); err != nil {
		fmt.Println(err)
	}
	image := registry.NewManifest(registry.ManifestType, fmt.Appendf(nil,
		`{"schemaVersion":2,"config":{"digest":%q,"size":%d},"layers":[]}`, registry.DigestOf(config), len(config)))
	if _, err := api.Put(ctx, "1.4.2", image); err != nil {
		fmt.Println(err)
	}

	tags, err := registry.AllTags(ctx, api)
	fmt.Println(tags, err)
	fmt.Println(api.Reference("1.4.2"))
	// Output:
	// [1.4.2] <nil>
	// registry.example.com/acme/shop/api:1.4.2
}
