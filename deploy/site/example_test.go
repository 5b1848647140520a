package site_test

import (
	"fmt"
	"log"

	"github.com/quoitbuild/quoit/deploy/render"
	"github.com/quoitbuild/quoit/deploy/site"
	"github.com/quoitbuild/quoit/manifest"
)

// The rights that a site needs come from the objects of its release.
func Example() {
	source, err := render.Files(map[string]string{
		"overlays/prod/kustomization.yaml": "resources: [web.yaml]",
		"overlays/prod/web.yaml":           "{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {externalName: '${HOST}'}}",
	})
	if err != nil {
		log.Fatal(err)
	}
	objects, err := source.Build("prod")
	if err != nil {
		log.Fatal(err)
	}
	eu := site.Site{Project: "acme/shop", Site: manifest.Site{Name: "eu", Environment: "prod", Ring: "users", Namespace: "shop"}}
	rules, err := site.RulesFor(eu, objects)
	if err != nil {
		log.Fatal(err)
	}
	for _, rule := range rules.Account {
		fmt.Println(rule.Resources, rule.Names, rule.Verbs, "for", rule.Why)
	}
	// Output:
	// [configmaps] [quoit-eu-inventory] [get create patch delete] for the inventory: what was applied
	// [configmaps] [quoit-site] [get] for the site's values
	// [secrets] [quoit-site] [get] for the site's secret values
	// [services] [] [get create patch delete] for Service in the release
}
