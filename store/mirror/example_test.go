package mirror_test

import (
	"context"
	"fmt"

	"github.com/quoitbuild/quoit/registry/memory"
	"github.com/quoitbuild/quoit/store/mirror"
	"github.com/quoitbuild/quoit/store/storetest"
)

func ExampleCopy() {
	ctx := context.Background()
	from, to := memory.New("registry.example.com/acme/shop"), memory.New("mirror.example.com/acme/shop")
	if _, err := storetest.Publish(ctx, from, "first"); err != nil {
		fmt.Println(err)
	}
	copied, err := mirror.Copy(ctx, from, to, mirror.Request{Releases: []string{"developers"}})
	fmt.Println(copied.Releases[0].Name, "is", copied.Releases[0].Version, err)
	for _, tag := range copied.Written {
		fmt.Println(to.Repository(tag.Image).Reference(tag.Tag))
	}
	again, err := mirror.Copy(ctx, from, to, mirror.Request{Releases: []string{"developers"}})
	fmt.Println("again:", len(again.Written), err)
	// Output:
	// developers is 0.1.0 <nil>
	// mirror.example.com/acme/shop/deploy:0.1.0
	// mirror.example.com/acme/shop/deploy:developers
	// again: 0 <nil>
}
