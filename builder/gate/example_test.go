package gate_test

import (
	"context"
	"fmt"
	"log"

	"github.com/quoitbuild/quoit/builder"
	"github.com/quoitbuild/quoit/builder/gate"
	"github.com/quoitbuild/quoit/manifest"
	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/versioning"
)

func Example() {
	m, err := manifest.Parse("quoit.yaml", []byte(`
project: acme/shop
registry: registry.example.com
root: deploy
images: {deploy: deploy, smoke: smoke}
gates: {users: {image: smoke, secrets: [token]}}
`))
	if err != nil {
		log.Fatal(err)
	}
	version := versioning.Version{Minor: 4}
	images := map[string]records.Image{
		"deploy": {Version: version, Digest: "sha256:0123"},
		"smoke":  {Version: version, Digest: "sha256:4567"},
	}
	for _, ring := range []string{"testers", "users"} {
		release := gate.Release{Ring: ring, Version: version, Digest: "sha256:0123", Images: images}
		passed, err := gate.Run(context.Background(), m, builder.BuildKit{}, gate.Skip{}, []gate.Release{release})
		fmt.Println(ring, passed, err)
	}
	// Output:
	// testers [] <nil>
	// users [] gate of ring users: there is no secret token: give it with --secret id=token,src=FILE or --secret id=token,env=VARIABLE
}
