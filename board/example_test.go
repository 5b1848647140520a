package board_test

import (
	"errors"
	"fmt"

	"github.com/quoitbuild/quoit/board"
	"github.com/quoitbuild/quoit/deploy"
	"github.com/quoitbuild/quoit/versioning"
)

func Example() {
	shop := versioning.Place{Root: "deploy", Version: versioning.Version{Major: 1}, Digest: "sha256:2f5e…"}
	users := board.RingOf("users", shop)
	users.Images = map[string]versioning.Version{"deploy": shop.Version, "api": {Minor: 7}}
	eu := board.Site{Site: "eu", Ring: "users", Namespace: "shop"}
	us := board.Site{Site: "us", Ring: "users", Namespace: "shop"}
	fmt.Print(board.Board{
		Project: "acme/shop",
		Rings:   []board.Ring{users},
		Sites: []board.Site{
			board.SiteOf(eu, shop, deploy.Record{}, nil),
			board.SiteOf(us, shop, deploy.Record{}, errors.New("no answer within 8s")),
		},
	})
	// Output:
	// RING   RELEASE  IMAGES  DIGEST
	// users  1.0.0    2       sha256:2f5e…
	//
	// SITE  RING   RELEASE  RUNS  STATE
	// eu    users  1.0.0    -     nothing deployed
	// us    users  1.0.0    -     unreachable: no answer within 8s
}
