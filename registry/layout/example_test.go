package layout_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/registry/layout"
)

func Example() {
	dir, err := os.MkdirTemp("", "layout")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	folder := filepath.Join(dir, "media")

	ctx := context.Background()
	written, err := layout.Open(folder, "acme/shop")
	if err != nil {
		fmt.Println(err)
		return
	}
	api, config := written.Repository("api"), []byte("{}")
	_, err = api.Upload(ctx, registry.BlobOf(config), "", registry.Bytes(config))
	fmt.Println("a blob:", err)
	_, err = api.Put(ctx, "1.4.2", registry.NewManifest(registry.ManifestType, fmt.Appendf(nil,
		`{"schemaVersion":2,"config":{"digest":%q,"size":2},"layers":[]}`, registry.DigestOf(config))))
	fmt.Println("an image:", err)
	fmt.Println("its tag:", written.Commit())

	read, err := layout.Open(folder, "acme/shop")
	if err != nil {
		fmt.Println(err)
		return
	}
	digest, found, err := read.Repository("api").Head(ctx, "1.4.2")
	fmt.Println(digest, found, err)
	// Output:
	// a blob: <nil>
	// an image: <nil>
	// its tag: <nil>
	// sha256:1fa4aa4a246a351a197bbd8fb03d254d1331e8b17a1ae3d292546e185f042997 true <nil>
}
