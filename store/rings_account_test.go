package store_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/store/storetest"
	"github.com/quoitbuild/quoit/store/verify"
	"github.com/quoitbuild/quoit/versioning"
)

// moving is an operation on rings, and what goes before it.
type moving struct {
	name    string
	prepare func(s *server)
	do      func(p *store.Project, o store.RingOptions) (store.RingOutcome, error)
}

var movings = []moving{
	{"shift", func(s *server) { s.Steps(2) }, func(p *store.Project, o store.RingOptions) (store.RingOutcome, error) {
		return p.Shift(context.Background(), o, versioning.ShiftRequest{})
	}},
	{"unshift", func(s *server) { s.Steps(2); s.Shift() }, func(p *store.Project, o store.RingOptions) (store.RingOutcome, error) {
		return p.Unshift(context.Background(), o, nil)
	}},
	{"unshift of one ring", func(s *server) { s.Steps(2); s.Shift() }, func(p *store.Project, o store.RingOptions) (store.RingOutcome, error) {
		return p.Unshift(context.Background(), o, []string{"users"})
	}},
	{"set", func(s *server) { s.Steps(2) }, func(p *store.Project, o store.RingOptions) (store.RingOutcome, error) {
		return p.Set(context.Background(), o, "users", storetest.VersionOf("0.2.0"), false)
	}},
	{"hold", func(s *server) { s.Steps(2) }, hold("testers")},
	{"unhold", func(s *server) {
		s.Steps(2)
		for _, ring := range []string{"testers", "users"} {
			_, err := hold(ring)(s.Open(nil), storetest.RingOptions())
			must(s.T, err)
		}
	}, func(p *store.Project, o store.RingOptions) (store.RingOutcome, error) {
		return p.Unhold(context.Background(), o, []string{"users"})
	}},
}

func hold(ring string) func(*store.Project, store.RingOptions) (store.RingOutcome, error) {
	return func(p *store.Project, o store.RingOptions) (store.RingOutcome, error) {
		return p.Hold(context.Background(), o, ring, "an audit")
	}
}

// by are the options of somebody.
func by(actor string) store.RingOptions {
	options := storetest.RingOptions()
	options.Author.Actor = actor
	return options
}

// account is what the log says, and all tags but its own.
type account struct {
	Table      records.Table
	Holds      map[string]records.Hold
	Tops       map[string]versioning.Top
	Operations []string // oldest first
	Tags       map[string]map[string]string
}

// account also returns who made how many of the records.
func (s *server) account() (account, map[string]int) {
	s.T.Helper()
	history, err := s.Open(nil).History(context.Background(), 1000)
	must(s.T, err)
	newest, actors := history[0].Record, map[string]int{}
	all := account{Table: newest.After, Holds: newest.Holds, Tops: newest.Tops, Tags: s.Tags()}
	for _, sealed := range history {
		actors[sealed.Record.Actor]++
		all.Operations = append([]string{sealed.Record.Operation}, all.Operations...)
	}
	return all, actors
}

// undisturbed is what comes of operations in turn, of which some may fail.
func (at moving) undisturbed(t *testing.T, operations ...func(*store.Project, store.RingOptions) (store.RingOutcome, error)) (account, error) {
	t.Helper()
	s := newServer(t)
	at.prepare(s)
	var err error
	for _, operation := range operations {
		_, err = operation(s.Open(nil), by("ann"))
	}
	all, _ := s.account()
	return all, err
}

// requests are those of an undisturbed operation.
func (at moving) requests(t *testing.T) []string {
	t.Helper()
	s := newServer(t)
	at.prepare(s)
	s.Requests()
	_, err := at.do(s.Open(nil), by("ann"))
	must(t, err)
	return s.Requests()
}

// sound checks what has to hold when nothing is under way.
func (s *server) sound(want account) {
	s.T.Helper()
	got, _ := s.account()
	if diff := cmp.Diff(want, got); diff != "" {
		s.T.Errorf("(-undisturbed +got):\n%s", diff)
	}
	s.Whole()
	report, err := verify.Verify(context.Background(), s.Open(nil), nil)
	must(s.T, err)
	if len(report.Findings) > 0 {
		s.T.Errorf("verify: %v", report.Findings)
	}
}

// between checks that every ring's tag is as before an operation or as after it.
func (s *server) between(before, after account) {
	s.T.Helper()
	s.Whole()
	tags := s.Tags()["deploy"]
	for _, ring := range storetest.Rings {
		if got := tags[ring]; got != before.Tags["deploy"][ring] && got != after.Tags["deploy"][ring] {
			s.T.Errorf("ring %s names %s", ring, got)
		}
	}
}

// truthful checks what an operation's end says against how often it is in the log
// when another command has completed what was to be completed.
func truthful(t testing.TB, err error, inLog int) {
	t.Helper()
	unknown := new(store.UnknownError)
	least, most := 0, 0
	switch {
	case err == nil:
		least, most = 1, 1
	case errors.As(err, &unknown):
		most = 1
		if unknown.Record > 0 {
			least = 1
		}
	case !strings.Contains(err.Error(), "(nothing was written)"):
		t.Errorf("it does not say what became of it: %v", err)
	}
	if inLog < least || inLog > most {
		t.Errorf("it is %d times in the log, and says: %v", inLog, err)
	}
}

// meanwhile does something before the nth request of a process.
type meanwhile struct {
	inner http.RoundTripper
	mu    sync.Mutex
	left  int
	do    func()
}

func (b *meanwhile) RoundTrip(r *http.Request) (*http.Response, error) {
	b.mu.Lock()
	if b.left == 0 {
		b.do()
	}
	b.left--
	b.mu.Unlock()
	return b.inner.RoundTrip(r)
}

// isWrite reports whether a request may change something.
func isWrite(r *http.Request) bool { return r.Method != http.MethodGet && r.Method != http.MethodHead }
