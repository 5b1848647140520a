package versioning_test

import (
	"fmt"

	"github.com/quoitbuild/quoit/versioning"
)

func Example() {
	current := versioning.Release{Project: "acme/shop", Root: "deploy", Images: map[string]versioning.Image{
		"api":    {Version: versioning.Version{Minor: 3}, Revision: "sha256:aaaaaaaa0"},
		"web":    {Version: versioning.Version{Minor: 7}, Revision: "sha256:bbbbbbbb0"},
		"deploy": {Version: versioning.Version{Minor: 9}, Revision: "sha256:dddddddd0"},
	}}
	state, err := versioning.Select(versioning.Rings([]string{"developers", "users"}), "developers", map[string]*versioning.Placed{
		"developers": {Ring: "developers", Digest: "sha256:0", Release: current},
		"users":      {Ring: "users", Digest: "sha256:0", Release: current},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	free := func(image string, version versioning.Version) (identity string, exists bool, err error) {
		return "", false, nil
	}
	plan, err := versioning.Resolve(versioning.Request{
		Project: "acme/shop", Root: "deploy", State: state,
		Images: []versioning.Source{
			{Name: "api", Revision: "sha256:cccccccc0"},
			{Name: "web", Revision: "sha256:bbbbbbbb0"},
			{Name: "deploy", Revision: "sha256:dddddddd0"},
		},
	}, free)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(plan)
	// Output:
	// developers: shop 0.9.0 → 0.10.0 (2 of 3 images change)
	//
	//   api     0.3.0 → 0.4.0   sources changed: sha256:aaaaaaaa… → sha256:cccccccc…
	//   deploy  0.9.0 → 0.10.0  api 0.3.0 → 0.4.0
	//
	//   unchanged: web 0.7.0
}
