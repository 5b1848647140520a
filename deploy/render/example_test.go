package render_test

import (
	"fmt"
	"log"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"github.com/quoitbuild/quoit/deploy"
	"github.com/quoitbuild/quoit/deploy/render"
	"github.com/quoitbuild/quoit/versioning"
)

// A root image with one overlay is rendered for site eu.
func Example() {
	source, err := render.Files(map[string]string{
		"overlays/prod/kustomization.yaml": "resources: [web.yaml]",
		"overlays/prod/web.yaml": `
apiVersion: v1
kind: Pod
metadata: {name: web}
spec: {containers: [{name: web, image: web, env: [{name: HOST, value: "${HOST:-localhost}"}]}]}`,
	})
	if err != nil {
		log.Fatal(err)
	}
	kinds := meta.NewDefaultRESTMapper(nil)
	kinds.Add(schema.GroupVersionKind{Version: "v1", Kind: "Pod"}, meta.RESTScopeNamespace)
	objects, err := source.Render(render.Target{
		Project: "acme/shop", Site: "eu", Environment: "prod", Namespace: "shop",
		Action: deploy.Upgrade, To: versioning.Version{Major: 1},
		Images: map[string]string{"web": "registry.example.com/acme/shop/web@sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"},
	}, render.Lookups{
		Kinds:  kinds,
		Values: func([]string) (map[string]string, error) { return map[string]string{"HOST": "shop.example.com"}, nil },
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, object := range objects.Plain {
		text, err := yaml.Marshal(object)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s", text)
	}
	// Output:
	// apiVersion: v1
	// kind: Pod
	// metadata:
	//   labels:
	//     quoit.build/project: acme.shop
	//     quoit.build/site: eu
	//   name: web
	//   namespace: shop
	// spec:
	//   containers:
	//   - env:
	//     - name: HOST
	//       value: shop.example.com
	//     image: registry.example.com/acme/shop/web@sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae
	//     name: web
}
