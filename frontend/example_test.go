package frontend_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	bk "github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/frontend/gateway/client"

	"github.com/quoitbuild/quoit/frontend"
	"github.com/quoitbuild/quoit/internal/gatewaytest"
)

func ExampleNew() {
	buildkit := gatewaytest.New() // in a frontend's container: grpcclient.RunFromEnvironment
	folder, err := os.MkdirTemp("", "project")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(folder)
	for name, text := range map[string]string{
		frontend.DefaultManifest: "project: acme/shop\nregistry: registry.example.com\nroot: deploy\nimages: {api: api, deploy: deploy}\n",
		"api/Dockerfile":         "FROM busybox\nCOPY Dockerfile /\n",
		"deploy/Dockerfile":      "FROM scratch\nCOPY --from=api /Dockerfile /\n",
	} {
		file := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			fmt.Println(err)
			return
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			fmt.Println(err)
			return
		}
	}
	buildkit.Folder, buildkit.Registry = folder, "registry.example.com"
	buildkit.Opts = frontend.Options{Filename: frontend.DefaultManifest, Request: frontend.RequestPlan}.Attrs()

	build := frontend.New(frontend.Host{Runner: func(client.Client) (bk.State, string, error) {
		return bk.Image("ghcr.io/quoitbuild/quoit:1"), "/quoit-frontend", nil
	}})
	result, err := build(context.Background(), buildkit)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s", result.Metadata["result.txt"])
	// Output:
	// developers: shop 0.1.0, the very first release (2 images)
	//
	//   api     0.1.0  first version, welcome aboard
	//   deploy  0.1.0  first version, welcome aboard
}
