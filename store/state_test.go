package store_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/registry/registrytest"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/store/mirror"
	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/store/storetest"
)

// stateOf reads the state, and what it asked for.
func (s *server) stateOf(rings ...string) (store.State, []string) {
	s.T.Helper()
	s.Requests()
	state, err := s.Open(nil).State(context.Background(), rings...)
	must(s.T, err)
	return state, s.Requests()
}

// blobs are remembered by digest.
type blobs map[string][]byte

func (b blobs) Blob(digest string) ([]byte, bool) {
	data, ok := b[digest]
	return data, ok
}

func (b blobs) Keep(digest string, data []byte) { b[digest] = data }

func TestWhatIsKnownIsNotAskedFor(t *testing.T) {
	s := newServer(t)
	s.Release(storetest.First, "developers")
	known := blobs{}
	read := func() (store.State, []string) {
		s.Requests()
		p := s.Open(nil)
		p.Know(known)
		state, err := p.State(t.Context())
		must(t, err)
		return state, s.Requests()
	}
	first, _ := read()
	second, asked := read()
	if diff := cmp.Diff(first.Newest, second.Newest); diff != "" {
		t.Errorf("(-asked +known):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"GET /v2/", "GET records records", "HEAD records record-00000002"}, asked); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	// Who writes asks the registry, so that he learns what it has lost.
	p := s.Open(nil)
	p.Know(known)
	must(t, p.Settle(t.Context(), storetest.Rings))
	if asked := s.Requests(); !slices.Contains(asked, "GET records blob") {
		t.Errorf("a writer asks %q", asked)
	}
}

// settled reads the state for who only reads.
func (s *server) settled() store.State {
	s.T.Helper()
	p := s.Open(nil)
	state, err := p.State(context.Background())
	must(s.T, err)
	state, err = p.Settled(context.Background(), state)
	must(s.T, err)
	return state
}

func TestAStateIsTwoLooks(t *testing.T) {
	s := newServer(t)
	if state, asked := s.stateOf(); state.Newest.Digest != "" || state.Closed || len(state.Rings()) > 0 {
		t.Errorf("without a log: %+v, asked %q", state, asked)
	}
	s.Release(storetest.First, "developers")
	publication := s.Release(storetest.With(storetest.First, storetest.Shop{"mail": 2}), "developers")
	state, asked := s.stateOf()
	if !state.Closed || state.Newest.Record.Sequence != 2 || state.Rings()["developers"].Digest != publication.Digests["deploy"] {
		t.Errorf("%+v", state)
	}
	want := []string{"GET /v2/", "GET records records", "GET records blob", "HEAD records record-00000003"}
	if diff := cmp.Diff(want, asked); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if s.settled(); len(s.Requests()) != len(want) {
		t.Error("a state that is closed was settled by more looks")
	}

	placed, err := s.Open(nil).Placed(context.Background(), "developers", state.Rings()["developers"])
	must(t, err)
	if placed.Digest != publication.Digests["deploy"] || placed.Release.Version() != storetest.VersionOf("0.1.1") {
		t.Errorf("%+v", placed)
	}
	if none, err := s.Open(nil).Placed(context.Background(), "users", state.Rings()["users"]); none != nil || err != nil {
		t.Errorf("an empty ring: %v, %v", none, err)
	}
}

func TestAStateBehindItsHint(t *testing.T) {
	s := newServer(t)
	s.Release(storetest.First, "developers")
	_, hint := s.Do("GET", "/v2/"+storetest.Project+"/records/manifests/record-00000001", "", nil)
	for i := range 4 {
		s.Release(storetest.With(storetest.First, storetest.Shop{"mail": 2 + i}), "developers")
	}
	s.Put("records", "records", records.ManifestType, hint)
	state, _ := s.stateOf()
	if state.Newest.Record.Sequence != 5 || state.Closed {
		t.Errorf("closed %v by record %d", state.Closed, state.Newest.Record.Sequence)
	}
	if state := s.settled(); !state.Closed || cmp.Diff(s.Table(), state.Rings()) != "" {
		t.Errorf("a publish whose done tag is there does not count: %+v", state.Rings())
	}
}

// TestAPublishCountsOnceItIsDone stops a publish before its done tag.
func TestAPublishCountsOnceItIsDone(t *testing.T) {
	s := newServer(t)
	s.Release(storetest.First, "developers")
	before := s.Table()
	next := s.Next(storetest.With(storetest.First, storetest.Shop{"mail": 2}), "developers")
	s.SetFault(func(_ int, w http.ResponseWriter, r *http.Request) bool {
		done := r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/record-00000002-done-")
		if done {
			registrytest.Status(403)(w, r)
		}
		return done
	})
	_, err := s.Open(nil).Publish(context.Background(), next)
	if err == nil {
		t.Fatal("it was done")
	}
	s.SetFault(nil)
	if state, _ := s.stateOf(); state.Closed || state.Rings()["developers"].Digest != next.Digests["deploy"] {
		t.Errorf("who writes builds upon the newest record: %+v", state)
	}
	if state := s.settled(); state.Closed || cmp.Diff(before, state.Rings()) != "" {
		t.Errorf("who reads believes a publish that is not done: %+v", state.Rings())
	}
	_, err = s.Open(nil).Hold(context.Background(), storetest.RingOptions(), "users", "")
	must(t, err)
	if state := s.settled(); !state.Closed || state.Rings()["developers"].Digest != next.Digests["deploy"] {
		t.Errorf("a later record does not settle it: %+v", state.Rings())
	}
}

func TestAStateThatIsDenied(t *testing.T) {
	s := newServer(t)
	s.SetFault(func(_ int, w http.ResponseWriter, r *http.Request) bool {
		registrytest.Status(403)(w, r)
		return true
	})
	if _, err := s.Open(nil).State(context.Background()); !registry.Denied(err) {
		t.Error(err)
	}
}

// copyOf is a mirror with some releases of a project.
func copyOf(t *testing.T, from *server, releases ...string) *server {
	t.Helper()
	there := newServer(t)
	_, err := mirror.Copy(t.Context(), from.At(nil), there.At(nil), mirror.Request{Releases: releases})
	must(t, err)
	return there
}

// A ring of a mirror has what the record says by which it was copied: neither its tag nor
// a newer record of the log there counts.
func TestTheStateOfAMirror(t *testing.T) {
	s := newServer(t)
	first := s.Release(storetest.First, "developers")
	s.Shift()
	s.Release(storetest.With(storetest.First, storetest.Shop{"mail": 2}), "developers")
	there := copyOf(t, s, "testers", "0.2.0")
	_, second := s.Do("GET", "/v2/"+storetest.Project+"/records/manifests/record-00000002", "", nil)
	there.Put("records", records.RingName("testers"), records.ManifestType, second)
	for _, tag := range []string{first.Digests["deploy"], "", "another's"} {
		if there.Do("DELETE", "/v2/"+storetest.Project+"/deploy/manifests/testers", "", nil); tag == "another's" {
			tag = there.Push("deploy", map[string]string{"whose": tag})
		}
		if tag != "" {
			there.Move("testers", tag)
			there.Move("developers", tag)
		}
		for _, rings := range [][]string{nil, {"testers"}, {"developers"}, {"testers", "developers"}} {
			state, asked := there.stateOf(rings...)
			if got := state.Rings()["testers"].Digest; got != first.Digests["deploy"] && !slices.Equal(rings, []string{"developers"}) || len(state.Rings()) > 1 ||
				state.Rings()["developers"].Digest != "" || !state.Closed || !strings.HasSuffix(state.Origin, "/acme/shop") {
				t.Errorf("rings %q: %+v, asked %q", rings, state.Rings(), asked)
			}
			for _, request := range asked {
				if !strings.Contains(request, " records") && request != "GET /v2/" {
					t.Errorf("rings %q: it asked for %s", rings, request)
				}
			}
		}
	}
	state, asked := there.stateOf("testers")
	want := []string{"GET /v2/", "GET records records", "GET records ring-testers", "GET records blob"}
	if diff := cmp.Diff(want, asked); diff != "" || state.Newest.Record.Sequence != 2 || state.Rings()["testers"].Digest != first.Digests["deploy"] {
		t.Errorf("%+v (-want +got):\n%s", state, diff)
	}

	there.Put("records", records.RingName("testers"), registry.ManifestType, []byte(`{"schemaVersion":2,"config":{}}`))
	if _, err := there.Open(nil).State(context.Background(), "testers"); err == nil || errors.As(err, new(*registry.RequestError)) || !strings.Contains(err.Error(), "copy the ring again, or put it back with `quoit repair --from COPY`") {
		t.Error(err)
	}
}

// The copies of an older quoit do not say by which records rings were copied. While there is
// no record of this one, a ring without a mark has what its tag names, if the log gave it that.
func TestTheStateOfAnOlderMirror(t *testing.T) {
	s := frozen(t, "grown")
	there := copyOf(t, s, "developers", "testers")
	want := there.settled().Rings()
	there.Do("DELETE", "/v2/"+storetest.Project+"/records/manifests/ring-testers", "", nil)
	for _, both := range []bool{false, true} {
		if both {
			there.Do("DELETE", "/v2/"+storetest.Project+"/records/manifests/ring-developers", "", nil)
		}
		for _, rings := range [][]string{nil, {"testers"}, {"testers", "developers"}, {"testers", "users"}} {
			state, asked := there.stateOf(rings...)
			if got := state.Rings(); got["testers"].Digest != want["testers"].Digest || got["users"].Digest != "" || rings == nil && cmp.Diff(got, want) != "" {
				t.Errorf("rings %q: %+v, asked %q", rings, got, asked)
			}
		}
	}
	there.Move("testers", there.Push("deploy", map[string]string{"whose": "another's"}))
	if state, _ := there.stateOf(); !state.Rings()["testers"].Empty() {
		t.Errorf("a tag that the log does not know counts: %+v", state.Rings()["testers"])
	}
}
