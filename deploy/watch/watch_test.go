package watch

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quoitbuild/quoit/deploy"
	"github.com/quoitbuild/quoit/manifest"
)

// countingRegistry holds rings. It runs in the bubble of a test, so it is no
// server: requests come to it by RoundTrip.
type countingRegistry struct {
	mu       sync.Mutex
	begin    time.Time
	interval time.Duration
	login    string            // what it wants to hear
	holds    map[string]string // digests by path
	last     map[string]int    // the interval of the last HEAD by path
	heads    int
	problems []string
}

func (r *countingRegistry) RoundTrip(request *http.Request) (*http.Response, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	response := &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody, Request: request}
	if request.Header.Get("Authorization") != r.login {
		response.StatusCode = http.StatusUnauthorized
		response.Header.Set("WWW-Authenticate", `Basic realm="test"`)
	}
	if request.Method != http.MethodHead {
		return response, nil
	}
	r.heads++
	path, since := request.URL.Path, time.Since(r.begin)
	slot := (since + r.interval/2) / r.interval
	last, asked := r.last[path]
	r.last[path] = int(slot)
	switch off := since - slot*r.interval; {
	case r.holds[path] == "":
		r.problem("nobody follows %s", path)
	case response.StatusCode != http.StatusOK:
		r.problem("%s is asked for with an old password in interval %d", path, slot)
	case asked && last+1 != int(slot), !asked && slot != 0:
		r.problem("%s is asked for in interval %d after interval %d", path, slot, last)
	case off.Abs() > r.interval/10:
		r.problem("%s is asked for %s away from interval %d", path, off, slot)
	}
	response.Header.Set("Docker-Content-Digest", r.holds[path])
	return response, nil
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

const (
	watchedSites = 50
	watchedRings = 5
	ringPath     = "/v2/acme/shop/deploy/manifests/ring-%d"
)

// watchedProject is a manifest of many sites.
func watchedProject(t *testing.T) *manifest.Manifest {
	t.Helper()
	var rings, text strings.Builder
	for i := range watchedRings {
		fmt.Fprintf(&rings, "ring-%d, ", i)
	}
	fmt.Fprintf(&text, "project: acme/shop\nregistry: registry.example.com\nrings: [%s]\nimages: {deploy: deploy}\nsites:\n", strings.TrimSuffix(rings.String(), ", "))
	for i := range watchedSites {
		fmt.Fprintf(&text, "  site-%d: {environment: prod, ring: ring-%d}\n", i, i%watchedRings)
	}
	m, err := manifest.Parse("quoit.yaml", []byte(text.String()))
	if err != nil {
		t.Fatal(err)
	}
	return m
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

// TestWatchManySites watches 50 sites of 5 rings for 1,000 intervals, by a clock
// of its own: one HEAD for each ring and interval, whatever the sites do, with
// the password of that time, and nothing piles up.
func TestWatchManySites(t *testing.T) {
	m := watchedProject(t)
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	login := logIn(t, "first")
	synctest.Test(t, func(t *testing.T) {
		const intervals = 1000
		o := Options{Interval: time.Minute}
		fake := &countingRegistry{begin: time.Now(), interval: o.Interval, login: login, holds: map[string]string{}, last: map[string]int{}}
		for i := range watchedRings {
			fake.holds[fmt.Sprintf(ringPath, i)] = "sha256:" + strings.Repeat("a", 64)
		}
		o.Transport = fake
		rings := Rings(m, append(slices.Clone(m.Sites), m.Sites[0]), "") // one of them twice
		if len(rings) != watchedRings {
			t.Fatalf("%d rings", len(rings))
		}
		w, deploys := New(o, rings...), make(map[string]int)
		w.bring = func(ctx context.Context, ring *Ring, s *member, _ bool) (digest string, err error) {
			fake.change(func() {
				deploys[s.site.Name]++
				digest = fake.holds["/v2/acme/shop/deploy/manifests/"+ring.ring]
			})
			if s.site.Name == m.Sites[0].Name { // a deploy that takes long
				time.Sleep(200 * o.Interval)
			}
			return digest, nil
		}
		ctx, cancel := context.WithCancel(t.Context())
		var following sync.WaitGroup
		following.Go(func() { _ = w.Run(ctx) })
		until := func(interval int) { // and a half
			time.Sleep(time.Until(fake.begin.Add(time.Duration(interval)*o.Interval + o.Interval/2)))
			synctest.Wait()
		}
		until(100)
		before := heap()
		until(300)
		fake.change(func() { fake.holds[fmt.Sprintf(ringPath, 0)] = "sha256:" + strings.Repeat("b", 64) })
		until(500)
		fake.change(func() { fake.login = logIn(t, "second") })
		until(intervals)
		if grown := heap() - before; grown > 128<<10 {
			t.Errorf("the heap has grown by %d bytes from interval 100 to interval %d", grown, intervals)
		}
		cancel()
		following.Wait()
		if want := watchedRings * (intervals + 1); fake.heads != want { // one at the begin
			t.Errorf("%d HEADs, want %d", fake.heads, want)
		}
		for _, problem := range fake.problems {
			t.Error(problem)
		}
		for _, s := range m.Sites {
			want := 1
			if s.Ring == "ring-0" {
				want = 2 // its ring has changed
			}
			if deploys[s.Name] != want {
				t.Errorf("%s was deployed to %d times, want %d", s.Name, deploys[s.Name], want)
			}
		}
	})
}

// TestWatchAsksOnceWhenTheRegistryFails: a poll is one HEAD also then.
func TestWatchAsksOnceWhenTheRegistryFails(t *testing.T) {
	m := watchedProject(t)
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	logIn(t, "first")
	synctest.Test(t, func(t *testing.T) {
		heads := 0
		o := Options{Interval: time.Minute}
		o.Transport = roundTrip(func(request *http.Request) *http.Response {
			response := &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody, Request: request}
			if request.Method == http.MethodHead {
				heads++
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
		if heads != 4 { // in intervals 0, 2, 6, 14
			t.Errorf("%d HEADs", heads)
		}
		if lines := strings.Count(log.String(), "\n"); lines != 1 || !strings.Contains(log.String(), "503") {
			t.Errorf("it says %s", log.String())
		}
		if want := `quoit_ring_errors_total{ring="registry.example.com/acme/shop/deploy:ring-0"} 4`; !strings.Contains(w.metrics.String(), want) {
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
