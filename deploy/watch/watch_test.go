package watch

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	memory "github.com/google/go-containerregistry/pkg/registry"

	"github.com/quoitbuild/quoit/deploy"
	"github.com/quoitbuild/quoit/manifest"
	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/store/storetest"
)

// countingRegistry is a registry in memory. It runs in the bubble of a test, so it is no
// server: requests come to it by RoundTrip.
type countingRegistry struct {
	inner    http.Handler
	mu       sync.Mutex
	begin    time.Time // zero: nothing is counted
	interval time.Duration
	login    string      // what it wants to hear
	heads    map[int]int // of the log, by interval
	read     map[int]bool
	tags     int // HEADs of ring tags
	problems []string
}

func (r *countingRegistry) RoundTrip(request *http.Request) (*http.Response, error) {
	if r.count(request) {
		response := &http.Response{StatusCode: http.StatusUnauthorized, Header: http.Header{}, Body: http.NoBody, Request: request}
		response.Header.Set("WWW-Authenticate", `Basic realm="test"`)
		return response, nil
	}
	answer := httptest.NewRecorder()
	if request.Body == nil {
		request.Body = http.NoBody
	}
	r.inner.ServeHTTP(answer, request)
	response := answer.Result()
	response.Request = request
	return response, nil
}

// count notes a request, and reports whether it has the wrong password.
func (r *countingRegistry) count(request *http.Request) (refused bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	refused = request.Header.Get("Authorization") != r.login
	if r.begin.IsZero() {
		return refused
	}
	since := time.Since(r.begin)
	slot := int((since + r.interval/2) / r.interval)
	if off := since - time.Duration(slot)*r.interval; off.Abs() > r.interval/10 {
		r.problem("%s %s is asked for %s away from interval %d", request.Method, request.URL.Path, off, slot)
	}
	_, tag, _ := strings.Cut(request.URL.Path, "/v2/acme/shop/")
	switch {
	case refused && request.Method == http.MethodHead:
		r.problem("%s is asked for with an old password in interval %d", tag, slot)
	case request.Method == http.MethodHead && strings.HasPrefix(tag, "deploy/manifests/"):
		r.tags++
	case request.Method == http.MethodHead:
		r.heads[slot]++
	case tag == "records/manifests/records":
		r.read[slot] = true
	}
	return refused
}

func (r *countingRegistry) problem(format string, values ...any) {
	if len(r.problems) < 20 {
		r.problems = append(r.problems, fmt.Sprintf(format, values...))
	}
}

// change changes what the registry is like.
func (r *countingRegistry) change(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
}

const watchedSites = 50

var watchedRings = []string{"developers", "testers", "users"}

// watchedProject is a manifest of many sites.
func watchedProject(t *testing.T) *manifest.Manifest {
	t.Helper()
	var text strings.Builder
	text.WriteString("project: acme/shop\nregistry: registry.example.com\nrings: [developers, testers, users]\nimages: {deploy: deploy}\nsites:\n")
	for i := range watchedSites {
		fmt.Fprintf(&text, "  site-%d: {environment: prod, ring: %s}\n", i, watchedRings[i%len(watchedRings)])
	}
	m, err := manifest.Parse("quoit.yaml", []byte(text.String()))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// place publishes to developers, lets a ring have that, and returns its digest.
func place(t *testing.T, transport http.RoundTripper, ring string, revision int) string {
	t.Helper()
	p, err := store.Open("registry.example.com", storetest.Project, registry.Options{Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = storetest.Publish(t.Context(), p.Namespace(), fmt.Sprint(revision)); err != nil {
		t.Fatal(err)
	}
	state, err := p.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	release := state.Rings()["developers"]
	if _, err := p.Set(t.Context(), storetest.RingOptions(), ring, release.Version, true); err != nil {
		t.Fatal(err)
	}
	return release.Digest
}

// logIn writes a password as docker login does, and returns what it is sent as.
func logIn(t *testing.T, password string) (header string) {
	t.Helper()
	login := base64.StdEncoding.EncodeToString([]byte("ann:" + password))
	text := fmt.Sprintf(`{"auths": {"registry.example.com": {"auth": %q}}}`, login)
	if err := os.WriteFile(filepath.Join(os.Getenv("DOCKER_CONFIG"), "config.json"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return "Basic " + login
}

func heap() int64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.GC() // what finalizers have let go
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

// TestWatchManySites watches 50 sites of 3 rings for 1,000 intervals, by a clock
// of its own: one HEAD for each ring and interval in which nothing has changed, whatever
// the sites do, with the password of that time, and nothing piles up.
func TestWatchManySites(t *testing.T) {
	m := watchedProject(t)
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	login := logIn(t, "first")
	synctest.Test(t, func(t *testing.T) {
		const intervals = 1000
		o := Options{Interval: time.Minute}
		fake := &countingRegistry{inner: memory.New(memory.Logger(log.New(io.Discard, "", 0))), interval: o.Interval, login: login, heads: map[int]int{}, read: map[int]bool{}}
		o.Transport = fake
		has := map[string]string{}
		for i, ring := range watchedRings {
			has[ring] = place(t, fake, ring, i)
			has["developers"] = has[ring]
		}
		begin := time.Now()
		fake.begin = begin
		rings := Rings(m, append(slices.Clone(m.Sites), m.Sites[0]), "") // one of them twice
		if len(rings) != len(watchedRings) {
			t.Fatalf("%d rings", len(rings))
		}
		w, deploys := New(o, rings...), make(map[string]int)
		w.bring = func(_ context.Context, ring *Ring, s *member, _ bool) (digest string, err error) {
			fake.change(func() { deploys[s.site.Name]++; digest = has[ring.ring] })
			if s.site.Name == m.Sites[1].Name { // a deploy that takes long
				time.Sleep(200 * o.Interval)
			}
			return digest, nil
		}
		ctx, cancel := context.WithCancel(t.Context())
		var following sync.WaitGroup
		following.Go(func() { _ = w.Run(ctx) })
		until := func(interval int) { // and a half
			time.Sleep(time.Until(begin.Add(time.Duration(interval)*o.Interval + o.Interval/2)))
			synctest.Wait()
		}
		until(100)
		before := heap()
		until(300)
		fake.change(func() { fake.begin = time.Time{} })
		digest := place(t, fake, "testers", 9)
		fake.change(func() { fake.begin = begin; has["testers"], has["developers"] = digest, digest })
		until(500)
		fake.change(func() { fake.login = logIn(t, "second") })
		until(intervals)
		if grown := heap() - before; grown > 256<<10 {
			t.Errorf("the heap has grown by %d bytes from interval 100 to interval %d", grown, intervals)
		}
		cancel()
		following.Wait()
		readings := 0
		for slot := range intervals + 1 {
			if fake.read[slot] {
				readings++
			} else if fake.heads[slot] != len(rings) {
				t.Errorf("%d HEADs in interval %d", fake.heads[slot], slot)
			}
		}
		// Each ring reads at its own time: when it begins, when something is new, and then rarely.
		if most := (2 + int(time.Since(begin)/reread)) * len(rings); readings > most || fake.tags > readings*len(rings) {
			t.Errorf("the log was read in %d intervals, at most %d wanted; %d tags were looked at", readings, most, fake.tags)
		}
		for _, problem := range fake.problems {
			t.Error(problem)
		}
		for _, s := range m.Sites {
			want := 1
			if s.Ring != "users" {
				want = 2 // its ring has changed
			}
			if deploys[s.Name] != want {
				t.Errorf("%s was deployed to %d times, want %d", s.Name, deploys[s.Name], want)
			}
		}
	})
}

// TestWatchAsksOnceWhenTheRegistryFails: a poll is one request also then.
func TestWatchAsksOnceWhenTheRegistryFails(t *testing.T) {
	m := watchedProject(t)
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	logIn(t, "first")
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		o := Options{Interval: time.Minute}
		o.Transport = roundTrip(func(request *http.Request) *http.Response {
			response := &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody, Request: request}
			if request.URL.Path != "/v2/" {
				asked++
				response.StatusCode = http.StatusServiceUnavailable
			}
			return response
		})
		var log strings.Builder
		o.Log = &log
		w := New(o, Rings(m, m.Sites[:1], "")...)
		ctx, cancel := context.WithTimeout(t.Context(), 20*o.Interval)
		defer cancel()
		_ = w.Run(ctx)
		if asked != 4 { // in intervals 0, 2, 6, 14
			t.Errorf("%d requests", asked)
		}
		if lines := strings.Count(log.String(), "\n"); lines != 1 || !strings.Contains(log.String(), "503") {
			t.Errorf("it says %s", log.String())
		}
		if want := `quoit_ring_errors_total{ring="registry.example.com/acme/shop/deploy:developers"} 4`; !strings.Contains(w.metrics.String(), want) {
			t.Errorf("the metrics are\n%s", w.metrics)
		}
	})
}

type roundTrip func(*http.Request) *http.Response

func (f roundTrip) RoundTrip(request *http.Request) (*http.Response, error) { return f(request), nil }

// TestWatchSettles: what only somebody else can change is dealt with, by the
// digest that was refused; what failed is not.
func TestWatchSettles(t *testing.T) {
	target := deploy.Release{Digest: "sha256:refused"}
	for _, test := range []struct {
		name        string
		err         error
		dealt, says string
	}{
		{"it is there", nil, "sha256:held", ""},
		{"it failed", errors.New("the node is gone"), "", "eu: the node is gone\n"},
		{"it would go back", fmt.Errorf("site eu: %w", &deploy.DowngradeError{Target: target}), "sha256:refused", "waiting for `quoit deploy eu`\n"},
		{"it is no relative", &deploy.UnrelatedError{Target: target}, "sha256:refused", "waiting for `quoit deploy eu`\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var log strings.Builder
			s := &member{site: manifest.Site{Name: "eu"}}
			if dealt := New(Options{Log: &log}).settle(s, "sha256:held", test.err); dealt != test.dealt {
				t.Errorf("dealt with is %q, want %q", dealt, test.dealt)
			}
			if !strings.HasSuffix(log.String(), test.says) || test.says == "" && log.Len() > 0 {
				t.Errorf("it says %q, want %q", log.String(), test.says)
			}
		})
	}
}
