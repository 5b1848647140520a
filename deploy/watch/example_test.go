package watch_test

import (
	"fmt"
	"log"
	"net/http/httptest"
	"os"
	"time"

	"github.com/quoitbuild/quoit/deploy/watch"
	"github.com/quoitbuild/quoit/manifest"
)

func Example() {
	m, err := manifest.Parse("quoit.yaml", []byte(`
project: acme/shop
registry: registry.example.com
images: {deploy: deploy}
sites:
  eu: {environment: prod, ring: users, cluster: eu}
  us: {environment: prod, ring: users, cluster: us}
`))
	if err != nil {
		log.Fatal(err)
	}
	rings := watch.Rings(m, m.Sites, "example/1")
	w := watch.New(watch.Options{Interval: time.Minute, Log: os.Stderr}, rings...)
	// w.Run(ctx) follows the ring now, with one question a minute for both sites, and an HTTP
	// server with w.Handler() tells how that goes.
	answer := httptest.NewRecorder()
	w.Handler().ServeHTTP(answer, httptest.NewRequest("GET", "/healthz", nil))
	fmt.Print(len(rings), " ring: ", answer.Body)
	// Output: 1 ring: ok
}
