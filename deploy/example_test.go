package deploy_test

import (
	"fmt"
	"log"

	"github.com/quoitbuild/quoit/deploy"
	"github.com/quoitbuild/quoit/versioning"
)

// A site that runs 1.1.0 is to go back to 1.0.0, which 1.1.0 descends from.
func Example() {
	release := func(minor uint64, digit string) deploy.Release {
		return deploy.Release{Version: versioning.Version{Major: 1, Minor: minor}, Digest: "sha256:" + digit}
	}
	older, newer := release(0, "a"), release(1, "b")
	descends := func(release, ancestor deploy.Release) bool {
		return release.Same(ancestor) || release.Same(newer) && ancestor.Same(older)
	}
	record := deploy.Record{Project: "acme/shop", Site: "eu", Installed: &newer, Reached: []deploy.Release{newer}}

	_, err := deploy.Decide(record, older, descends, deploy.Options{})
	fmt.Println(err)
	plan, err := deploy.Decide(record, older, descends, deploy.Options{Downgrade: true})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(plan)

	// The deployer dies in the first step, so nobody knows how it ended.
	record = record.Begin(plan, 0, descends)
	plan, err = deploy.Decide(record, newer, descends, deploy.Options{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(plan)
	// Output:
	// site eu runs 1.1.0, which descends from 1.0.0: going back to that is a downgrade, which was not allowed
	// downgrade 1.1.0 to 1.0.0, restore 1.0.0
	// upgrade 1.0.0 to 1.1.0
}
