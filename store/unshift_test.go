package store_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/quoitbuild/quoit/registry/registrytest"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/store/storetest"
	"github.com/quoitbuild/quoit/versioning"
)

// spread has two releases, and 0.2.0 in every ring: records 2, 4, 5 and 6 are shifts, of
// which the last moved post only, and each one before also the ring before.
func spread(t *testing.T) *server {
	t.Helper()
	s := newServer(t)
	s.Release(storetest.First, "developers")
	s.Shift()
	s.Release(storetest.With(storetest.First, storetest.Shop{"mail": 2}), "developers")
	for range 3 {
		s.Shift()
	}
	s.wantHolds("- 0.2.0 0.2.0 0.2.0 0.2.0")
	return s
}

func (s *server) unshift(rings ...string) (store.RingOutcome, error) {
	return s.Open(nil).Unshift(context.Background(), storetest.RingOptions(), rings)
}

func undoneText(outcome store.RingOutcome) string {
	var all []string
	for line := range strings.Lines(moment.ReplaceAllString(outcome.String(), "NOW")) {
		if strings.HasPrefix(line, "undone") {
			all = append(all, strings.TrimSpace(line))
		}
	}
	return strings.Join(all, "\n")
}

func TestUnshiftMeansTheRingThatIsNamed(t *testing.T) {
	for rings, want := range map[string]struct{ holds, undone string }{
		"users":              {"- 0.2.0 0.2.0 0.1.0 0.2.0", "undone: the shift by ann at NOW (record 5)"},
		"post":               {"- 0.2.0 0.2.0 0.2.0 0.1.0", "undone: the shift by ann at NOW (record 6)"},
		"":                   {"- 0.2.0 0.2.0 0.2.0 0.1.0", "undone: the shift by ann at NOW (record 6)"},
		"post users":         {"- 0.2.0 0.2.0 0.1.0 0.1.0", "undone in post: the shift by ann at NOW (record 6)\nundone in users: the shift by ann at NOW (record 5)"},
		"testers":            {"- 0.2.0 0.1.0 0.2.0 0.2.0", "undone: the shift by ann at NOW (record 4)"},
		"users testers post": {"- 0.2.0 0.1.0 0.1.0 0.1.0", "undone in post: the shift by ann at NOW (record 6)\nundone in users: the shift by ann at NOW (record 5)\nundone in testers: the shift by ann at NOW (record 4)"},
	} {
		t.Run(rings, func(t *testing.T) {
			s := spread(t)
			outcome, err := s.unshift(strings.Fields(rings)...)
			must(t, err)
			s.wantHolds(want.holds)
			if diff := cmp.Diff(want.undone, undoneText(outcome)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			state, err := s.Open(nil).State(context.Background())
			must(t, err)
			held := state.Newest.Record.Holds
			if changed := len(outcome.Changes); len(held) != changed || changed == 0 || rings != "" && changed != len(strings.Fields(rings)) {
				t.Errorf("%v are held, %d were named, %d were moved", held, len(strings.Fields(rings)), changed)
			}
		})
	}
}

// Each unshift of a ring goes one shift further back in that ring, to its beginning.
func TestUnshiftAgain(t *testing.T) {
	s := spread(t)
	for _, want := range []string{"- 0.2.0 0.2.0 0.1.0 0.2.0", "- 0.2.0 0.2.0 - 0.2.0"} {
		_, err := s.unshift("users")
		must(t, err)
		s.wantHolds(want)
	}
	s.refused([]string{"users"}, "users is empty by the unshift by ann at NOW (record 8), and no shift that moved it is left to undo: place a release with `quoit set users VERSION`")
	_, err := s.Open(nil).Unhold(context.Background(), storetest.RingOptions(), []string{"users"})
	must(t, err)
	s.Shift() // a newer one lies on what is left
	s.wantHolds("- 0.2.0 0.2.0 0.2.0 0.2.0")
	_, err = s.unshift("users")
	must(t, err)
	s.wantHolds("- 0.2.0 0.2.0 - 0.2.0")
	for range 3 { // post, testers, and what lies below
		_, err = s.unshift()
		must(t, err)
	}
	s.wantHolds("- 0.2.0 0.1.0 - -")
}

// refused checks that an unshift writes nothing and says why.
func (s *server) refused(rings []string, want string) {
	s.T.Helper()
	before := s.EveryTag()
	outcome, err := s.unshift(rings...)
	if refusal := new(versioning.UnshiftError); !errors.As(err, &refusal) {
		s.T.Errorf("unshift %v: %v\n%s", rings, err, outcome)
		return
	}
	text := moment.ReplaceAllString(err.Error(), "NOW")
	if want := "unshift of acme/shop: " + want + " (nothing was written)"; text != want {
		s.T.Errorf("unshift %v says\n%s\nwant\n%s", rings, text, want)
	}
	if diff := cmp.Diff(before, s.EveryTag()); diff != "" || outcome.Undone != nil {
		s.T.Errorf("unshift %v writes (-before +after):\n%s", rings, diff)
	}
}

func TestAnUnshiftThatWouldBeWrongWritesNothing(t *testing.T) {
	s := spread(t)
	_, err := s.Open(nil).Set(context.Background(), storetest.RingOptions(), "users", storetest.VersionOf("0.1.0"), true)
	must(t, err)
	const set = "users has 0.1.0 by the set by ann at NOW (record 7), and this does not descend from 0.2.0, which the shift of record 5 gave it: place a release with `quoit set users VERSION`"
	s.refused([]string{"users"}, set)
	s.refused([]string{"post", "users"}, set)
	s.refused([]string{"developers", "users", "ante"}, "ante is empty, and no shift that moved it is left to undo: place a release with `quoit set ante VERSION`; "+
		"developers has 0.2.0 by the publish by somebody at NOW (record 3, commit c0ffee), and no shift that moved it is left to undo: place a release with `quoit set developers VERSION`; "+set)
	_, err = s.unshift("testers") // which users does not follow
	must(t, err)
	s.wantHolds("- 0.2.0 0.1.0 0.1.0 0.2.0")
}

// Who moved a ring that cannot be undone is not searched for in the whole log.
func TestARefusedUnshiftReadsAFewRecords(t *testing.T) {
	s := newServer(t)
	s.Release(storetest.First, "developers")
	for i := range 70 {
		_, err := s.Open(nil).Hold(context.Background(), storetest.RingOptions(), "users", fmt.Sprintf("reason %d", i))
		must(t, err)
	}
	s.Requests()
	_, err := s.unshift("developers")
	if err == nil || !strings.Contains(err.Error(), "developers has 0.1.0, and no shift that moved it is left to undo") {
		t.Errorf("error %v", err)
	}
	if requests := s.Requests(); len(requests) > 120 {
		t.Errorf("%d requests", len(requests))
	}
}

// A hotfix in the next ring comes along, but not what was set there.
func TestUnshiftTakesAHotfixBack(t *testing.T) {
	s := newServer(t)
	s.Steps(2)
	s.Shift()
	s.wantHolds("- 0.3.0 0.3.0 0.2.0 0.1.0")
	s.Release(storetest.With(storetest.First, storetest.Shop{"mail": 77}), "users")
	s.wantHolds("- 0.3.0 0.3.0 0.2.1 0.1.0")
	_, err := s.unshift("testers")
	must(t, err)
	s.wantHolds("- 0.3.0 0.2.1 0.2.1 0.1.0")
}

// A shift can be undone when its record is gone; what lay below it cannot.
func TestUnshiftWithoutTheShiftsRecord(t *testing.T) {
	for _, gone := range []string{"the tag", "the record"} {
		t.Run(gone, func(t *testing.T) {
			s := spread(t)
			if gone == "the record" {
				s.forget(5)
			} else {
				s.Do("DELETE", fmt.Sprintf("/v2/%s/%s/manifests/%s", storetest.Project, records.Repository, records.Name{Sequence: 5}), "", nil)
			}
			outcome, err := s.unshift("users")
			must(t, err)
			s.wantHolds("- 0.2.0 0.2.0 0.1.0 0.2.0")
			if gone == "the tag" {
				if got := undoneText(outcome); got != "undone: the shift by ann at NOW (record 5)" {
					t.Error(got)
				}
				_, err = s.unshift("users")
				must(t, err)
				s.wantHolds("- 0.2.0 0.2.0 - 0.2.0")
				return
			}
			want := "undone: the shift of record 5, which is gone, so it is not known which shifts lay below it: `quoit set RING VERSION` goes further back"
			if got := undoneText(outcome); got != want || !outcome.Undone.Gone {
				t.Errorf("%s\nwant\n%s", got, want)
			}
			s.refused([]string{"users"}, "users has 0.1.0 by the unshift by ann at NOW (record 7), and no shift that moved it is left to undo: place a release with `quoit set users VERSION`")
		})
	}
}

// What a release has is read from its root image when its own record is gone.
func TestUnshiftToAReleaseWhoseRecordIsGone(t *testing.T) {
	want, err := spread(t).unshift("users")
	must(t, err)
	s := spread(t)
	s.forget(1)
	got, err := s.unshift("users")
	must(t, err)
	s.wantHolds("- 0.2.0 0.2.0 0.1.0 0.2.0")
	if diff := cmp.Diff(want.Changes, got.Changes); diff != "" {
		t.Errorf("(-all records +without the first):\n%s", diff)
	}
}

// forget deletes a record, with every tag of its manifest.
func (s *server) forget(record uint64) {
	s.T.Helper()
	tags := s.EveryTag()[records.Repository]
	gone := tags[records.Name{Sequence: record}.String()]
	for tag, digest := range tags {
		if digest == gone {
			s.Do("DELETE", fmt.Sprintf("/v2/%s/%s/manifests/%s", storetest.Project, records.Repository, tag), "", nil)
		}
	}
	s.Do("DELETE", fmt.Sprintf("/v2/%s/%s/manifests/%s", storetest.Project, records.Repository, gone), "", nil)
}

func TestTheOutcomeOfAnUnshiftInJSON(t *testing.T) {
	s := spread(t)
	outcome, err := s.unshift("users", "post")
	must(t, err)
	var got struct {
		Undone     map[string]any
		AlsoUndone []map[string]any
	}
	must(t, json.Unmarshal(jsonOf(t, outcome), &got))
	for _, undone := range append(got.AlsoUndone, got.Undone) {
		delete(undone, "by")
	}
	want := got
	want.Undone = map[string]any{"record": 6.0, "rings": []any{"post"}}
	want.AlsoUndone = []map[string]any{{"record": 5.0, "rings": []any{"users"}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// The records of hold and unhold say which ring, and why.
func TestHoldsNameRingAndReason(t *testing.T) {
	s := newServer(t)
	s.Steps(1)
	_, err := s.Open(nil).Hold(context.Background(), storetest.RingOptions(), "users", "an audit")
	must(t, err)
	_, err = s.Open(nil).Unhold(context.Background(), storetest.RingOptions(), []string{"users", "post"})
	must(t, err)
	history, err := s.Open(nil).History(context.Background(), 2)
	must(t, err)
	hold := map[string]records.Hold{"users": {Record: history[1].Record.Sequence, Reason: "an audit"}}
	if diff := cmp.Diff([]map[string]records.Hold{hold, hold}, []map[string]records.Hold{history[1].Record.Holds, history[0].Record.Unheld}); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A ring that neither the manifest nor the log knows is not passed over; one that the
// manifest has lost can be let go.
func TestUnholdOfARingThatIsNotThere(t *testing.T) {
	s := newServer(t)
	s.Steps(1)
	_, err := s.Open(nil).Hold(t.Context(), storetest.RingOptions(), "users", "an audit")
	must(t, err)
	options := storetest.RingOptions()
	options.Rings = versioning.Rings([]string{"developers"})
	for ring, unknown := range map[string]bool{"users": false, "developers": false, "usrs": true} {
		_, err := s.Open(nil).Unhold(t.Context(), options, []string{"developers", ring})
		if is := new(versioning.RingError); errors.As(err, &is) != unknown || err != nil != unknown || unknown && is.Ring != ring {
			t.Errorf("%s: %v", ring, err)
		}
	}
}

// Stacks that were begun by schema 1 are undone to their ends.
func TestUnshiftOfShiftsOfSchema1(t *testing.T) {
	for _, name := range []string{"grown", "older"} {
		s := frozen(t, name)
		_, err := s.Open(nil).Unhold(context.Background(), storetest.RingOptions(), storetest.Rings)
		must(t, err)
		must(t, s.Open(nil).Upgrade(context.Background(), store.Author{Actor: "ann"}, storetest.Rings))
		undone := 0
		for _, ring := range storetest.Rings {
			for below := uint64(1 << 40); ; {
				l := readLedger(s)
				newest := l.records[len(l.records)-1]
				top, found := newest.Tops[ring]
				outcome, err := s.unshift(ring)
				if !found || !newest.After[ring].Descends(top.Given) {
					if refused := new(versioning.UnshiftError); !errors.As(err, &refused) {
						t.Errorf("%s: %s has no shift to undo: %v", name, ring, err)
					}
					break
				}
				must(t, err)
				shift := l.records[top.Record-1]
				if after := s.Table()[ring]; shift.Operation != records.OpShift || top.Record >= below || !after.Descends(shift.Before[ring]) || shift.After[ring] != top.Given {
					t.Fatalf("%s: %s has %v after record %d was undone:\n%s", name, ring, after, top.Record, outcome)
				}
				below = top.Record
				undone++
			}
		}
		if undone < 2 {
			t.Errorf("%s: only %d were undone", name, undone)
		}
	}
}

// What comes back is known to the log again: of lines that it has forgotten, it asks for
// the tags of each image once.
func TestWhatComesBackIsKnownAgain(t *testing.T) {
	s := frozen(t, "grown")
	must(t, s.Open(nil).Upgrade(context.Background(), store.Author{Actor: "ann"}, storetest.Rings))
	l := readLedger(s)
	assigned, tags := l.records[grown].Assigned, s.Tags()
	recalled := 0
	for _, record := range l.records {
		for _, place := range record.After {
			forgotten := map[string]versioning.Version{}
			for name, image := range l.records[max(place.Record, 1)-1].Images {
				if !assigned.Knows(name, image.Version) {
					forgotten[name] = image.Version
				}
			}
			if len(forgotten) == 0 {
				continue
			}
			recalled++
			s.Requests()
			_, err := s.Open(nil).Set(context.Background(), storetest.RingOptions(), "ante", place.Version, true)
			must(t, err)
			for request, count := range registrytest.Count(s.Requests()) {
				fields := strings.Fields(request)
				if image := fields[1]; fields[len(fields)-1] == "list" && image != records.Repository && (forgotten[image].IsZero() || count > 1) {
					t.Errorf("%d times %s for %v", count, request, forgotten)
				}
			}
			history, err := s.Open(nil).History(context.Background(), 1)
			must(t, err)
			assigned = history[0].Record.Assigned
			for name, v := range forgotten {
				last := v
				for tag := range tags[name] {
					if other, err := versioning.Parse(tag); err == nil && other.Major == v.Major && other.Minor == v.Minor && other.Patch > last.Patch {
						last = other
					}
				}
				next := versioning.Version{Major: last.Major, Minor: last.Minor, Patch: last.Patch + 1}
				if !assigned.Knows(name, v) || !assigned.Taken(name, last) || assigned.Taken(name, next) {
					t.Errorf("%s %s: the highest of its line is %s, known are %v", name, v, last, assigned[name])
				}
			}
		}
	}
	if recalled == 0 {
		t.Error("nothing was forgotten")
	}
}
