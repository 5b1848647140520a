package store_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	made "github.com/quoitbuild/quoit/account"
	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/registry/registrytest"
	"github.com/quoitbuild/quoit/store/storetest"
)

// A registry that does not take what images were made of costs a line, and no release.
func TestAccountsThatARegistryDoesNotTake(t *testing.T) {
	for name, refused := range map[string]func(r *http.Request) bool{
		"the manifest": func(r *http.Request) bool { return strings.Contains(r.URL.Path, "/manifests/account-") },
		"nothing":      func(r *http.Request) bool { return false },
	} {
		t.Run(name, func(t *testing.T) {
			s := storetest.New(t)
			var said []string
			p := s.Open(func(o *registry.Options) { o.Say = func(what string) { said = append(said, what) } })
			publication := s.Next(storetest.Shop{"api": 1, "web": 1, "deploy": 1}, "developers")
			publication.Accounts = map[string]made.Account{"api": made.New(made.Account{File: "api/Dockerfile", Steps: []made.Step{}})}
			s.SetFault(func(_ int, w http.ResponseWriter, r *http.Request) bool {
				if !refused(r) {
					return false
				}
				registrytest.Status(http.StatusForbidden)(w, r)
				return true
			})
			if _, err := p.Publish(t.Context(), publication); err != nil {
				t.Fatal(err)
			}
			told := slices.ContainsFunc(said, func(line string) bool {
				return strings.HasPrefix(line, "what the images were made of is not kept, so a later plan names no files: ")
			})
			kept := s.Record("record-00000001").Images["api"].Account != ""
			if told == kept || kept != (name == "nothing") {
				t.Errorf("it is kept: %v, and said is %q", kept, said)
			}
		})
	}
}
