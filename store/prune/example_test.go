package prune_test

import (
	"context"
	"fmt"

	"github.com/quoitbuild/quoit/registry/memory"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/store/prune"
	"github.com/quoitbuild/quoit/store/storetest"
)

func ExamplePrune() {
	ctx, at := context.Background(), memory.New("registry.example.com/acme/shop")
	var project *store.Project
	for _, revision := range []string{"first", "second", "third"} {
		var err error
		if project, err = storetest.Publish(ctx, at, revision); err != nil {
			fmt.Println(err)
		}
	}
	outcome, err := prune.Prune(ctx, project, prune.Options{Rings: storetest.Rings, Author: store.Author{Actor: "ann"}, Keep: 1})
	fmt.Print(outcome)
	fmt.Println(err)
	// Output:
	// acme/shop: 1 releases are not needed, 2 stay; 1 version tags, 4 votes
	//   deploy 0.1.0
	// <nil>
}
