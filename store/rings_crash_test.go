package store_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/quoitbuild/quoit/internal/dose"
	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/registry/registrytest"
	"github.com/quoitbuild/quoit/store"
)

// outcomes are the accounts of an operation that was done never, once and twice, of
// which the second may say why not, and of another one after it.
type outcomes struct {
	times   [3]account
	another [2]account
	second  error
}

func (at moving) expected(t *testing.T) (want outcomes) {
	t.Helper()
	want.times[0], _ = at.undisturbed(t)
	want.times[1], _ = at.undisturbed(t, at.do)
	want.times[2], want.second = at.undisturbed(t, at.do, at.do)
	want.another[0], _ = at.undisturbed(t, another)
	want.another[1], _ = at.undisturbed(t, at.do, another)
	return want
}

// another operation, which always has something to do.
var another = hold("ante")

// forEveryWrite runs a test for every operation on rings and each of its writes;
// for every request if there is time.
func forEveryWrite(t *testing.T, test func(t *testing.T, at moving, n int, counts func(*http.Request) bool, want outcomes)) {
	for i, at := range movings {
		want, counts, points := at.expected(t), isWrite, 0
		if os.Getenv("QUOIT_TEST_LONG") == "1" {
			counts = nil
		}
		for _, request := range at.requests(t) {
			if method, _, _ := strings.Cut(request, " "); counts == nil || method != http.MethodGet && method != http.MethodHead {
				points++
			}
		}
		for n := i % dose.Of(4, 1, 1); n < points; n += dose.Of(4, 1, 1) {
			t.Run(fmt.Sprintf("%s, at %d of %d", at.name, n, points), func(t *testing.T) {
				t.Parallel()
				test(t, at, n, counts, want)
			})
		}
	}
}

// nexts says whether what comes next is the same operation; if there is time,
// both are tried at every point.
func nexts(n int, second bool) []bool {
	if os.Getenv("QUOIT_TEST_LONG") == "1" {
		return []bool{true, false}
	}
	return []bool{n%2 == 0 != second}
}

func TestEveryCrashOnRings(t *testing.T) {
	forEveryWrite(t, func(t *testing.T, at moving, n int, counts func(*http.Request) bool, want outcomes) {
		for _, done := range []bool{false, true} {
			for _, again := range nexts(n, done) {
				at.crash(t, &registrytest.Mortal{Left: n, After: done, Counts: counts}, want, again)
			}
		}
	})
}

// crash dies in an operation, and does the same again or another one.
func (at moving) crash(t *testing.T, m *registrytest.Mortal, want outcomes, again bool) {
	t.Helper()
	s := newServer(t)
	at.prepare(s)
	m.Inner = &http.Transport{}
	_, err := at.do(s.Open(func(o *registry.Options) { o.Transport = m }), by("dying"))
	if !m.Dead {
		t.Fatal("it did not die")
	}
	s.resumed(at, want, err, again)
}

// resumed does an operation again, or another one, after one that ended with err.
func (s *server) resumed(at moving, want outcomes, err error, again bool) {
	s.T.Helper()
	s.between(want.times[0], want.times[1])
	_, was := s.account()
	next, accounts := another, want.another[:]
	if again {
		next, accounts = at.do, want.times[:]
	}
	_, followed := next(s.Open(nil), by("next"))
	_, is := s.account()
	if is["dying"] < was["dying"] {
		s.T.Error("what was in the log is there no more")
	}
	truthful(s.T, err, is["dying"])
	runs := is["dying"]
	if again {
		runs += is["next"]
		s.again(want, is, followed)
	} else if followed != nil {
		s.T.Errorf("the next command: %v", followed)
	}
	s.sound(accounts[runs])
}

// again checks what an operation said that was done after one that died.
func (s *server) again(want outcomes, is map[string]int, err error) {
	s.T.Helper()
	overtaken := new(store.OvertakenError)
	switch {
	case errors.As(err, &overtaken): // it has completed the other one itself
		if is["dying"] != 1 || is["next"] != 0 || overtaken.Record.Actor != "dying" {
			s.T.Errorf("it is in the log %v, and says %v", is, err)
		}
	case is["dying"] == 0:
		if err != nil || is["next"] != 1 {
			s.T.Errorf("it is in the log %v, and says %v", is, err)
		}
	case said(err) != said(want.second):
		s.T.Errorf("got  %v\nwant %v", err, want.second)
	}
}

func said(err error) string {
	if err == nil {
		return ""
	}
	return moment.ReplaceAllString(err.Error(), "NOW")
}

// The answer of a write is lost, or those of all writes from then on. They are
// carried out.
func TestEveryLostAnswerOnRings(t *testing.T) {
	forEveryWrite(t, func(t *testing.T, at moving, n int, counts func(*http.Request) bool, want outcomes) {
		for _, stays := range []bool{false, true} {
			for _, again := range nexts(n, stays) {
				s := newServer(t)
				at.prepare(s)
				lost := &lossy{inner: &http.Transport{}, left: n, stays: stays, counts: counts}
				_, err := at.do(s.Open(func(o *registry.Options) { o.Transport = lost }), by("dying"))
				if _, is := s.account(); !stays && (err != nil || is["dying"] != 1) {
					t.Errorf("one answer is lost: %v, and it is %d times in the log", err, is["dying"])
				}
				s.resumed(at, want, err, again)
			}
		}
	})
}

// errLost is what a process sees of an answer that is lost.
var errLost = errors.New("connection reset by peer")

// lossy is a transport that loses the nth answer, or all from then on.
type lossy struct {
	inner  http.RoundTripper
	left   int
	stays  bool
	counts func(*http.Request) bool // nil: all
}

func (l *lossy) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := l.inner.RoundTrip(r)
	if err != nil || l.counts != nil && !l.counts(r) {
		return response, err
	}
	if l.left--; l.left == -1 || l.stays && l.left < 0 {
		response.Body.Close()
		return nil, errLost
	}
	return response, nil
}
