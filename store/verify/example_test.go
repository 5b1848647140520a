package verify_test

import (
	"context"
	"fmt"

	"github.com/quoitbuild/quoit/registry/memory"
	"github.com/quoitbuild/quoit/store/storetest"
	"github.com/quoitbuild/quoit/store/verify"
)

func ExampleVerify() {
	ctx, at := context.Background(), memory.New("registry.example.com/acme/shop")
	project, err := storetest.Publish(ctx, at, "first")
	if err != nil {
		fmt.Println(err)
	}
	report, err := verify.Verify(ctx, project, nil)
	fmt.Println(len(report.Findings), err)

	if _, err := at.Repository("deploy").Delete(ctx, "0.1.0"); err != nil {
		fmt.Println(err)
	}
	report, err = verify.Verify(ctx, project, nil)
	fmt.Println(report.Findings[0].Reference, err)
	// Output:
	// 0 <nil>
	// registry.example.com/acme/shop/deploy:0.1.0 <nil>
}
