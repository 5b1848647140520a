package manifest_test

import (
	"fmt"
	"os"

	"github.com/quoitbuild/quoit/internal/diag"
	"github.com/quoitbuild/quoit/manifest"
)

func ExampleParse() {
	m, err := manifest.Parse("quoit.yaml", []byte(`project: acme/shop
registry: registry.example.com
root: deploy
images:
  api: services/api
  deploy: deploy
`))
	if err != nil {
		diag.Render(os.Stdout, err)
		return
	}
	api, _ := m.Image("api")
	at := api.Position("context")
	fmt.Printf("%s is built from %s (line %d)\n", m.Repository("api"), api.Context, at.Start.Line)
	fmt.Println(m.RingOrder())
	// Output:
	// registry.example.com/acme/shop/api is built from services/api (line 5)
	// [ante developers testers users post]
}

func ExampleParse_mistakes() {
	_, err := manifest.Parse("quoit.yaml", []byte("project: acme/shop\nregistri: registry.example.com\nimages: {api: true}\n"))
	diag.Render(os.Stdout, err)
	// Output:
	// quoit.yaml: the key "registry" is missing
	//   hint: add a line like registry: registry.example.com
	//
	// quoit.yaml:2:1: the manifest has no key "registri"
	//    1 | project: acme/shop
	//    2 | registri: registry.example.com
	//      | ^^^^^^^^ try: registry
	//
	// quoit.yaml:3:15: expected a string, found the boolean true
	//    2 | registri: registry.example.com
	//    3 | images: {api: true}
	//      |               ^^^^ try: "true"
	//
	// 3 mistakes in quoit.yaml
}
