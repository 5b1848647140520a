package llb_test

import (
	"context"
	"fmt"
	"strings"

	bk "github.com/moby/buildkit/client/llb"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quoitbuild/quoit/internal/gatewaytest"
	"github.com/quoitbuild/quoit/llb"
)

func Example() {
	sources := map[string]llb.Source{}
	for name, file := range map[string]string{
		"base": "FROM busybox\nCOPY tools /\n",
		"api":  "FROM base\nCOPY api /\n",
	} {
		sources[name] = llb.Source{
			Name: name, Context: name, File: name + "/Dockerfile", Platforms: []ocispecs.Platform{gatewaytest.AMD64},
			Map: bk.NewSourceMap(nil, name+"/Dockerfile", "Dockerfile", []byte(file)),
		}
	}
	buildkit := gatewaytest.New() // in a frontend, what BuildKit hands over
	compiler := &llb.Compiler{
		Gateway: buildkit, Sources: sources, Externals: llb.NewExternals(buildkit, nil),
		Names: llb.Names{Images: map[string]bool{"base": true, "api": true}, Prefixes: []string{"registry.example.com/acme/shop/"}},
	}
	compiled, err := compiler.All(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, name := range []string{"base", "api"} {
		image := compiled[name][0]
		fmt.Println(name, "builds on siblings", image.Siblings, "and", len(image.Externals), "external images")
	}

	project := bk.Local("context", bk.SessionID("session"))
	builder := &llb.Builder{
		Compiler:  compiler,
		Context:   func(source llb.Source) bk.State { return llb.Context(project, source, false) },
		Published: func(string, ocispecs.Platform) string { return "" }, // both are built
	}
	def, err := builder.Image(context.Background(), compiled["api"][0], nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	read, err := gatewaytest.Sources(def)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, source := range read {
		name, _, _ := strings.Cut(source, "@")
		fmt.Println("api reads", name)
	}
	// Output:
	// base builds on siblings [] and 1 external images
	// api builds on siblings [base] and 0 external images
	// api reads docker-image://docker.io/library/busybox:latest
	// api reads local://context
}
