package store_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/quoitbuild/quoit/store/storetest"
)

// server is a registry with a project in it, and what only the tests here need.
type server struct{ *storetest.Server }

func newServer(t *testing.T) *server {
	t.Helper()
	return &server{storetest.New(t)}
}

func serve(t testing.TB, inner http.Handler) *server {
	t.Helper()
	return &server{storetest.Serve(t, inner)}
}

func jsonOf(t testing.TB, value any) []byte {
	t.Helper()
	data, err := json.Marshal(value)
	must(t, err)
	return data
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
