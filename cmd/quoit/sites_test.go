package main

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestMistakesWithSites(t *testing.T) {
	s := newShop(t, shopSites)
	for _, test := range [][2]string{
		{"deploy", "quoit deploy wants SITE or --ring RING, found 0 arguments"},
		{"deploy eu lab", "found 2 arguments"},
		{"deploy uu", `there is no site "uu": did you mean "eu"`},
		{"deploy eu --ring users", "choose either SITE or --ring"},
		{"deploy --ring usrs", `there is no ring "usrs"`},
		{"deploy --ring testers", "no site follows ring testers"},
		{"deploy eu --timeout 1ms", "choose a second or more"},
		{"deploy eu --start-timeout 1ms", "choose a second or more"},
		{"deploy eu -o yaml", "choose text or json"},
		{"delete", "quoit delete wants SITE"},
		{"delete uu", "did you mean"},
		{"delete eu -o yaml", "choose text or json"},
		{"diff uu", "did you mean"},
		{"diff eu -o yaml", "choose text or json"},
		{"bootstrap uu", "did you mean"},
		{"bootstrap eu --interval 30s", "give it a --watcher"},
		{"watch", "name the sites to watch"},
		{"watch uu", "did you mean"},
		{"watch eu --correct", "give --correct a --resync"},
		{"watch eu --interval 1ms", "an --interval of a second or more"},
		{"watch eu --timeout 1ms", "choose a second or more"},
		{"watch x.example.com/acme/shop/deploy:users eu", "name one REPO:RING, or sites of the manifest"},
		{"watch x.example.com/acme/shop/deploy --environment prod --namespace shop", "name REPO:RING like"},
		{"watch x.example.com/acme/shop/deploy:users", "--environment and --namespace"},
		{"watch x.example.com/acme/shop/deploy:users --environment prod --namespace shop --scope galaxy", "--scope is namespace or cluster"},
		{"watch x.example.com/acme/Shop/deploy:users --environment prod --namespace shop", "Shop"},
	} {
		s.fails(64, strings.Fields(test[0]), test[1])
	}
	s.fails(1, []string{"watch", "eu", "--listen", "nowhere:x"}, "--listen: ")
}

func TestSitesWhoseRingIsEmpty(t *testing.T) {
	s := newShop(t, shopSites)
	for _, args := range []string{"deploy eu", "diff eu", "bootstrap eu"} {
		s.fails(1, strings.Fields(args), "site eu: ring users has no release: publish one with `quoit build --push --ring users`")
	}
}

func TestSitesWhoseClusterDoesNotAnswer(t *testing.T) {
	s := newShop(t, shopSites)
	s.publish("developers", "first")
	s.does("set", "users", "0.1.0")
	s.fails(1, []string{"diff", "eu"}, "reading the record of site eu", "connection refused")
	for _, args := range []string{"deploy eu", "deploy eu --dry-run", "deploy eu -o json", "delete eu", "deploy eu --take-over", "deploy eu --adopt"} {
		s.fails(1, strings.Fields(args), "reading the record of site eu", "connection refused", "(nothing was written to site eu)")
	}
	a := s.quoit("deploy", "--ring", "users")
	if a.code != 1 || !strings.HasPrefix(a.out, "eu: failed: reading the record of site eu") {
		t.Errorf("exit code %d\n%s%s", a.code, a.out, a.err)
	}
	if a := s.quoit("deploy", "--ring", "users", "-o", "json"); a.code != 1 || !strings.Contains(a.out, `"done": false`) {
		t.Errorf("exit code %d\n%s%s", a.code, a.out, a.err)
	}
	s.says([]string{"status", "--sites"}, "eu", "unreachable")
	s.says([]string{"status", "--sites", "-o", "json"}, `"unreachable"`)
}

func TestBootstrapAsksNoCluster(t *testing.T) {
	s := newShop(t, shopSites)
	s.publish("developers", "first")
	s.says([]string{"bootstrap", "lab"}, "kind: ServiceAccount", "kind: Role", "configmaps")
	s.says([]string{"bootstrap", "lab", "--watcher", "ghcr.io/quoitbuild/quoit-cli:1", "--interval", "2m"}, "kind: Deployment", "2m0s", s.host+"/acme/shop/deploy:developers")
}

// TestWatch: a watcher says what went wrong once, goes on, and ends with an interrupt.
func TestWatch(t *testing.T) {
	s := newShop(t, shopSites)
	s.publish("developers", "first")
	for name, args := range map[string]string{
		"sites of a manifest": "watch lab --interval 1s --listen 127.0.0.1:0 -C " + s.dir,
		"without a manifest":  "watch " + s.host + "/acme/shop/deploy:developers --environment prod --namespace shop --site lab --interval 1s --listen 127.0.0.1:0 -C " + t.TempDir(),
	} {
		t.Run(name, func(t *testing.T) {
			log := &waited{text: "lab: ", seen: make(chan struct{})}
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan int)
			go func() { ended <- run(ctx, strings.Fields(args), nil, log, log) }()
			select {
			case <-log.seen:
			case <-time.After(time.Minute):
				t.Error("it says nothing of the site")
			}
			cancel()
			if code := <-ended; code != 130 {
				t.Errorf("exit code %d", code)
			}
			for _, text := range []string{"metrics are at http://127.0.0.1:", "connection refused", "interrupted"} {
				if !strings.Contains(log.String(), text) {
					t.Errorf("it does not say %q:\n%s", text, log)
				}
			}
		})
	}
}

// waited is what a command prints, and tells when there is a text in it.
type waited struct {
	text string
	seen chan struct{}

	mu      sync.Mutex
	printed strings.Builder
	told    bool
}

func (w *waited) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.printed.Write(p)
	if !w.told && strings.Contains(w.printed.String(), w.text) {
		w.told = true
		close(w.seen)
	}
	return len(p), nil
}

func (w *waited) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.printed.String()
}
