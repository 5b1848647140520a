package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/spf13/cobra"
)

// What is said of a command that a registry keeps waiting.
const (
	sayNothing = "nothing was written"
	sayUnknown = "the outcome is not known, ask `quoit history`"
	sayRepair  = "run `quoit repair` again, it continues"
	sayCopy    = "run the same command again, it continues the copy"
)

// silences has a row for every command: what becomes of it where a registry is silent.
var silences = map[string]silence{
	"build":   {command: func(s *shop) command { return s.built("five") }, upload: sayNothing, tag: sayUnknown}, // from where BuildKit has answered
	"plan":    {args: []string{"plan"}},
	"explain": {args: []string{"explain", "api"}},
	"graph":   {apart: "it asks nothing of the project's registry: TestAGraphAsksNobody of package builder"},

	"shift":     {args: writing["shift"], upload: sayNothing, tag: sayUnknown},
	"unshift":   {args: writing["unshift"], upload: sayNothing, tag: sayUnknown},
	"set":       {args: writing["set"], upload: sayNothing, tag: sayUnknown},
	"hold":      {args: writing["hold"], upload: sayNothing, tag: sayUnknown},
	"unhold":    {args: writing["unhold"], upload: sayNothing, tag: sayUnknown},
	"prune":     {args: writing["prune"], upload: sayNothing, tag: sayUnknown},
	"take-over": {args: []string{"take-over", "developers", "--yes"}, before: (*wire).forget, upload: sayNothing, tag: sayUnknown},
	"repair":    {args: []string{"repair"}, before: func(w *wire, t *testing.T) { w.lose(t, "api", "0.1.0") }, upload: sayRepair, tag: sayRepair},
	"copy":      {args: []string{"copy", "developers", "localhost:2/mirror"}, upload: sayNothing, tag: sayCopy},

	"status":    {args: []string{"status"}},
	"history":   {args: []string{"history"}},
	"verify":    {args: []string{"verify"}},
	"bootstrap": {args: []string{"bootstrap", "lab"}},

	"deploy": {args: []string{"deploy", "lab"}, site: true},
	"diff":   {args: []string{"diff", "lab"}, site: true},
	"delete": {apart: "it asks a cluster first: TestASilentClusterEndsEveryCommand"},
	"watch":  {apart: "it does not end by itself: TestWatch, TestASilentClusterEndsEveryCommand"},
	"apply":  {apart: "it reaches no registry: the root image's files lie beside it"},
}

// silence is a row.
type silence struct {
	args    []string
	command func(*shop) command         // instead of a line
	apart   string                      // why it is not run here
	before  func(w *wire, t *testing.T) // prepares the registry
	upload  string                      // what is said if it stalls from the first write on, "" for who writes nothing
	tag     string                      // so too from the first tag on
	site    bool                        // it needs a cluster, once the registry has answered
}

// command runs a command, which prints on its standard error; it returns the exit code.
type command = func(ctx context.Context, errOut io.Writer) int

// said is what a command says besides if nothing answers.
func (s silence) said() string {
	switch {
	case s.site && s.args[0] == "deploy":
		return "nothing was written to site lab"
	case s.tag != "":
		return sayNothing
	}
	return ""
}

// stalling is a registry that answers no request any more from one on.
type stalling struct {
	*wire
	from func(*http.Request) bool

	mu      sync.Mutex
	stalled bool
	writes  bool   // one was sent
	reached func() // is called when it begins; may be nil
}

// RoundTrip implements [http.RoundTripper].
func (s *stalling) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	begins := !s.stalled && s.from(r)
	s.stalled = s.stalled || begins
	s.writes = s.writes || writes(r)
	stalled := s.stalled
	s.mu.Unlock()
	if begins && s.reached != nil {
		s.reached()
	}
	if stalled {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	return s.wire.RoundTrip(r)
}

func every(*http.Request) bool { return true }

func writes(r *http.Request) bool { return r.Method != http.MethodGet && r.Method != http.MethodHead }

func tags(r *http.Request) bool {
	return r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/manifests/")
}

// lose deletes a tag.
func (w *wire) lose(t *testing.T, image, tag string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, "http://localhost/v2/acme/shop/"+image+"/manifests/"+tag, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := w.RoundTrip(request)
	if err != nil || response.StatusCode != http.StatusAccepted {
		t.Fatalf("deleting %s:%s: %v, %v", image, tag, response, err)
	}
}

// TestEveryCommandSaysWhatBecomesOfItInSilence: there is no command without a row.
func TestEveryCommandSaysWhatBecomesOfItInSilence(t *testing.T) {
	there := map[string]bool{}
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		if name := strings.TrimPrefix(cmd.CommandPath(), "quoit "); cmd.Runnable() {
			there[name] = true
			if _, row := silences[name]; !row {
				t.Errorf("nothing says what becomes of quoit %s where a registry is silent", name)
			}
		}
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	walk(newRootCmd())
	for name := range silences {
		if !there[name] {
			t.Errorf("there is no command %s", name)
		}
	}
}

func TestASilentRegistryEndsEveryCommand(t *testing.T) {
	for name, row := range silences {
		if row.apart != "" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			for what, silent := range map[string]struct {
				from func(*http.Request) bool
				said string
			}{
				"from the beginning": {every, row.said()}, "from the first write on": {writes, row.upload}, "from the first tag on": {tags, row.tag},
			} {
				for _, interrupted := range []bool{false, true} {
					if row.site && what != "from the beginning" {
						continue
					}
					e, stalling := row.run(t, silent.from, interrupted)
					checkSilence(t, e, stalling, row.tag != "", interrupted, silent.said)
					if t.Failed() {
						t.Logf("the registry was silent: %s; interrupted: %t", what, interrupted)
						return
					}
				}
			}
		})
	}
}

// run runs the command of a row against a registry that stalls from a request on.
func (s silence) run(t *testing.T, from func(*http.Request) bool, interrupted bool) (ending, *stalling) {
	t.Helper()
	shop, w := filled(t)
	shop.publish("developers", "four")
	if s.before != nil {
		s.before(w, t)
	}
	run := func(ctx context.Context, errOut io.Writer) int {
		return run(ctx, shop.args(s.args), strings.NewReader(""), io.Discard, errOut)
	}
	if s.command != nil {
		run = s.command(shop)
	}
	stalling := &stalling{wire: w, from: from}
	remote.DefaultTransport = stalling
	defer func() { remote.DefaultTransport = w }()
	var took time.Duration
	e := timed(t, w, nil, func(ctx context.Context, errOut io.Writer) int {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		if interrupted {
			stalling.reached = cancel
		}
		begin := time.Now()
		code := run(ctx, errOut)
		took = time.Since(begin)
		time.Sleep(5 * time.Minute) // until a request that several share has come to its own end
		return code
	})
	e.took = took
	return e, stalling
}

// checkSilence checks how a command ended whose registry stalled.
func checkSilence(t *testing.T, e ending, stalling *stalling, writer, interrupted bool, want string) {
	t.Helper()
	if !stalling.stalled { // it only reads
		if writer || e.code != 0 || stalling.writes {
			t.Errorf("it was not kept waiting: exit code %d, it writes: %t\n%s", e.code, stalling.writes, e.said)
		}
		return
	}
	code, waits := exitFailed, 1
	if interrupted {
		code, waits = exitInterrupted, 0
	}
	if e.code != code || e.took > 65*time.Second || interrupted && e.took > linger {
		t.Errorf("exit code %d after %s; it says\n%s", e.code, e.took, e.said)
	}
	if got := strings.Count(e.said, " to answer\n"); got < waits || interrupted && got > 0 {
		t.Errorf("it does not say what it waits for:\n%s", e.said)
	}
	for _, known := range []string{sayNothing, sayUnknown, sayRepair, sayCopy} {
		times := 0
		if strings.Contains(want, known) {
			times = 1
		}
		if got := strings.Count(e.said, known); got != times {
			t.Errorf("it says %d times, not %d, that %s:\n%s", got, times, known, e.said)
		}
	}
	if interrupted && !strings.HasSuffix(e.said, strings.TrimSuffix("interrupted: "+want, ": ")+"\n") {
		t.Errorf("interrupted, it says\n%s", e.said)
	}
	if !strings.Contains(e.said, want) {
		t.Errorf("it says\n%s\nwant\n%s", e.said, want)
	}
}

// api is an API server of Kubernetes that keeps what it is told of site lab, without a look
// at it.
type api struct {
	mu      sync.Mutex
	objects map[string]object // by path
	// stalls says which requests have no answer; reached is called by those.
	stalls  func(*http.Request) bool
	reached func()
}

type object struct {
	mediaType string
	body      []byte
}

// newAPI is one for the cluster of a shop's sites.
func newAPI(t *testing.T, s *shop) *api {
	t.Helper()
	a := &api{objects: map[string]object{}}
	server := httptest.NewServer(a)
	t.Cleanup(server.Close)
	s.write("kubeconfig", "{clusters: [{name: none, cluster: {server: '"+server.URL+"'}}], contexts: [{name: none, context: {cluster: none}}], current-context: none}\n")
	return a
}

// ServeHTTP implements [http.Handler].
func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	a.mu.Lock()
	defer a.mu.Unlock()
	if err != nil || a.stalls != nil && a.stalls(r) {
		reached := a.reached
		a.mu.Unlock()
		if reached != nil {
			reached()
		}
		<-r.Context().Done()
		a.mu.Lock()
		return
	}
	path := r.URL.Path
	switch r.Method {
	case http.MethodPost:
		path += "/quoit-lab"
		fallthrough
	case http.MethodPut:
		a.objects[path] = object{r.Header.Get("Content-Type"), body}
	}
	is, found := a.objects[path]
	if !found {
		is = object{"application/json", []byte(`{"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}`)}
	}
	w.Header().Set("Content-Type", is.mediaType)
	if !found {
		w.WriteHeader(http.StatusNotFound)
	}
	_, _ = w.Write(is.body) // the client is ours
}

// TestASilentClusterEndsEveryCommand that reaches one: interrupted at a request without an
// answer it says in what state the site is.
func TestASilentClusterEndsEveryCommand(t *testing.T) {
	s, w := filled(t)
	cluster := newAPI(t, s)
	asks := func(method, what string) func(*http.Request) bool {
		return func(r *http.Request) bool {
			return strings.Contains(method, r.Method) && strings.Contains(r.URL.Path, "/"+what)
		}
	}
	const write = "POST PUT"
	for _, step := range []struct {
		args   string
		stalls func(*http.Request) bool // requests to the cluster; nil: the registry is silent
		want   string
	}{
		// One step leads to the next.
		{"deploy lab", asks("GET", "configmaps"), "interrupted: nothing was written to site lab"},
		{"deploy --ring developers", asks("GET", "leases"), "interrupted: nothing was written to site lab"},
		{"deploy lab", asks(write, "leases"), "interrupted: site lab is as it was: deploy again"},
		{"deploy lab", asks(write, "configmaps"), "interrupted: site lab: install 0.1.2 was begun, and how it ends is not known: deploy again, it continues"},
		{"deploy lab", asks("GET", "jobs"), "interrupted: site lab: install 0.1.2 was begun, and how it ends is not known: deploy again, it continues"},
		{"delete lab", asks("GET", "configmaps"), "interrupted: nothing was written to site lab"},
		{"delete lab", nil, "interrupted: nothing was written to site lab"},
		{"delete lab", asks(write, "leases"), "interrupted: site lab is as it was: delete again"},
		{"delete lab", asks(write, "configmaps"), "interrupted: site lab: uninstall 0.1.2 was begun, and how it ends is not known: delete again, it continues"},
		{"diff lab", asks("GET", "configmaps"), "interrupted"},
		{"status --sites", asks("GET", "configmaps"), "interrupted"},
		{"watch lab --listen=", asks("GET", "configmaps"), "interrupted"},
		{"watch lab --listen=", asks(write, "configmaps"), "site lab: install 0.1.2 was begun, and how it ends is not known: deploy again, it continues\ninterrupted"},
		{"watch lab --listen=", nil, "interrupted"},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		stalling := &stalling{wire: w, from: func(*http.Request) bool { return step.stalls == nil }, reached: cancel}
		remote.DefaultTransport = stalling
		cluster.mu.Lock()
		cluster.stalls, cluster.reached = step.stalls, cancel
		cluster.mu.Unlock()
		said := waited{seen: make(chan struct{})}
		code := run(ctx, s.args(strings.Fields(step.args)), strings.NewReader(""), io.Discard, &said)
		cancel()
		if got := said.String(); code != exitInterrupted || !strings.HasSuffix(got, step.want+"\n") || strings.Count(got, strings.TrimPrefix(step.want, "interrupted: ")) != 1 {
			t.Errorf("%s: exit code %d; it says\n%swant\n%s", step.args, code, got, step.want)
		}
	}
}

// forget deletes the log, as if an older quoit had published.
func (w *wire) forget(t *testing.T) {
	t.Helper()
	response, err := w.RoundTrip(httptest.NewRequest(http.MethodGet, "http://localhost/v2/acme/shop/records/tags/list", nil))
	if err != nil {
		t.Fatal(err)
	}
	var list struct{ Tags []string }
	if err := json.NewDecoder(response.Body).Decode(&list); err != nil || len(list.Tags) == 0 {
		t.Fatalf("the log's tags: %v, %v", list.Tags, err)
	}
	for _, tag := range list.Tags {
		w.lose(t, "records", tag)
	}
}
