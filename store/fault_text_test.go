package store_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/quoitbuild/quoit/registry/registrytest"
	"github.com/quoitbuild/quoit/store/storetest"
)

func TestErrorTextsOfWrites(t *testing.T) {
	const tag = "writing HOST/acme/shop/deploy:0.1.0: "
	for name, test := range map[string]struct {
		serve http.HandlerFunc
		want  string
	}{
		"401":       {registrytest.Plain(401, ""), tag + "not logged in, or no longer logged in (401): docker login HOST"},
		"403":       {registrytest.Plain(403, "DENIED: quota exceeded"), tag + "this account may not push there (403), it says DENIED: quota exceeded: docker login HOST with one that may"},
		"404":       {registrytest.Plain(404, ""), tag + "the registry does not know this repository (404): create it first"},
		"400":       {registrytest.Plain(400, "TAG_INVALID: tag is immutable"), "the registry refuses the tag deploy:0.1.0: " + tag + "the registry answered 400 Bad Request, it says TAG_INVALID: tag is immutable"},
		"a proxy's": {registrytest.HTML(200), tag + "the answer is 200 OK, not 201 Created: check the registry's address, and a proxy before it"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			publication := s.Next(storetest.First, "developers")
			s.SetFault(func(_ int, w http.ResponseWriter, r *http.Request) bool {
				fails := r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, "/deploy/manifests/0.1.0")
				if fails {
					test.serve(w, r)
				}
				return fails
			})
			_, err := s.Open(nil).Publish(context.Background(), publication)
			perhaps := ""
			if name == "a proxy's" {
				perhaps = ", and perhaps HOST/acme/shop/deploy:0.1.0"
			}
			want := "publishing acme/shop 0.1.0 to developers: " + test.want + "; it is in the log as record 1, the next command completes it (5 tags were written" + perhaps + "; run the same command again, it resumes)"
			if got := s.Text(err); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}
