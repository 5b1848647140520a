package labels_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/quoitbuild/quoit/labels"
	"github.com/quoitbuild/quoit/versioning"
)

func Example() {
	revision := "sha256:" + strings.Repeat("0", 64)
	first := versioning.Version{Minor: 1}
	release := versioning.Release{Project: "acme/shop", Root: "deploy", Images: map[string]versioning.Image{
		"api":    {Version: first, Revision: revision, Platforms: []string{"linux/amd64"}},
		"deploy": {Version: first, Revision: revision, Platforms: []string{"linux/amd64"}, Dependencies: map[string]versioning.Version{"api": first}},
	}}
	written, err := labels.Root(labels.ImageInfo{
		Project: "acme/shop", Name: "deploy", Version: first, Revision: revision, Dependencies: map[string]versioning.Version{"api": first},
	}, release)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, key := range slices.Sorted(maps.Keys(written)) {
		if key != labels.Release {
			fmt.Println(key, written[key])
		}
	}
	read, err := labels.Parse(written)
	fmt.Println(read.Version(), len(read.Images), err)
	// Output:
	// dependency.api 0.1.0
	// org.opencontainers.image.ref.name acme/shop/deploy
	// org.opencontainers.image.revision sha256:0000000000000000000000000000000000000000000000000000000000000000
	// org.opencontainers.image.version 0.1.0
	// 0.1.0 2 <nil>
}
