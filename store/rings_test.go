package store

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/versioning"
)

func ringOptions() RingOptions {
	return RingOptions{Root: "deploy", Rings: fiveRings, Author: Author{Actor: "ann"}}
}

// shift shifts everything, and has to succeed.
func (s *server) shift() RingOutcome {
	s.t.Helper()
	outcome, err := s.open(nil).Shift(context.Background(), ringOptions(), versioning.ShiftRequest{})
	must(s.t, err)
	return outcome
}

func versionOf(text string) versioning.Version {
	version, err := versioning.Parse(text)
	if err != nil {
		panic(err) // a mistake in the test
	}
	return version
}

// holds are the versions that the rings' tags name, in order; - for none.
func (s *server) holds() string {
	s.t.Helper()
	var all []string
	for _, ring := range fiveRings {
		placed, err := s.open(nil).Ring(context.Background(), "deploy", ring)
		must(s.t, err)
		if placed == nil {
			all = append(all, "-")
		} else {
			all = append(all, placed.Release.Version().String())
		}
	}
	return strings.Join(all, " ")
}

// steps publishes n releases into the first ring, and shifts after each.
func (s *server) steps(n int) {
	s.t.Helper()
	s.release(firstShop, "developers")
	for i := range n {
		s.shift()
		s.release(with(firstShop, shop{"mail": i + 2}), "developers")
	}
}

func (s *server) wantHolds(want string) {
	s.t.Helper()
	if got := s.holds(); got != want {
		s.t.Errorf("ante, developers, testers, users, post hold %s, want %s", got, want)
	}
	s.whole()
}

func TestShiftsMoveReleasesOutward(t *testing.T) {
	s := newServer(t)
	s.steps(3)
	s.wantHolds("- 0.4.0 0.3.0 0.2.0 0.1.0")
	s.requests()
	outcome := s.shift()
	requests := s.requests()
	if most := 3*4 + 15; len(requests) > most {
		t.Errorf("%d requests for four rings, at most %d wanted: %q", len(requests), most, requests)
	}
	for _, request := range requests {
		if strings.Contains(request, "blob") && !strings.Contains(request, " records ") {
			t.Errorf("a shift asks %s", request)
		}
	}
	s.wantHolds("- 0.4.0 0.4.0 0.3.0 0.2.0")
	want := `RING     FROM   TO     CHANGES
testers  0.3.0  0.4.0  deploy 0.3.0 → 0.4.0, mail 0.3.0 → 0.4.0
users    0.2.0  0.3.0  deploy 0.2.0 → 0.3.0, mail 0.2.0 → 0.3.0
post     0.1.0  0.2.0  deploy 0.1.0 → 0.2.0, mail 0.1.0 → 0.2.0
`
	if diff := cmp.Diff(want, outcome.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	s.shift()
	s.shift()
	if outcome := s.shift(); outcome.Record != 0 || outcome.String() != "nothing to do\n" {
		t.Errorf("when every ring has it: %+v", outcome)
	}
}

func TestUnshiftGivesBackAndHolds(t *testing.T) {
	s := newServer(t)
	s.steps(2)
	before := s.holds()
	s.shift()
	outcome, err := s.open(nil).Unshift(context.Background(), ringOptions(), nil)
	must(t, err)
	s.wantHolds(before)
	text := moment.ReplaceAllString(outcome.String(), "NOW")
	want := `RING     FROM   TO     CHANGES
testers  0.3.0  0.2.0  deploy 0.3.0 → 0.2.0, mail 0.3.0 → 0.2.0
users    0.2.0  0.1.0  deploy 0.2.0 → 0.1.0, mail 0.2.0 → 0.1.0
post     0.1.0  -      6 images
undone: the shift by ann at NOW (record 6)
held: testers, users, post, the shift of record 6 was undone: end it with ` + "`quoit unhold testers users post`" + `
`
	if diff := cmp.Diff(want, text); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := s.everyTag()["deploy"]["post"]; got != records.Nothing().Digest {
		t.Errorf("the emptied ring's tag is %s", got)
	}
	_, err = s.open(nil).Shift(context.Background(), ringOptions(), versioning.ShiftRequest{})
	var held *versioning.HeldError
	if !errors.As(err, &held) || !strings.Contains(err.Error(), "(nothing was moved)") {
		t.Errorf("a shift of held rings: %v", err)
	}
	_, err = s.open(nil).Unhold(context.Background(), ringOptions(), []string{"testers", "users", "post"})
	must(t, err)
	s.shift()
	s.wantHolds("- 0.3.0 0.3.0 0.2.0 0.1.0")
	for range 3 { // those below, newest first
		_, err = s.open(nil).Unshift(context.Background(), ringOptions(), nil)
		must(t, err)
	}
	s.wantHolds("- 0.3.0 - - -")
	_, err = s.open(nil).Unshift(context.Background(), ringOptions(), nil)
	if err == nil || !strings.Contains(err.Error(), "there is no shift to undo") {
		t.Errorf("error %v", err)
	}
	s.release(with(firstShop, shop{"mail": 9}), "testers") // an emptied ring is an empty one
	s.wantHolds("- 0.3.0 0.3.1 - -")
}

func TestUnshiftLeavesOtherHoldsAlone(t *testing.T) {
	s := newServer(t)
	s.steps(2)
	s.shift()
	_, err := s.open(nil).Hold(context.Background(), ringOptions(), "testers", "an audit")
	must(t, err)
	outcome, err := s.open(nil).Unshift(context.Background(), ringOptions(), []string{"users"})
	must(t, err)
	want := []HeldRing{{"testers", "an audit"}, {"users", "the shift of record 6 was undone"}}
	if diff := cmp.Diff(want, outcome.Held); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestADryRunSaysTheSameAndWritesNothing(t *testing.T) {
	s := newServer(t)
	s.steps(2)
	for _, test := range []struct {
		name      string
		operation func(*Project, RingOptions) (RingOutcome, error)
	}{
		{"shift", func(p *Project, o RingOptions) (RingOutcome, error) {
			return p.Shift(context.Background(), o, versioning.ShiftRequest{To: "users"})
		}},
		{"unshift", func(p *Project, o RingOptions) (RingOutcome, error) {
			return p.Unshift(context.Background(), o, []string{"users"})
		}},
		{"hold", func(p *Project, o RingOptions) (RingOutcome, error) {
			return p.Hold(context.Background(), o, "developers", "an audit")
		}},
		{"set", func(p *Project, o RingOptions) (RingOutcome, error) {
			return p.Set(context.Background(), o, "ante", versionOf("0.2.0"), false)
		}},
		{"unhold", func(p *Project, o RingOptions) (RingOutcome, error) {
			return p.Unhold(context.Background(), o, []string{"developers"})
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s.requests()
			options := ringOptions()
			options.DryRun = true
			dry, err := test.operation(s.open(nil), options)
			must(t, err)
			for _, request := range s.requests() {
				if !strings.HasPrefix(request, "GET ") && !strings.HasPrefix(request, "HEAD ") {
					t.Errorf("a dry run asks %s", request)
				}
			}
			real, err := test.operation(s.open(nil), ringOptions())
			must(t, err)
			if diff := cmp.Diff(string(jsonOf(t, dry)), string(jsonOf(t, real))); diff != "" {
				t.Errorf("(-dry +real):\n%s", diff)
			}
			if dry.Record != 0 || real.Record == 0 {
				t.Errorf("records %d and %d", dry.Record, real.Record)
			}
		})
	}
}

func TestAHotfixIsNotLost(t *testing.T) {
	s := newServer(t)
	s.steps(2)
	s.release(with(firstShop, shop{"mail": 77}), "users")
	before := s.holds()
	_, err := s.open(nil).Shift(context.Background(), ringOptions(), versioning.ShiftRequest{})
	want := "shift of acme/shop: users holds 0.1.1, and 0.2.0 does not descend from it: give it up with --discard users, or contain it in a new build with quoit build --merge users (nothing was moved)"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	s.wantHolds(before)
	outcome, err := s.open(nil).Shift(context.Background(), ringOptions(), versioning.ShiftRequest{Discard: []string{"users"}})
	must(t, err)
	s.wantHolds("- 0.3.0 0.3.0 0.2.0 0.1.1")
	if len(outcome.Dropped) != 0 { // post has it
		t.Errorf("dropped %v", outcome.Dropped)
	}
	_, err = s.open(nil).Set(context.Background(), ringOptions(), "users", versionOf("0.1.0"), false)
	if discard := new(versioning.DiscardError); !errors.As(err, &discard) {
		t.Errorf("set back: %v", err)
	}
	outcome, err = s.open(nil).Set(context.Background(), ringOptions(), "post", versionOf("0.1.0"), true)
	must(t, err)
	s.wantHolds("- 0.3.0 0.3.0 0.2.0 0.1.0")
	if len(outcome.Dropped) != 1 || outcome.Dropped[0].Version != versionOf("0.1.1") || !strings.Contains(outcome.String(), "dropped: 0.1.1 is in no ring any more") {
		t.Errorf("outcome %s", outcome)
	}
	_, err = s.open(nil).Set(context.Background(), ringOptions(), "post", versionOf("7.0.0"), false)
	if err == nil || !strings.Contains(err.Error(), "the log has no release 7.0.0 of deploy") {
		t.Errorf("error %v", err)
	}
}

func TestTwoShiftsAtOnce(t *testing.T) {
	s := newServer(t)
	s.steps(2)
	var begun atomic.Bool
	s.setFault(func(_ int, _ http.ResponseWriter, request *http.Request) bool {
		name, ok := records.ParseName(request.URL.Path[strings.LastIndex(request.URL.Path, "/")+1:])
		if request.Method == http.MethodPut && ok && name.Mark == records.Try && begun.CompareAndSwap(false, true) {
			s.shift()
		}
		return false
	})
	_, err := s.open(nil).Shift(context.Background(), ringOptions(), versioning.ShiftRequest{})
	s.setFault(nil)
	var overtaken *OvertakenError
	if !errors.As(err, &overtaken) || !strings.Contains(err.Error(), "there was a shift by ann at ") || !strings.Contains(err.Error(), "(nothing was moved)") {
		t.Errorf("error %v", err)
	}
	s.wantHolds("- 0.3.0 0.3.0 0.2.0 0.1.0")
}

func TestAShiftOfAProjectWithoutALog(t *testing.T) {
	s := newServer(t)
	s.older("developers")
	options := ringOptions()
	options.DryRun = true
	dry, err := s.open(nil).Shift(context.Background(), options, versioning.ShiftRequest{})
	must(t, err)
	real := s.shift()
	if diff := cmp.Diff(string(jsonOf(t, dry)), string(jsonOf(t, real))); diff != "" || len(real.Changes) != 1 {
		t.Errorf("(-dry +real):\n%s", diff)
	}
	s.wantHolds("- 0.1.0 0.1.0 - -")
}

func TestWhatIsAskedBeforeAShift(t *testing.T) {
	s := newServer(t)
	s.steps(1)
	options := ringOptions()
	options.Before = func(_ context.Context, outcome RingOutcome) ([]records.Gate, error) {
		return nil, fmt.Errorf("the gate of %s is closed", outcome.Changes[0].Ring)
	}
	before := s.everyTag()
	_, err := s.open(nil).Shift(context.Background(), options, versioning.ShiftRequest{})
	if err == nil || err.Error() != "shift of acme/shop: the gate of testers is closed (nothing was moved)" {
		t.Errorf("error %v", err)
	}
	if diff := cmp.Diff(before, s.everyTag()); diff != "" {
		t.Errorf("(-before +after):\n%s", diff)
	}
	gate := records.Gate{Ring: "testers", Image: "mail", Digest: s.ring("developers").Digest, Passed: true}
	options.Before = func(context.Context, RingOutcome) ([]records.Gate, error) { return []records.Gate{gate}, nil }
	_, err = s.open(nil).Shift(context.Background(), options, versioning.ShiftRequest{})
	must(t, err)
	history, err := s.open(nil).History(context.Background(), 1)
	must(t, err)
	if diff := cmp.Diff([]records.Gate{gate}, history[0].Record.Gates); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
