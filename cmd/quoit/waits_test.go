package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	memory "github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/quoitbuild/quoit/builder"
	"github.com/quoitbuild/quoit/registry/registrytest"
)

// wire is a registry that is reached without a network, so that a clock of its own may
// run while it is asked.
type wire struct {
	inner http.Handler

	mu    sync.Mutex
	asked int
	// fault is asked before each request, which has a number; true: it has answered.
	fault registrytest.Fault
}

// RoundTrip implements [http.RoundTripper].
func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	w.mu.Lock()
	n, fault := w.asked, w.fault
	w.asked++
	w.mu.Unlock()
	in := r.Clone(r.Context())
	in.RequestURI, in.RemoteAddr = r.URL.RequestURI(), "127.0.0.1:1"
	if in.Host == "" {
		in.Host = r.URL.Host
	}
	if in.Body == nil {
		in.Body = http.NoBody
	}
	answer := httptest.NewRecorder()
	answer.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
	if fault == nil || !fault(n, answer, in) {
		w.inner.ServeHTTP(answer, in)
	}
	response := answer.Result()
	response.Request = r
	return response, nil
}

// set sets the fault, and begins to count.
func (w *wire) set(fault registrytest.Fault) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked, w.fault = 0, fault
}

// wired is a shop on a wire, with three releases of which the last was shifted.
func wired(t *testing.T) (*shop, *wire) {
	t.Helper()
	s, w := newShop(t, shopSites), &wire{inner: memory.New(memory.Logger(log.New(io.Discard, "", 0)))}
	s.files()
	before := remote.DefaultTransport
	remote.DefaultTransport = w
	t.Cleanup(func() { remote.DefaultTransport = before })
	return s, w
}

func filled(t *testing.T) (*shop, *wire) {
	t.Helper()
	s, w := wired(t)
	for _, content := range []string{"one", "two", "three"} {
		s.publish("developers", content)
	}
	s.does("shift")
	s.does("hold", "users", "--reason", "audit")
	return s, w
}

// writing is every command that writes to the log, by its line; one that is not a line
// is a build whose images were pushed.
var writing = map[string][]string{
	"build --push": nil,
	"shift":        {"shift", "--discard", "testers"},
	"unshift":      {"unshift"},
	"set":          {"set", "testers", "0.1.0", "--discard", "testers"},
	"hold":         {"hold", "testers", "--reason", "freeze"},
	"unhold":       {"unhold", "users"},
	"prune":        {"prune", "--keep", "1"},
}

// command prepares one of them; it says what it printed on its standard error, and
// returns its exit code.
func (s *shop) command(name string) func(ctx context.Context, errOut io.Writer) int {
	s.t.Helper()
	if args := writing[name]; args != nil {
		if name == "shift" {
			s.publish("developers", "four")
		}
		return func(ctx context.Context, errOut io.Writer) int {
			return run(ctx, s.args(args), strings.NewReader(""), io.Discard, errOut)
		}
	}
	return s.built("five")
}

// built is what quoit build --push does when the images are pushed.
func (s *shop) built(content string) func(ctx context.Context, errOut io.Writer) int {
	s.t.Helper()
	f := buildFlags{push: true, project: projectFlags{dir: s.dir}}
	cmd := newBuildCmd()
	m, p, err := f.project.open(cmd)
	if err != nil {
		s.t.Fatal(err)
	}
	out := builder.Outcome{Plan: s.plan(p, "developers", content), Digests: map[string]string{}}
	for _, name := range out.Plan.PublishOrder() {
		out.Digests[name] = s.push(out.Plan, name)
	}
	return func(ctx context.Context, errOut io.Writer) int {
		cmd.SetContext(ctx)
		cmd.SetOut(io.Discard)
		cmd.SetErr(errOut)
		p, err := open(cmd, m) // what it has read before counts for nothing
		if err == nil {
			err = f.finish(cmd, m, p, out, foundCommits{})
		}
		return ended(ctx, errOut, err)
	}
}

// ending is how a command ended, by its own clock.
type ending struct {
	code     int
	said     string
	requests int
	took     time.Duration
}

// timed runs a command with a clock of its own.
func timed(t *testing.T, w *wire, fault registrytest.Fault, command func(context.Context, io.Writer) int) (e ending) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		var said bytes.Buffer
		w.set(fault)
		begin := time.Now()
		e.code = command(ctx, &said)
		e.said, e.took = said.String(), time.Since(begin)
		if ctx.Err() != nil {
			t.Error("it has no end")
		}
	})
	w.mu.Lock()
	e.requests = w.asked
	w.mu.Unlock()
	w.set(nil)
	return e
}

// stale lists the tags that were there when it was made, whatever is written.
func (w *wire) stale(t *testing.T) registrytest.Fault {
	t.Helper()
	response, err := w.RoundTrip(httptest.NewRequest(http.MethodGet, "http://localhost/v2/acme/shop/records/tags/list", nil))
	if err != nil {
		t.Fatal(err)
	}
	old, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return func(_ int, answer http.ResponseWriter, r *http.Request) bool {
		lists := strings.HasSuffix(r.URL.Path, "/tags/list")
		if lists {
			_, _ = answer.Write(old) // into memory
		}
		return lists
	}
}

// isTry reports whether a request writes a try tag.
func isTry(r *http.Request) bool {
	return r.Method == http.MethodPut && strings.Contains(r.URL.Path, "-try-")
}

func TestAListThatStaysStaleEndsEveryCommand(t *testing.T) {
	for name := range writing {
		t.Run(name, func(t *testing.T) {
			s, w := filled(t)
			command := s.command(name)
			e := timed(t, w, w.stale(t), command)
			if e.code != exitFailed || e.requests > 100 || e.took < time.Minute || e.took > 65*time.Second {
				t.Errorf("exit code %d, %d requests, %s", e.code, e.requests, e.took)
			}
			waits := regexp.MustCompile("^waiting for the registry's list of tags to show [^ ]*/acme/shop/records:record-\\d{8}-r01-try-[0-9a-f]+, which was written\n" +
				"error: .*the registry's list of tags does not show .*; the outcome is not known, ask `quoit history`")
			if !waits.MatchString(e.said) {
				t.Errorf("it says\n%s", e.said)
			}
			if strings.Contains(e.said, "nothing was") {
				t.Errorf("it knows better:\n%s", e.said)
			}
		})
	}
}

// TestAnInterruptedCommandSaysWhatBecameOfIt interrupts every command before each of
// its requests: until the first try nothing was written, and after it the command comes
// to its end, unless the registry does not let it.
func TestAnInterruptedCommandSaysWhatBecameOfIt(t *testing.T) {
	for name := range writing {
		t.Run(name, func(t *testing.T) {
			s, w := filled(t)
			command := s.command(name)
			stale := w.stale(t)
			tried := false
			for at := 0; !tried; at++ {
				var cancel context.CancelFunc
				fault := func(n int, answer http.ResponseWriter, r *http.Request) bool {
					tried = tried || isTry(r)
					if n == at {
						cancel()
					}
					return stale(n, answer, r)
				}
				e := timed(t, w, fault, func(ctx context.Context, errOut io.Writer) int {
					ctx, cancel = context.WithCancel(ctx)
					defer cancel()
					return command(ctx, errOut)
				})
				want := "interrupted: nothing was written\n"
				if tried {
					want = "interrupted: the outcome is not known, ask `quoit history`\n"
				}
				if e.code != exitInterrupted || e.said != want || e.took > linger {
					t.Errorf("interrupted at request %d: exit code %d after %s; it says\n%swant\n%s", at, e.code, e.took, e.said, want)
				}
			}
		})
	}
}

// TestAnInterruptedCopySaysThatItContinues interrupts a copy before each of its requests.
func TestAnInterruptedCopySaysThatItContinues(t *testing.T) {
	s, w := filled(t)
	args := s.args([]string{"copy", "developers", "localhost:2/mirror"})
	wrote, seen := false, map[string]int{}
	for at := 0; ; at++ {
		var cancel context.CancelFunc
		e := timed(t, w, func(n int, _ http.ResponseWriter, r *http.Request) bool {
			if n == at {
				cancel()
			}
			wrote = wrote || r.Method == http.MethodPut
			return false
		}, func(ctx context.Context, errOut io.Writer) int {
			ctx, cancel = context.WithCancel(ctx)
			defer cancel()
			return run(ctx, args, strings.NewReader(""), io.Discard, errOut)
		})
		if e.code == 0 {
			break
		}
		seen[e.said]++
		if e.code != exitInterrupted || !wrote && e.said != "interrupted: nothing was written\n" {
			t.Errorf("interrupted at request %d: exit code %d; it says\n%s", at, e.code, e.said)
		}
	}
	if len(seen) != 2 || seen["interrupted: run the same command again, it continues the copy\n"] == 0 {
		t.Errorf("it says %v", seen)
	}
}

func TestAnInterruptedPruneSaysThatItContinues(t *testing.T) {
	s, w := filled(t)
	command, stone := s.command("prune"), regexp.MustCompile(`/manifests/\d+\.\d+\.\d+$`)
	var cancel context.CancelFunc
	e := timed(t, w, func(_ int, _ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut && stone.MatchString(r.URL.Path) {
			cancel()
		}
		return false
	}, func(ctx context.Context, errOut io.Writer) int {
		ctx, cancel = context.WithCancel(ctx)
		defer cancel()
		return command(ctx, errOut)
	})
	if want := "interrupted: releases were given up by record 6: run `quoit prune` again, it continues\n"; e.code != exitInterrupted || e.said != want {
		t.Errorf("exit code %d; it says\n%swant\n%s", e.code, e.said, want)
	}
}

func TestAnInterruptedRepairSaysThatItContinues(t *testing.T) {
	s, w := filled(t)
	lost, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, "http://localhost/v2/acme/shop/api/manifests/0.1.0", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.RoundTrip(lost); err != nil {
		t.Fatal(err)
	}
	for method, want := range map[string]string{
		http.MethodGet: "interrupted: nothing was written\n",
		http.MethodPut: "interrupted: run `quoit repair` again, it continues\n",
	} {
		var cancel context.CancelFunc
		e := timed(t, w, func(_ int, _ http.ResponseWriter, r *http.Request) bool {
			if r.Method == method {
				cancel()
			}
			return false
		}, func(ctx context.Context, errOut io.Writer) int {
			ctx, cancel = context.WithCancel(ctx)
			defer cancel()
			return run(ctx, s.args([]string{"repair"}), strings.NewReader(""), io.Discard, errOut)
		})
		if e.code != exitInterrupted || e.said != want {
			t.Errorf("interrupted at a %s: exit code %d; it says\n%swant\n%s", method, e.code, e.said, want)
		}
	}
}

// linger is how long an interrupted command may go on.
const linger = 7 * time.Second

func TestARefusedFirstWriteWritesNothing(t *testing.T) {
	refused := map[string]func(*http.Request) bool{
		"the record's config": func(r *http.Request) bool { return r.Method == http.MethodPost },
		"the try":             isTry,
	}
	for name := range writing {
		s, w := filled(t)
		command := s.command(name)
		for at, matches := range refused {
			for _, status := range []int{http.StatusUnauthorized, http.StatusForbidden} {
				t.Run(name+" "+at+" "+http.StatusText(status), func(t *testing.T) {
					writes := 0
					e := timed(t, w, func(_ int, answer http.ResponseWriter, r *http.Request) bool {
						if r.Method != http.MethodGet && r.Method != http.MethodHead && !matches(r) && !strings.Contains(r.URL.Path, "/blobs/") {
							writes++
						}
						if !strings.Contains(r.URL.Path, "/records/") || !matches(r) {
							return false
						}
						registrytest.Status(status)(answer, r)
						return true
					}, command)
					if e.code != exitFailed || writes > 0 || !strings.Contains(e.said, "(nothing was written)") || strings.Contains(e.said, "not known") || e.took > time.Second {
						t.Errorf("exit code %d after %s, %d writes; it says\n%s", e.code, e.took, writes, e.said)
					}
				})
			}
		}
	}
}

// TestTheLoserOfAFirstPublish lets another first publish come in between before each
// request of a first publish: one of them succeeds, the other's exit code is 3.
func TestTheLoserOfAFirstPublish(t *testing.T) {
	for at := 0; ; at++ {
		s, w := wired(t)
		one, other := s.built("one"), s.built("other")
		var codes [2]int
		var said [2]bytes.Buffer
		var within context.Context
		came := false
		timed(t, w, func(n int, _ http.ResponseWriter, _ *http.Request) bool {
			if n == at {
				came, codes[1] = true, other(within, &said[1])
			}
			return false
		}, func(ctx context.Context, _ io.Writer) int {
			within = ctx
			codes[0] = one(ctx, &said[0])
			return codes[0]
		})
		if !came {
			break // it has no more requests
		}
		if slices.Sort(codes[:]); codes != [2]int{0, exitMoved} {
			t.Errorf("before request %d: exit codes %v\n%s\n%s", at, codes, said[0].String(), said[1].String())
		}
	}
}

// reading is what only reads the log.
var reading = [][]string{{"status"}, {"history"}, {"verify"}, {"prune", "--dry-run"}, {"shift", "--dry-run"}, {"copy", "users", "oci:TARGET"}}

// TestOddRegistriesEndEveryCommand is for registries whose answers lead on and on.
func TestOddRegistriesEndEveryCommand(t *testing.T) {
	record := regexp.MustCompile(`/records/manifests/record-\d+$`)
	for name, odd := range map[string]struct {
		fault registrytest.Fault
		says  string
		reads bool // also what only reads comes across it
	}{
		"a list that goes round": {func(n int, answer http.ResponseWriter, r *http.Request) bool {
			lists := strings.HasSuffix(r.URL.Path, "/tags/list")
			if lists {
				answer.Header().Set("Link", `</x?page=`+map[bool]string{true: "1", false: "2"}[r.URL.Query().Get("page") == "2"]+`>; rel="next"`)
				_ = json.NewEncoder(answer).Encode(map[string][]string{"tags": {"record-00000001"}})
			}
			return lists
		}, "the list of tags goes round", false},
		"a list of empty pages": {func(n int, answer http.ResponseWriter, r *http.Request) bool {
			lists := strings.HasSuffix(r.URL.Path, "/tags/list")
			if lists {
				answer.Header().Set("Link", `</x?page=`+r.URL.Query().Get("page")+`1>; rel="next"`)
				_ = json.NewEncoder(answer).Encode(map[string][]string{"tags": nil})
			}
			return lists
		}, "the list of tags has no end", false},
		"every record is there for HEAD only": {func(_ int, answer http.ResponseWriter, r *http.Request) bool {
			if !record.MatchString(r.URL.Path) {
				return false
			}
			if r.Method == http.MethodHead {
				answer.Header().Set("Docker-Content-Digest", "sha256:"+strings.Repeat("ab", 32))
			} else {
				registrytest.Plain(http.StatusNotFound, "MANIFEST_UNKNOWN: no")(answer, r)
			}
			return true
		}, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			s, w := filled(t)
			commands := map[string]func(context.Context, io.Writer) int{"shift": s.command("shift")}
			for name := range writing {
				if name != "shift" { // it publishes, and comes first
					commands[name] = s.command(name)
				}
			}
			if odd.reads {
				for _, args := range reading {
					args := s.args(args)
					args[len(args)-1] = strings.Replace(args[len(args)-1], "TARGET", t.TempDir(), 1)
					commands["reading "+args[0]] = func(ctx context.Context, errOut io.Writer) int {
						return run(ctx, args, strings.NewReader(""), io.Discard, errOut)
					}
				}
			}
			for name, command := range commands {
				e := timed(t, w, odd.fault, command)
				if e.code != exitFailed || e.requests > 250 || e.took > 2*time.Minute || !strings.Contains(e.said, odd.says) {
					t.Errorf("%s: exit code %d, %d requests, %s; it says\n%s", name, e.code, e.requests, e.took, e.said)
				}
			}
		})
	}
}
