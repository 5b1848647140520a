package rollout_test

import (
	"fmt"
	"log"

	"github.com/quoitbuild/quoit/deploy/rollout"
	"github.com/quoitbuild/quoit/manifest"
	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/store"
)

func Example() {
	m, err := manifest.Parse("quoit.yaml", []byte(`
project: acme/shop
registry: registry.example.com
images: {deploy: deploy}
sites: {eu: {environment: prod, ring: users, registry: mirror.eu.example.com/acme}}
`))
	if err != nil {
		log.Fatal(err)
	}
	p, err := store.Open(m.Registry, m.Project, registry.Options{})
	if err != nil {
		log.Fatal(err)
	}
	place, releases := rollout.Of(m, p, m.Sites[0])
	fmt.Printf("%s wants what %s has, from %s\n", place.Name, place.Ring, releases.Source().Project)
	// Output: eu wants what users has, from mirror.eu.example.com/acme/acme/shop
}
