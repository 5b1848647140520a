package mirror_test

import (
	"context"
	"testing"

	"github.com/quoitbuild/quoit/store/storetest"
	"github.com/quoitbuild/quoit/store/verify"
)

// server is a registry with a project in it, and what only the tests here need.
type server struct{ *storetest.Server }

func newServer(t *testing.T) *server {
	t.Helper()
	return &server{storetest.New(t)}
}

// verified checks that verify finds nothing.
func (s *server) verified() {
	s.T.Helper()
	report, err := verify.Verify(context.Background(), s.Open(nil), nil)
	must(s.T, err)
	for _, finding := range report.Findings {
		s.T.Errorf("verify: %s", finding)
	}
	s.Whole()
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
