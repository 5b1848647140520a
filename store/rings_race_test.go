package store_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/quoitbuild/quoit/internal/dose"
	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/store/storetest"
	"github.com/quoitbuild/quoit/versioning"
)

// rival is what somebody does in the middle of another's operation. What needs a
// plan is planned before that.
type rival struct {
	name string
	plan func(s *server) action
}

// action says whether it has anything done.
type action func(p *store.Project) (done bool, err error)

var rivals = []rival{
	movings[0].rival(), movings[1].rival(), movings[3].rival(), moving{name: records.OpHold, do: another}.rival(),
	{"publish", func(s *server) action {
		publication := s.Next(storetest.With(storetest.First, storetest.Shop{"mail": 50}), "developers")
		publication.Author.Actor = "rival"
		return func(p *store.Project) (bool, error) {
			outcome, err := p.Publish(context.Background(), publication)
			return outcome.Done, err
		}
	}},
}

func (at moving) rival() rival {
	return rival{at.name, func(*server) action {
		return func(p *store.Project) (bool, error) {
			outcome, err := at.do(p, by("rival"))
			return outcome.Record > 0, err
		}
	}}
}

// TestTwoOperationsInterleaved lets a whole operation run before each request of
// another one. Both together have to be as if they were done in turn, as the log
// says, and each says whether it is in the log.
func TestTwoOperationsInterleaved(t *testing.T) {
	t.Parallel()
	for _, at := range movings {
		for i, other := range rivals {
			if os.Getenv("QUOIT_TEST_LONG") == "" && at.name != records.OpShift && other.name != records.OpShift {
				continue
			}
			in := &interleaving{at: at, other: other, want: map[string]account{}}
			requests := len(in.requests(t))
			for n := range requests {
				if (n+i)%dose.Of(16, 1, 1) != 0 {
					continue
				}
				t.Run(fmt.Sprintf("%s before request %d of %s", other.name, n, at.name), func(t *testing.T) { in.run(t, n) })
			}
			if in.runs == requests && in.overtaken == 0 {
				t.Errorf("%s and %s never met", other.name, at.name)
			}
		}
	}
}

type interleaving struct {
	at    moving
	other rival
	want  map[string]account // by who is in the log in which order
	// overtaken is in how many of the runs the other one came between plan and record.
	overtaken, runs int
}

// prepare makes the server before both operations.
func (in *interleaving) prepare(t *testing.T) (s *server, other action) {
	s = newServer(t)
	in.at.prepare(s)
	if in.at.name == records.OpShift && in.other.name == records.OpUnshift {
		s.Shift() // one that it undoes
	}
	other = in.other.plan(s)
	s.Requests()
	return s, other
}

func (in *interleaving) requests(t *testing.T) []string {
	s, _ := in.prepare(t)
	_, err := in.at.do(s.Open(func(o *registry.Options) { o.Jobs = 1 }), by("ann"))
	must(t, err)
	return s.Requests()
}

func (in *interleaving) run(t *testing.T, n int) {
	in.runs++
	s, other := in.prepare(t)
	count, planned, between := s.decided(), false, false
	ends := map[string]end{}
	transport := &meanwhile{inner: &http.Transport{}, left: n, do: func() {
		if between = planned && s.decided() == count; between {
			in.overtaken++
		}
		done, err := other(s.Open(nil))
		ends["rival"] = end{done, err}
	}}
	options := by("first")
	options.Before = func(context.Context, store.RingOutcome) ([]records.Gate, error) {
		planned = true
		return nil, nil
	}
	outcome, err := in.at.do(s.Open(func(o *registry.Options) { o.Transport, o.Jobs = transport, 1 }), options)
	ends["first"] = end{outcome.Record > 0, err}
	_, is := s.account()
	for actor, end := range ends {
		if inLog := end.done && end.err == nil; is[actor] > 1 || inLog != (is[actor] == 1) || end.err != nil && !late(end.err) {
			t.Errorf("%s is %d times in the log, and says: %v", actor, is[actor], end.err)
		}
	}
	if exclusive := in.at.name == records.OpShift && in.other.name != records.OpHold; exclusive && between && is["first"]+is["rival"] != 1 {
		t.Errorf("%v are in the log, and just one can have been made for the table", is)
	}
	s.sound(in.inTurn(t, s.authors()))
}

// end is how an operation ended.
type end struct {
	done bool
	err  error
}

// late reports whether an error says that others were faster.
func late(err error) bool {
	var overtaken *store.OvertakenError
	var moved *store.MovedError
	var held *versioning.HeldError
	return errors.As(err, &overtaken) || errors.As(err, &moved) || errors.As(err, &held)
}

// inTurn is what comes of the operations that are in the log, one after the other.
func (in *interleaving) inTurn(t *testing.T, order []string) account {
	t.Helper()
	key := strings.Join(order, " ")
	if want, known := in.want[key]; known {
		return want
	}
	s, other := in.prepare(t)
	for _, actor := range order {
		switch actor {
		case "first":
			_, err := in.at.do(s.Open(nil), by("first"))
			must(t, err)
		case "rival":
			_, err := other(s.Open(nil))
			must(t, err)
		}
	}
	in.want[key], _ = s.account()
	return in.want[key]
}

// authors are the actors of the log's records, oldest first.
func (s *server) authors() []string {
	s.T.Helper()
	history, err := s.Open(nil).History(context.Background(), 1000)
	must(s.T, err)
	var order []string
	for _, sealed := range slices.Backward(history) {
		order = append(order, sealed.Record.Actor)
	}
	return order
}

// decided is how many records there are.
func (s *server) decided() int {
	n := 0
	for tag := range s.EveryTag()[records.Repository] {
		if name, ok := records.ParseName(tag); ok && name.Mark == records.Decided {
			n++
		}
	}
	return n
}
