package main

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// rights are a registry as somebody sees it who may push to some repositories only.
type rights struct {
	host string
	may  []string // the images, and records, that may be pushed to

	mu      sync.Mutex
	refused []string
	pushed  []string // repositories
}

// newRights are rights in the registry of a shop, for whom the environment names it.
func newRights(t *testing.T, s *shop, may ...string) *rights {
	t.Helper()
	r := &rights{may: may}
	to := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: s.host})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		if request.Method == http.MethodGet || request.Method == http.MethodHead || r.allows(request) {
			to.ServeHTTP(w, request)
			return
		}
		w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte(`{"errors": [{"code": "DENIED", "message": "requested access to the resource is denied"}]}`)) // the client is ours
	}))
	t.Cleanup(server.Close)
	r.host = strings.TrimPrefix(server.URL, "http://")
	t.Setenv("QUOIT_REGISTRY", r.host)
	return r
}

func (r *rights) allows(request *http.Request) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	path := strings.TrimPrefix(request.URL.Path, "/v2/acme/shop/")
	image, _, _ := strings.Cut(path, "/")
	if !slices.Contains(r.may, image) {
		r.refused = append(r.refused, request.Method+" "+path)
		return false
	}
	if !slices.Contains(r.pushed, image) {
		r.pushed = append(r.pushed, image)
	}
	return true
}

// TestWhoOnlyReadsNeedsNoRightToPush: nothing is even tried.
func TestWhoOnlyReadsNeedsNoRightToPush(t *testing.T) {
	s := newShop(t, shopSites)
	s.publish("developers", "first")
	s.does("shift")
	s.publish("developers", "second")
	s.does("set", "users", "0.1.0")
	r := newRights(t, s)
	for _, args := range [][]string{
		{"status"}, {"history"}, {"verify"}, {"bootstrap", "eu"},
		{"shift", "--dry-run"}, {"unshift", "--dry-run"}, {"set", "users", "0.1.0", "--dry-run"},
		{"hold", "users", "--reason", "x", "--dry-run"}, {"prune", "--dry-run"}, {"copy", "testers", s.dir + "/media"},
	} {
		s.does(args...)
	}
	if len(r.refused) > 0 {
		t.Errorf("it was tried to write: %q", r.refused)
	}
}

// TestWhoMayOnlyPullMovesNothing: and is told that nothing was written.
func TestWhoMayOnlyPullMovesNothing(t *testing.T) {
	s := newShop(t, "")
	s.publish("developers", "first")
	newRights(t, s)
	for _, args := range [][]string{{"shift"}, {"set", "users", "0.1.0"}, {"hold", "users", "--reason", "x"}} {
		s.fails(1, args, "denied", "nothing was ")
	}
	t.Setenv("QUOIT_REGISTRY", s.host)
	if got := s.holds(); got != "- 0.1.0 - - -" {
		t.Errorf("the rings have %s", got)
	}
}

// TestWhoMayNotWriteTheLogPublishesNothing: what he pushes has no version, and no ring.
func TestWhoMayNotWriteTheLogPublishesNothing(t *testing.T) {
	s := newShop(t, "")
	s.publish("developers", "first")
	there := s.host
	s.host = newRights(t, s, "api", "deploy").host
	if err := s.publishes("developers", "second"); err == nil || !strings.Contains(err.Error(), "denied") {
		t.Errorf("got %v", err)
	}
	t.Setenv("QUOIT_REGISTRY", there)
	if got := s.holds(); got != "- 0.1.0 - - -" {
		t.Errorf("the rings have %s", got)
	}
	s.says([]string{"verify"}, "acme/shop is whole")
}

// TestWhoShiftsNeedsNoRightOnImages: only on the root image's repository and on the log,
// so the credentials of who moves rings put no contents into a release.
func TestWhoShiftsNeedsNoRightOnImages(t *testing.T) {
	s := newShop(t, "")
	s.publish("developers", "first")
	s.publish("testers", "hotfix")
	r := newRights(t, s, "deploy", "records")
	s.does("shift", "--from", "testers", "--to", "users")
	s.does("set", "testers", "0.1.0", "--discard", "testers")
	s.does("unshift")
	s.does("unhold", "users")
	s.does("hold", "developers", "--reason", "x")
	slices.Sort(r.pushed)
	if len(r.refused) > 0 || !slices.Equal(r.pushed, []string{"deploy", "records"}) {
		t.Errorf("it was written to %q, and tried to %q", r.pushed, r.refused)
	}
	s.says([]string{"verify"}, "acme/shop is whole")
}

// TestWhoMayPushImagesDecidesNothing: tags of rings and versions that he has moved are
// named, and everybody goes on by what the log says.
func TestWhoMayPushImagesDecidesNothing(t *testing.T) {
	s := newShop(t, shopSites)
	s.publish("developers", "first")
	s.does("set", "users", "0.1.0")
	want, asked := s.does("bootstrap", "eu"), s.holds()
	s.retag("deploy:users", "api:0.1.0")
	s.retag("api:0.1.0", "deploy:0.1.0")
	s.retag("deploy:testers", "deploy:0.1.0")
	s.retag("deploy:7.0.0", "deploy:0.1.0")
	if got := s.holds(); got != asked {
		t.Errorf("the rings have %s, was %s", got, asked)
	}
	if got := s.does("bootstrap", "eu"); got != want {
		t.Errorf("bootstrap prints\n%s", got)
	}
	status := s.quoit("status")
	for _, ring := range []string{"users", "testers"} {
		if !strings.Contains(status.out+status.err, "deploy:"+ring) {
			t.Errorf("status does not name ring %s:\n%s%s", ring, status.out, status.err)
		}
	}
	a := s.quoit("verify")
	for _, tag := range []string{"deploy:users", "deploy:testers", "api:0.1.0"} {
		if a.code != exitFailed || !strings.Contains(a.out+a.err, tag) {
			t.Errorf("verify does not name %s: exit code %d\n%s%s", tag, a.code, a.out, a.err)
		}
	}
}

// retag lets a tag name what another one does, over the images of the project.
func (s *shop) retag(tag, from string) {
	s.t.Helper()
	at := s.host + "/acme/shop/"
	source, err := name.NewTag(at + from)
	if err != nil {
		s.t.Fatal(err)
	}
	image, err := remote.Image(source)
	if err != nil {
		s.t.Fatal(err)
	}
	target, err := name.NewTag(at + tag)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := remote.Write(target, image); err != nil {
		s.t.Fatal(err)
	}
}
