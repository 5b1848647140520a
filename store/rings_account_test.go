package store

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/versioning"
)

// moving is an operation on rings, and what goes before it.
type moving struct {
	name    string
	prepare func(s *server)
	do      func(p *Project, o RingOptions) (RingOutcome, error)
}

var movings = []moving{
	{"shift", func(s *server) { s.steps(2) }, func(p *Project, o RingOptions) (RingOutcome, error) {
		return p.Shift(context.Background(), o, versioning.ShiftRequest{})
	}},
	{"unshift", func(s *server) { s.steps(2); s.shift() }, func(p *Project, o RingOptions) (RingOutcome, error) {
		return p.Unshift(context.Background(), o, nil)
	}},
	{"unshift of one ring", func(s *server) { s.steps(2); s.shift() }, func(p *Project, o RingOptions) (RingOutcome, error) {
		return p.Unshift(context.Background(), o, []string{"users"})
	}},
	{"set", func(s *server) { s.steps(2) }, func(p *Project, o RingOptions) (RingOutcome, error) {
		return p.Set(context.Background(), o, "users", versionOf("0.2.0"), false)
	}},
	{"hold", func(s *server) { s.steps(2) }, hold("testers")},
	{"unhold", func(s *server) {
		s.steps(2)
		for _, ring := range []string{"testers", "users"} {
			_, err := hold(ring)(s.open(nil), ringOptions())
			must(s.t, err)
		}
	}, func(p *Project, o RingOptions) (RingOutcome, error) {
		return p.Unhold(context.Background(), o, []string{"users"})
	}},
}

func hold(ring string) func(*Project, RingOptions) (RingOutcome, error) {
	return func(p *Project, o RingOptions) (RingOutcome, error) {
		return p.Hold(context.Background(), o, ring, "an audit")
	}
}

// by are the options of somebody.
func by(actor string) RingOptions {
	options := ringOptions()
	options.Author.Actor = actor
	return options
}

// account is what the log says, and all tags but its own.
type account struct {
	Table      records.Table
	Holds      map[string]records.Hold
	Undo       *records.Shifted
	Operations []string // oldest first
	Tags       map[string]map[string]string
}

// account also returns who made how many of the records.
func (s *server) account() (account, map[string]int) {
	s.t.Helper()
	history, err := s.open(nil).History(context.Background(), 1000)
	must(s.t, err)
	newest, actors := history[0].Record, map[string]int{}
	all := account{Table: newest.After, Holds: newest.Holds, Undo: newest.Undo, Tags: s.tags()}
	for _, sealed := range history {
		actors[sealed.Record.Actor]++
		all.Operations = append([]string{sealed.Record.Operation}, all.Operations...)
	}
	return all, actors
}

// undisturbed is what comes of operations in turn, of which some may fail.
func (at moving) undisturbed(t *testing.T, operations ...func(*Project, RingOptions) (RingOutcome, error)) (account, error) {
	t.Helper()
	s := newServer(t)
	at.prepare(s)
	var err error
	for _, operation := range operations {
		_, err = operation(s.open(nil), by("ann"))
	}
	all, _ := s.account()
	return all, err
}

// requests are those of an undisturbed operation.
func (at moving) requests(t *testing.T) []string {
	t.Helper()
	s := newServer(t)
	at.prepare(s)
	s.requests()
	_, err := at.do(s.open(nil), by("ann"))
	must(t, err)
	return s.requests()
}

// sound checks what has to hold when nothing is under way.
func (s *server) sound(want account) {
	s.t.Helper()
	got, _ := s.account()
	if diff := cmp.Diff(want, got); diff != "" {
		s.t.Errorf("(-undisturbed +got):\n%s", diff)
	}
	s.whole()
	report, err := s.open(nil).Verify(context.Background(), nil)
	must(s.t, err)
	if len(report.Findings) > 0 {
		s.t.Errorf("verify: %v", report.Findings)
	}
}

// between checks that every ring's tag is as before an operation or as after it.
func (s *server) between(before, after account) {
	s.t.Helper()
	s.whole()
	tags := s.tags()["deploy"]
	for _, ring := range fiveRings {
		if got := tags[ring]; got != before.Tags["deploy"][ring] && got != after.Tags["deploy"][ring] {
			s.t.Errorf("ring %s names %s", ring, got)
		}
	}
}

// truthful checks what an operation's end says against how often it is in the log
// when another command has completed what was to be completed.
func truthful(t *testing.T, err error, inLog int) {
	t.Helper()
	unknown := new(UnknownError)
	least, most := 0, 0
	switch {
	case err == nil:
		least, most = 1, 1
	case errors.As(err, &unknown):
		most = 1
		if unknown.Record > 0 {
			least = 1
		}
	case !strings.Contains(err.Error(), "(nothing was moved)"):
		t.Errorf("it does not say what became of it: %v", err)
	}
	if inLog < least || inLog > most {
		t.Errorf("it is %d times in the log, and says: %v", inLog, err)
	}
}

// meanwhile does something before the nth request of a process.
type meanwhile struct {
	inner http.RoundTripper
	left  int
	do    func()
}

func (b *meanwhile) RoundTrip(r *http.Request) (*http.Response, error) {
	if b.left == 0 {
		b.do()
	}
	b.left--
	return b.inner.RoundTrip(r)
}

// isWrite reports whether a request may change something.
func isWrite(r *http.Request) bool { return r.Method != http.MethodGet && r.Method != http.MethodHead }
