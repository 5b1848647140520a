package versioning

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// placeOf makes a release: "3" descends from 1 and 2; "2a" is a hotfix of 2, which 3
// does not descend from; "3m" is a 3 that descends from both; "" is none.
func placeOf(name string) Place {
	number, fix := strings.CutSuffix(name, "a")
	number, merges := strings.CutSuffix(number, "m")
	if name == "" {
		return Place{}
	}
	var n uint64
	fmt.Sscan(number, &n)
	place := Place{Root: "deploy", Version: Version{Minor: n}, Digest: "sha256:" + name, Release: n}
	for i := uint64(1); i < n; i++ {
		place.Lineage = place.Lineage.With(i)
	}
	for i := uint64(1); merges && i < n; i++ {
		place.Lineage = place.Lineage.With(100 + i)
	}
	if fix {
		place.Version.Patch, place.Release, place.Lineage = 1, 100+n, place.Lineage.With(n)
	}
	return place
}

// stateOf reads "ante dev:3 test:2! post:1", where ! says that a ring is held.
func stateOf(text string) RingState {
	state := RingState{Table: Table{}}
	for _, field := range strings.Fields(text) {
		field, held := strings.CutSuffix(field, "!")
		ring, name, full := strings.Cut(field, ":")
		state.Rings = append(state.Rings, ring)
		if full {
			state.Table[ring] = placeOf(name)
		}
		if held {
			state.Holds = append(state.Holds, ring)
		}
	}
	return state
}

// text is what stateOf reads. A ring that was emptied has a ":" all the same.
func (s RingState) text() string {
	var fields []string
	for _, ring := range s.Rings {
		field := ring
		if place, there := s.Table[ring]; there {
			field += ":" + strings.TrimPrefix(place.Digest, "sha256:")
		}
		if slices.Contains(s.Holds, ring) {
			field += "!"
		}
		fields = append(fields, field)
	}
	return strings.Join(fields, " ")
}

func (s RingState) after(p RingPlan) RingState {
	return RingState{Rings: s.Rings, Table: p.Table, Holds: p.Holds, Tops: p.Tops, Pruned: s.Pruned, Next: s.Next + 1}
}

func movesText(moves []Move) string {
	var all []string
	for _, move := range moves {
		all = append(all, move.From+">"+move.To)
	}
	return strings.Join(all, " ")
}

func namesOf(places []Place) string {
	var all []string
	for _, place := range places {
		all = append(all, strings.TrimPrefix(place.Digest, "sha256:"))
	}
	return strings.Join(all, " ")
}

func TestShift(t *testing.T) {
	for name, test := range map[string]struct {
		before  string
		request ShiftRequest
		after   string
		moves   string
		dropped string
	}{
		"seven rings": {
			"ante:9 a:7 b:6 c:5 d:4 e:3 post:2", ShiftRequest{},
			"ante:9 a:7 b:7 c:6 d:5 e:4 post:3", "a>b b>c c>d d>e e>post", "",
		},
		"a first release": {
			"ante a:1 b c post", ShiftRequest{},
			"ante a:1 b:1 c post", "a>b", "",
		},
		"an empty ring takes and gives nothing": {
			"ante a:7 b:6 c d:4 e:3 post:2", ShiftRequest{},
			"ante a:7 b:7 c:6 d:4 e:4 post:3", "a>b b>c d>e e>post", "",
		},
		"a held ring neither takes nor gives": {
			"ante a:7 b:6 c:5! d:4 e:3 post:2", ShiftRequest{},
			"ante a:7 b:7 c:5! d:4 e:4 post:3", "a>b d>e e>post", "",
		},
		"a held start gives nothing, the others do": {
			"ante a:7! b:6 c:5 post", ShiftRequest{},
			"ante a:7! b:6 c:6 post:5", "b>c c>post", "",
		},
		"a held end takes nothing": {
			"ante a:7 b:6 c:5 post:4!", ShiftRequest{},
			"ante a:7 b:7 c:6 post:4!", "a>b b>c", "",
		},
		"bounds": {
			"ante:9 a:7 b:6 c:5 d:4 e:3 post:2", ShiftRequest{From: "b", To: "d"},
			"ante:9 a:7 b:6 c:6 d:5 e:3 post:2", "b>c c>d", "",
		},
		"ante gives when it is named": {
			"ante:9 a:7 b:6 post", ShiftRequest{From: "ante", To: "a"},
			"ante:9 a:9 b:6 post", "ante>a", "",
		},
		"a hotfix stays where it is not replaced": {
			"ante a:3 b:2 c:1a post", ShiftRequest{To: "b"},
			"ante a:3 b:3 c:1a post", "a>b", "",
		},
		"a hotfix moves on": {
			"ante a:3 b:2a c:2 post:1", ShiftRequest{Discard: []string{"b"}},
			"ante a:3 b:3 c:2a post:2", "a>b b>c c>post", "",
		},
		"a hotfix is given up": {
			"ante a:4 b:3 c:2a post", ShiftRequest{To: "c", Discard: []string{"c"}},
			"ante a:4 b:4 c:3 post", "a>b b>c", "2a",
		},
		"to discard what is not lost does no harm": {
			"ante a:2 b:1 post", ShiftRequest{Discard: []string{"b", "post", "ante"}},
			"ante a:2 b:2 post:1", "a>b b>post", "",
		},
		"takes that change nothing are moves": {
			"ante a:2 b:2 c:1 post:1", ShiftRequest{},
			"ante a:2 b:2 c:2 post:1", "a>b b>c c>post", "",
		},
		"nothing to do": {
			"ante a:2 b:2 post:2", ShiftRequest{},
			"ante a:2 b:2 post:2", "a>b b>post", "",
		},
		"nothing anywhere": {
			"ante a b post", ShiftRequest{},
			"ante a b post", "", "",
		},
		"nothing to do with or without the hold": {
			"ante a:2 b:2! post:2", ShiftRequest{},
			"ante a:2 b:2! post:2", "", "",
		},
		"a release goes back when that is asked for": {
			"ante a:1 b:2 post:2", ShiftRequest{Discard: []string{"b"}, To: "b"},
			"ante a:1 b:1 post:2", "a>b", "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			state := stateOf(test.before)
			plan, err := Shift(state, test.request)
			if err != nil {
				t.Fatal(err)
			}
			got := []string{state.after(plan).text(), movesText(plan.Moves), namesOf(plan.Dropped)}
			if diff := cmp.Diff([]string{test.after, test.moves, test.dropped}, got); diff != "" {
				t.Errorf("after, moves and dropped (-want +got):\n%s", diff)
			}
			if state.text() != test.before {
				t.Errorf("the state became %s", state.text())
			}
		})
	}
}

func TestAShiftThatStops(t *testing.T) {
	for name, test := range map[string]struct {
		before  string
		request ShiftRequest
		want    string
	}{
		"unknown start": {"ante a:1 post", ShiftRequest{From: "moon"}, `there is no ring "moon": choose one of ante, a, post`},
		"unknown end":   {"ante a:1 post", ShiftRequest{To: "moon"}, `there is no ring "moon": choose one of ante, a, post`},
		"unknown ring to discard": {
			"ante a:1 post", ShiftRequest{Discard: []string{"a", "moon"}}, `there is no ring "moon": choose one of ante, a, post`,
		},
		"inward": {
			"ante a:1 b:1 post", ShiftRequest{From: "b", To: "a"},
			"nothing shifts from b to a: choose --from and a later --to, the rings are ante, a, b, post in this order",
		},
		"from the last ring": {
			"ante a:1 post", ShiftRequest{From: "post"},
			"nothing shifts from post to post: choose --from and a later --to, the rings are ante, a, post in this order",
		},
		"no declared ring": {
			"ante post", ShiftRequest{},
			"nothing shifts from post to post: choose --from and a later --to, the rings are ante, post in this order",
		},
		"everything is held": {
			"ante a:3 b:2! c:2! post:1!", ShiftRequest{},
			"nothing shifts from a to post, a held ring neither takes nor gives: use `quoit unhold b c post`, or choose --from and --to around it",
		},
		"what is not held would not change": {
			"ante a:3! b:2 c:2 post:2", ShiftRequest{},
			"nothing shifts from a to post, a held ring neither takes nor gives: use `quoit unhold a`, or choose --from and --to around it",
		},
		"a hotfix": {
			"ante a:3 b:2a post", ShiftRequest{},
			"b has 0.2.1, and 0.3.0 does not descend from it: give it up with --discard b, or contain it in a new build with quoit build --merge b",
		},
		"several hotfixes at once, but one that may go": {
			"ante a:5 b:4a c:3a d:2a post:1", ShiftRequest{Discard: []string{"c"}},
			"b has 0.4.1, and 0.5.0 does not descend from it; d has 0.2.1, and 0.3.1 does not descend from it: " +
				"give it up with --discard b --discard d, or contain it in a new build with quoit build --merge b --merge d",
		},
		"a later release": {
			"ante a:1 b:2 post", ShiftRequest{},
			"b has 0.2.0, and 0.1.0 does not descend from it: give it up with --discard b, or contain it in a new build with quoit build --merge b",
		},
	} {
		t.Run(name, func(t *testing.T) {
			plan, err := Shift(stateOf(test.before), test.request)
			if err == nil || err.Error() != test.want {
				t.Errorf("%v\nwant %s", err, test.want)
			}
			if diff := cmp.Diff(RingPlan{}, plan); diff != "" {
				t.Errorf("there is a plan:\n%s", diff)
			}
		})
	}
}

func TestReleasesOfOneVersionAreToldApartByDigest(t *testing.T) {
	state := stateOf("ante a:1 post")
	other := Place{Root: "deploy", Version: Version{Minor: 1}, Digest: "sha256:0123456789abcdef", Release: 2}
	_, err := Set(state, "a", other, false)
	var discard *DiscardError
	if !errors.As(err, &discard) || !strings.HasPrefix(err.Error(), "a has 0.1.0 (sha256:1), and 0.1.0 (sha256:01234567…) does not descend from it: ") {
		t.Errorf("%v", err)
	}
}

// Whoever contains a hotfix in a new build gets told how that build gets there, and not
// to build it again; and what is told helps.
func TestAHotfixThatIsContainedFurtherIn(t *testing.T) {
	for name, test := range map[string]struct {
		before  string
		request ShiftRequest
		want    string // the end of the error
		first   string // the rings after the shift that it names
	}{
		"two rings further in": {"ante dev:4m test:2 users:1a post", ShiftRequest{},
			", but 0.4.0 in dev does: let 0.4.0 come nearer first with `quoit shift --to test`, or give it up with --discard users",
			"ante dev:4m test:4m users:1a post"},
		"three rings further in": {"ante a:4m b:3 c:2 d:1a post", ShiftRequest{},
			", but 0.4.0 in a does: let 0.4.0 come nearer first with `quoit shift --to c`, or give it up with --discard d",
			"ante a:4m b:4m c:3 d:1a post"},
		"a hotfix in post": {"ante a:4m b:2 post:1a", ShiftRequest{},
			", but 0.4.0 in a does: let 0.4.0 come nearer first with `quoit shift --to b`, or give it up with --discard post",
			"ante a:4m b:4m post:1a"},
		"in ante": {"ante:4m a:2 b:2 c:1a post", ShiftRequest{},
			", but 0.4.0 in ante does: let 0.4.0 come nearer first with `quoit shift --from ante --to b`, or give it up with --discard c",
			"ante:4m a:4m b:2 c:1a post"},
		"from another ring on": {"ante a:5m b:4m c:2 d:1a post", ShiftRequest{From: "b"},
			", but 0.4.0 in b does: let 0.4.0 come nearer first with `quoit shift --from b --to c`, or give it up with --discard d",
			"ante a:5m b:4m c:4m d:1a post"},
		"two hotfixes, one build contains both": {"ante a:4m b:3 c:2a d:2 e:1a post", ShiftRequest{},
			"c has 0.2.1, and 0.3.0 does not descend from it, but 0.4.0 in a does; e has 0.1.1, and 0.2.0 does not descend from it, but 0.4.0 in a does: " +
				"let 0.4.0 come nearer first with `quoit shift --to b`, or give it up with --discard c --discard e",
			"ante a:4m b:4m c:2a d:2 e:1a post"},
		"two hotfixes, one is contained": {"ante a:4 b:3a c:3m d:2 e:1a post", ShiftRequest{},
			"b has 0.3.1, and 0.4.0 does not descend from it; e has 0.1.1, and 0.2.0 does not descend from it, but 0.3.0 in c does: " +
				"give it up with --discard b --discard e, or contain it in a new build with quoit build --merge b", ""},
		"a hotfix before is discarded": {"ante a:4m b:9a c:2 d:1a post", ShiftRequest{Discard: []string{"b", "c"}},
			", but 0.4.0 in a does: let 0.4.0 come nearer first with `quoit shift --to c --discard b --discard c`, or give it up with --discard d",
			"ante a:4m b:4m c:9a d:1a post"},
		"it is held": {"ante a:4m! b:3 c:2 d:1a post", ShiftRequest{},
			", but 0.4.0 in a does: place that there with `quoit set d 0.4.0`, or give it up with --discard d", ""},
	} {
		t.Run(name, func(t *testing.T) {
			state := stateOf(test.before)
			_, err := Shift(state, test.request)
			var discard *DiscardError
			if !errors.As(err, &discard) || !strings.HasSuffix(err.Error(), test.want) {
				t.Fatalf("%v\nwant …%s", err, test.want)
			}
			if (discard.First != nil) != (test.first != "") {
				t.Fatalf("first %v, want %q", discard.First, test.first)
			}
			if discard.First == nil {
				return
			}
			plan, err := Shift(state, *discard.First)
			if diff := cmp.Diff(stateOf(test.first).Table, plan.Table); diff != "" || err != nil {
				t.Errorf("rings after it (-want +got):\n%s%v", diff, err)
			}
		})
	}
}

func TestTheAdviceOfAShiftEnds(t *testing.T) {
	check(t, func(t *rapid.T) {
		_, state := drawState(t)
		for step := 0; ; step++ {
			plan, err := Shift(state, ShiftRequest{})
			var discard *DiscardError
			if !errors.As(err, &discard) || discard.First == nil {
				return
			}
			if plan, err = Shift(state, *discard.First); err != nil || len(plan.Changes) == 0 {
				t.Fatalf("%v of\n%v\ndoes not help: %v", discard, state.Table, err)
			}
			if step > len(state.Rings) {
				t.Fatalf("%v of\n%v\nis said again and again", discard, state.Table)
			}
			state.Table = plan.Table
		}
	})
}

func TestARingThatIsNoLongerDeclaredStays(t *testing.T) {
	state := stateOf("ante a:2 b:1 post")
	state.Table["gone"] = placeOf("1a")
	state.Holds = []string{"gone"}
	plan, err := Shift(state, ShiftRequest{})
	if err != nil || plan.Table["gone"] != placeOf("1a") || !slices.Equal(plan.Holds, []string{"gone"}) {
		t.Errorf("%v, %v", plan, err)
	}
	var ring *RingError
	if _, err := Shift(state, ShiftRequest{From: "gone"}); !errors.As(err, &ring) {
		t.Errorf("from it: %v", err)
	}
}

func TestSet(t *testing.T) {
	for name, test := range map[string]struct {
		before, ring, place string
		discard             bool
		after, dropped      string
		changes             int
	}{
		"an empty ring":               {"ante a:1 post", "post", "1", false, "ante a:1 post:1", "", 1},
		"a descendant":                {"ante a:1 post", "a", "1a", false, "ante a:1a post", "", 1},
		"a held ring":                 {"ante a:1! post", "a", "2", false, "ante a:2! post", "", 1},
		"what it holds":               {"ante a:1 post", "a", "1", false, "ante a:1 post", "", 0},
		"back, with discard":          {"ante a:2 post", "a", "1", true, "ante a:1 post", "2", 1},
		"back, still held further on": {"ante a:2 post:3", "a", "1", true, "ante a:1 post:3", "", 1},
	} {
		t.Run(name, func(t *testing.T) {
			state := stateOf(test.before)
			plan, err := Set(state, test.ring, placeOf(test.place), test.discard)
			if err != nil {
				t.Fatal(err)
			}
			got := []string{state.after(plan).text(), namesOf(plan.Dropped)}
			if diff := cmp.Diff([]string{test.after, test.dropped}, got); diff != "" || len(plan.Changes) != test.changes {
				t.Errorf("%d changes, after and dropped (-want +got):\n%s", len(plan.Changes), diff)
			}
		})
	}
}

func TestASetThatStops(t *testing.T) {
	for name, test := range map[string]struct{ ring, place, want string }{
		"unknown ring": {"moon", "1", `there is no ring "moon": choose one of ante, a, post`},
		"no release":   {"a", "", "there is no release to set a to: choose a version that was published"},
		"back": {"a", "1",
			"a has 0.2.0, and 0.1.0 does not descend from it: give it up with --discard a, or contain it in a new build with quoit build --merge a"},
	} {
		if _, err := Set(stateOf("ante a:2 post"), test.ring, placeOf(test.place), false); err == nil || err.Error() != test.want {
			t.Errorf("%s: %v\nwant %s", name, err, test.want)
		}
	}
}
