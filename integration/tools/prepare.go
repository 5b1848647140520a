package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/quoitbuild/quoit/internal/testkit/stack"
	"github.com/quoitbuild/quoit/internal/testkit/tools"
)

func prepare(ctx context.Context) error { return stack.Prepare(ctx, os.Stderr) }

// announce is for those who run the tests on a machine of their own.
func announce(ctx context.Context) error {
	if os.Geteuid() != 0 {
		return errors.New("BuildKit and Kubernetes need root; go test ./... does not")
	}
	cache, err := tools.CacheDir()
	if err != nil {
		return err
	}
	missing := tools.Missing(slices.Concat(tools.StackPackages, tools.ClusterPackages, tools.EnginePackages))
	if len(missing) > 0 {
		fmt.Println("installing with apt-get:", strings.Join(missing, ", "))
	}
	unbuilt, takes, err := tools.Unbuilt(ctx, slices.Concat(tools.Lint, tools.Stack, tools.Cluster, tools.Engine, []string{tools.Oldest})...)
	if err != nil {
		return err
	}
	if len(unbuilt) > 0 {
		fmt.Printf("building into %s (once, about %.0f min): %s\n", cache, max(1, takes.Minutes()), strings.Join(unbuilt, ", "))
	}
	if len(missing)+len(unbuilt) == 0 {
		fmt.Println("installing nothing: what the tests need is in", cache)
	}
	return nil
}
