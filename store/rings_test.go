package store_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/store/storetest"
	"github.com/quoitbuild/quoit/store/verify"
	"github.com/quoitbuild/quoit/versioning"
)

func (s *server) wantHolds(want string) {
	s.T.Helper()
	if got := s.Holds(); got != want {
		s.T.Errorf("ante, developers, testers, users, post hold %s, want %s", got, want)
	}
	s.Whole()
}

func TestShiftsMoveReleasesOutward(t *testing.T) {
	s := newServer(t)
	s.Steps(3)
	s.wantHolds("- 0.4.0 0.3.0 0.2.0 0.1.0")
	s.Requests()
	outcome := s.Shift()
	requests := s.Requests()
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
	s.Shift()
	s.Shift()
	if outcome := s.Shift(); outcome.Record != 0 || outcome.String() != "nothing to do\n" {
		t.Errorf("when every ring has it: %+v", outcome)
	}
}

func TestUnshiftGivesBackAndHolds(t *testing.T) {
	s := newServer(t)
	s.Steps(2)
	before := s.Holds()
	s.Shift()
	outcome, err := s.Open(nil).Unshift(context.Background(), storetest.RingOptions(), nil)
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
	if got := s.EveryTag()["deploy"]["post"]; got != records.Nothing().Digest {
		t.Errorf("the emptied ring's tag is %s", got)
	}
	_, err = s.Open(nil).Shift(context.Background(), storetest.RingOptions(), versioning.ShiftRequest{})
	var held *versioning.HeldError
	if !errors.As(err, &held) || !strings.Contains(err.Error(), "(nothing was written)") {
		t.Errorf("a shift of held rings: %v", err)
	}
	_, err = s.Open(nil).Unhold(context.Background(), storetest.RingOptions(), []string{"testers", "users", "post"})
	must(t, err)
	s.Shift()
	s.wantHolds("- 0.3.0 0.3.0 0.2.0 0.1.0")
	for range 3 { // those below, newest first
		_, err = s.Open(nil).Unshift(context.Background(), storetest.RingOptions(), nil)
		must(t, err)
	}
	s.wantHolds("- 0.3.0 - - -")
	_, err = s.Open(nil).Unshift(context.Background(), storetest.RingOptions(), nil)
	if err == nil || !strings.Contains(err.Error(), "there is no shift to undo") {
		t.Errorf("error %v", err)
	}
	s.Release(storetest.With(storetest.First, storetest.Shop{"mail": 9}), "testers") // an emptied ring is an empty one
	s.wantHolds("- 0.3.0 0.3.1 - -")
}

// TestARingThatAnEarlierCommandEmptied: what its tag names then counts as nothing, and
// stays until the ring has something.
func TestARingThatAnEarlierCommandEmptied(t *testing.T) {
	const old = `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","artifactType":"application/vnd.quoit.empty.v1+json",` +
		`"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"%s","size":%d},"layers":[]}`
	s := newServer(t)
	s.Steps(2)
	s.Shift()
	_, err := s.Open(nil).Unshift(context.Background(), storetest.RingOptions(), nil)
	must(t, err)
	config := records.MirrorConfig()
	manifest := registry.NewManifest(records.ManifestType, fmt.Appendf(nil, old, registry.DigestOf(config), len(config)))
	if !records.IsNothing(manifest.Digest) || manifest.Digest == records.Nothing().Digest {
		t.Fatalf("the digest is %s", manifest.Digest)
	}
	deploy := s.At(nil).Writable("deploy")
	_, err = deploy.Upload(context.Background(), registry.BlobOf(config), "", registry.Bytes(config))
	must(t, err)
	_, err = deploy.Replace(context.Background(), "post", records.Nothing().Digest, manifest)
	must(t, err)
	_, err = s.Open(nil).Unhold(context.Background(), storetest.RingOptions(), []string{"testers", "users", "post"})
	must(t, err)
	if got := s.EveryTag()["deploy"]["post"]; got != manifest.Digest {
		t.Errorf("the tag was moved to %s", got)
	}
	report, err := verify.Verify(context.Background(), s.Open(nil), nil)
	must(t, err)
	if len(report.Findings) > 0 {
		t.Errorf("findings: %v", report.Findings)
	}
	s.Shift()
	s.wantHolds("- 0.3.0 0.3.0 0.2.0 0.1.0")
}

func TestUnshiftLeavesOtherHoldsAlone(t *testing.T) {
	s := newServer(t)
	s.Steps(2)
	s.Shift()
	_, err := s.Open(nil).Hold(context.Background(), storetest.RingOptions(), "testers", "an audit")
	must(t, err)
	outcome, err := s.Open(nil).Unshift(context.Background(), storetest.RingOptions(), []string{"users"})
	must(t, err)
	want := []store.HeldRing{{"testers", "an audit"}, {"users", "the shift of record 6 was undone"}}
	if diff := cmp.Diff(want, outcome.Held); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestADryRunSaysTheSameAndWritesNothing(t *testing.T) {
	s := newServer(t)
	s.Steps(2)
	for _, test := range []struct {
		name      string
		operation func(*store.Project, store.RingOptions) (store.RingOutcome, error)
	}{
		{"shift", func(p *store.Project, o store.RingOptions) (store.RingOutcome, error) {
			return p.Shift(context.Background(), o, versioning.ShiftRequest{To: "users"})
		}},
		{"unshift", func(p *store.Project, o store.RingOptions) (store.RingOutcome, error) {
			return p.Unshift(context.Background(), o, []string{"users"})
		}},
		{"hold", func(p *store.Project, o store.RingOptions) (store.RingOutcome, error) {
			return p.Hold(context.Background(), o, "developers", "an audit")
		}},
		{"set", func(p *store.Project, o store.RingOptions) (store.RingOutcome, error) {
			return p.Set(context.Background(), o, "ante", storetest.VersionOf("0.2.0"), false)
		}},
		{"unhold", func(p *store.Project, o store.RingOptions) (store.RingOutcome, error) {
			return p.Unhold(context.Background(), o, []string{"developers"})
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s.Requests()
			options := storetest.RingOptions()
			options.DryRun = true
			dry, err := test.operation(s.Open(nil), options)
			must(t, err)
			for _, request := range s.Requests() {
				if !strings.HasPrefix(request, "GET ") && !strings.HasPrefix(request, "HEAD ") {
					t.Errorf("a dry run asks %s", request)
				}
			}
			real, err := test.operation(s.Open(nil), storetest.RingOptions())
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
	s.Steps(2)
	s.Release(storetest.With(storetest.First, storetest.Shop{"mail": 77}), "users")
	before := s.Holds()
	_, err := s.Open(nil).Shift(context.Background(), storetest.RingOptions(), versioning.ShiftRequest{})
	want := "shift of acme/shop: users has 0.1.1, and 0.2.0 does not descend from it: give it up with --discard users, or contain it in a new build with quoit build --merge users (nothing was written)"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	s.wantHolds(before)
	outcome, err := s.Open(nil).Shift(context.Background(), storetest.RingOptions(), versioning.ShiftRequest{Discard: []string{"users"}})
	must(t, err)
	s.wantHolds("- 0.3.0 0.3.0 0.2.0 0.1.1")
	if len(outcome.Dropped) != 0 { // post has it
		t.Errorf("dropped %v", outcome.Dropped)
	}
	_, err = s.Open(nil).Set(context.Background(), storetest.RingOptions(), "users", storetest.VersionOf("0.1.0"), false)
	if discard := new(versioning.DiscardError); !errors.As(err, &discard) {
		t.Errorf("set back: %v", err)
	}
	outcome, err = s.Open(nil).Set(context.Background(), storetest.RingOptions(), "post", storetest.VersionOf("0.1.0"), true)
	must(t, err)
	s.wantHolds("- 0.3.0 0.3.0 0.2.0 0.1.0")
	if len(outcome.Dropped) != 1 || outcome.Dropped[0].Version != storetest.VersionOf("0.1.1") || !strings.Contains(outcome.String(), "dropped: 0.1.1 is no longer in any ring") {
		t.Errorf("outcome %s", outcome)
	}
	_, err = s.Open(nil).Set(context.Background(), storetest.RingOptions(), "post", storetest.VersionOf("7.0.0"), false)
	if err == nil || !strings.Contains(err.Error(), "the log has no release 7.0.0 of deploy") {
		t.Errorf("error %v", err)
	}
}

func TestTwoShiftsAtOnce(t *testing.T) {
	s := newServer(t)
	s.Steps(2)
	var begun atomic.Bool
	s.SetFault(func(_ int, _ http.ResponseWriter, request *http.Request) bool {
		name, ok := records.ParseName(request.URL.Path[strings.LastIndex(request.URL.Path, "/")+1:])
		if request.Method == http.MethodPut && ok && name.Mark == records.Try && begun.CompareAndSwap(false, true) {
			s.Shift()
		}
		return false
	})
	_, err := s.Open(nil).Shift(context.Background(), storetest.RingOptions(), versioning.ShiftRequest{})
	s.SetFault(nil)
	var overtaken *store.OvertakenError
	if !errors.As(err, &overtaken) || !strings.Contains(err.Error(), "there was a shift by ann at ") || !strings.Contains(err.Error(), "(nothing was written)") {
		t.Errorf("error %v", err)
	}
	s.wantHolds("- 0.3.0 0.3.0 0.2.0 0.1.0")
}

func TestAShiftOfAProjectWithoutALog(t *testing.T) {
	s := newServer(t)
	s.Older("developers")
	options := storetest.RingOptions()
	for _, options.DryRun = range []bool{true, false} {
		_, err := s.Open(nil).Shift(context.Background(), options, versioning.ShiftRequest{})
		wantUntaken(t, err, "developers")
	}
	if tags := s.EveryTag()[records.Repository]; len(tags) > 0 {
		t.Errorf("the log has %v", tags)
	}
	s.TakeOver("developers")
	s.Shift()
	s.wantHolds("- 0.1.0 0.1.0 - -")
}

func TestWhatIsAskedBeforeAShift(t *testing.T) {
	s := newServer(t)
	s.Steps(1)
	options := storetest.RingOptions()
	options.Before = func(_ context.Context, outcome store.RingOutcome) ([]records.Gate, error) {
		return nil, fmt.Errorf("the gate of %s is closed", outcome.Changes[0].Ring)
	}
	before := s.EveryTag()
	_, err := s.Open(nil).Shift(context.Background(), options, versioning.ShiftRequest{})
	if err == nil || err.Error() != "shift of acme/shop: the gate of testers is closed (nothing was written)" {
		t.Errorf("error %v", err)
	}
	if diff := cmp.Diff(before, s.EveryTag()); diff != "" {
		t.Errorf("(-before +after):\n%s", diff)
	}
	gate := records.Gate{Ring: "testers", Image: "mail", Digest: s.Ring("developers").Digest, Passed: true}
	options.Before = func(context.Context, store.RingOutcome) ([]records.Gate, error) { return []records.Gate{gate}, nil }
	_, err = s.Open(nil).Shift(context.Background(), options, versioning.ShiftRequest{})
	must(t, err)
	history, err := s.Open(nil).History(context.Background(), 1)
	must(t, err)
	if diff := cmp.Diff([]records.Gate{gate}, history[0].Record.Gates); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestADryRunOfASetInAProjectWithoutALog(t *testing.T) {
	s := newServer(t)
	s.Older("developers")
	options, version := storetest.RingOptions(), versioning.Version{Minor: 1}
	options.DryRun = true
	_, err := s.Open(nil).Set(context.Background(), options, "users", version, false)
	wantUntaken(t, err, "developers")
	s.TakeOver("developers")
	dry, err := s.Open(nil).Set(context.Background(), options, "users", version, false)
	must(t, err)
	options.DryRun = false
	real, err := s.Open(nil).Set(context.Background(), options, "users", version, false)
	must(t, err)
	if diff := cmp.Diff(string(jsonOf(t, dry)), string(jsonOf(t, real))); diff != "" || len(real.Changes) != 1 {
		t.Errorf("(-dry +real):\n%s", diff)
	}
}
