package verify_test

import (
	"testing"

	"github.com/quoitbuild/quoit/store/storetest"
)

// server is a registry with a project in it, and what only the tests here need.
type server struct{ *storetest.Server }

func newServer(t *testing.T) *server {
	t.Helper()
	return &server{storetest.New(t)}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
