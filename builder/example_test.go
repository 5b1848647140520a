package builder_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/quoitbuild/quoit/builder"
	"github.com/quoitbuild/quoit/frontend"
	"github.com/quoitbuild/quoit/manifest"
	"github.com/quoitbuild/quoit/versioning"
)

// A secret that cannot be read is said before any BuildKit is asked.
func Example() {
	m, err := manifest.Parse("quoit.yaml", []byte("project: acme/shop\nregistry: registry.example.com\nimages: {deploy: .}\n"))
	if err != nil {
		log.Fatal(err)
	}
	out, err := builder.Build(context.Background(), builder.Options{
		Dir: ".", File: "quoit.yaml", Manifest: m,
		Frontend: frontend.Options{Ring: "users"},
		BuildKit: builder.BuildKit{Secrets: []string{"token"}},
	})
	if option := new(builder.OptionError); errors.As(err, &option) {
		fmt.Println("look at", option.Option)
		return
	}
	fmt.Println(out.Plan, err)
	// Output: look at secret
}

// An outcome says what was built, and where it was pushed.
func ExampleOutcome() {
	out := builder.Outcome{ // as Build returns it
		Plan: versioning.Plan{
			Registry: "registry.example.com", Project: "acme/shop", Root: "deploy",
			Images: []versioning.ImagePlan{
				{Name: "api", Version: versioning.Version{Minor: 4}},
				{Name: "deploy", Version: versioning.Version{Minor: 7}, Changed: true},
			},
		},
		Digests: map[string]string{"deploy": "sha256:0123"},
	}
	for _, name := range out.Plan.Changed() {
		image, _ := out.Plan.Image(name)
		fmt.Printf("%s/%s/%s@%s will be %s\n", out.Plan.Registry, out.Plan.Project, name, out.Digests[name], image.Version)
	}
	// Output: registry.example.com/acme/shop/deploy@sha256:0123 will be 0.7.0
}
