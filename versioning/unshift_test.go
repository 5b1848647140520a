package versioning

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func movesOf(text string) []Move {
	var moves []Move
	for _, field := range strings.Fields(text) {
		from, to, _ := strings.Cut(field, ">")
		moves = append(moves, Move{from, to})
	}
	return moves
}

// shiftedFrom says which shift of record 42 is undone where it made moves.
func (s RingState) shiftedFrom(before string, moves []Move) RingState {
	table := stateOf(before).Table
	s.Tops = map[string]Top{}
	for _, move := range moves {
		if !table[move.From].Same(table[move.To]) {
			s.Tops[move.To] = Top{Record: 42, From: move.From, Given: table[move.From], Displaced: table[move.To]}
		}
	}
	return s
}

func TestUnshift(t *testing.T) {
	for name, test := range map[string]struct {
		before, now, moves string // the table before the shift, what is so now, and what is not undone
		rings              string
		after, left        string // the table afterwards, and the rings where it is not undone
		dropped            string
	}{
		"seven rings": {
			"ante:9 a:7 b:6 c:5 d:4 e:3 post:2", "ante:9 a:7 b:7 c:6 d:5 e:4 post:3", "a>b b>c c>d d>e e>post", "",
			"ante:9 a:7 b:6! c:5! d:4! e:3! post:2!", "", "",
		},
		"a hole in the middle": {
			"ante a:7 b:6 c d:4 e:3 post:2", "ante a:7 b:7 c:6 d:4 e:4 post:3", "a>b b>c d>e e>post", "",
			"ante a:7 b:6! c:! d:4 e:3! post:2!", "", "",
		},
		"a held ring in the middle": {
			"ante a:7 b:6 c:5! d:4 e:3 post:2", "ante a:7 b:7 c:5! d:4 e:4 post:3", "a>b d>e e>post", "",
			"ante a:7 b:6! c:5! d:4 e:3! post:2!", "", "",
		},
		"a ring that was held meanwhile": {
			"ante a:3 b:2 post:1", "ante a:3 b:3! post:2", "a>b b>post", "",
			"ante a:3 b:2! post:1!", "", "",
		},
		"a hotfix of what was shifted comes back": {
			"ante a:3 b:2 c:1 post", "ante a:3 b:3 c:2a post:1", "a>b b>c c>post", "",
			"ante a:3 b:2a! c:1! post:!", "", "",
		},
		"a hotfix that nothing returns to is named": {
			"ante a:3 b:2 c:1 post", "ante a:3 b:3a c:2 post:1", "a>b b>c c>post", "",
			"ante a:3 b:2! c:1! post:!", "", "3a",
		},
		"a build in the first ring stays": {
			"ante a:3 b:2 post:1", "ante a:4 b:3 post:2", "a>b b>post", "",
			"ante a:4 b:2! post:1!", "", "",
		},
		"one ring, which gave": {
			"ante a:3 b:2 c:1 post", "ante a:3 b:3 c:2 post:1", "a>b b>c c>post", "b",
			"ante a:3 b:2! c:2 post:1", "c post", "",
		},
		"one ring, the last": {
			"ante a:3 b:2 c:1 post", "ante a:3 b:3 c:2 post:1", "a>b b>c c>post", "post",
			"ante a:3 b:3 c:2 post:!", "b c", "",
		},
		"the rest after the last ring": {
			"ante a:3 b:2 c:1 post", "ante a:3 b:3 c:2 post!", "a>b b>c", "",
			"ante a:3 b:2! c:1! post!", "", "",
		},
		"two rings, named twice and in any order": {
			"ante a:3 b:2 c:1 post", "ante a:3 b:3 c:2 post:1", "a>b b>c c>post", "c b c",
			"ante a:3 b:2! c:1! post:1", "post", "",
		},
		"a hotfix in a ring that is undone first is named, and the inner ring takes what it held": {
			"ante a:3 b:2 c:1 post", "ante a:3 b:3 c:2a post:1", "a>b b>c c>post", "c",
			"ante a:3 b:3 c:1! post:1", "b post", "2a",
		},
		"what drops out is in order of version, and named once": {
			"ante a:9 b:8 c:7! d:6 e:5 f! g:4 post:3", "ante a:9 b:10a c:7! d:6 e:9a f! g:4 post:10a", "a>b d>e g>post", "",
			"ante a:9 b:8! c:7! d:6 e:5! f! g:4 post:3!", "", "9a 10a",
		},
		"an emptied ring gives nothing back": {
			"ante a:3 b:2 post", "ante a:3 b:3 post:", "a>b b>post", "b",
			"ante a:3 b:2! post:", "post", "",
		},
		"what was set in the next ring, and does not descend, stays there": {
			"ante a:3 b:2 c:1 post", "ante a:3 b:3 c:1 post", "a>b b>c", "b",
			"ante a:3 b:2! c:1 post", "c", "",
		},
		"a take that changed nothing is none": {
			"ante a:3 b:2 c:2 post", "ante a:3 b:3 c:2a post:2", "a>b b>c c>post", "b",
			"ante a:3 b:2! c:2a post:2", "post", "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			state := stateOf(test.now).shiftedFrom(test.before, movesOf(test.moves))
			plan, err := Unshift(state, strings.Fields(test.rings))
			if err != nil {
				t.Fatal(err)
			}
			var left []string
			for _, ring := range state.Rings {
				if _, found := plan.Tops[ring]; found {
					left = append(left, ring)
				}
			}
			got := []string{state.after(plan).text(), strings.Join(left, " "), namesOf(plan.Dropped)}
			if diff := cmp.Diff([]string{test.after, test.left, test.dropped}, got); diff != "" {
				t.Errorf("after, left and dropped (-want +got):\n%s", diff)
			}
			for ring, top := range plan.Undone {
				if top != state.Tops[ring] {
					t.Errorf("%s: undone is %v", ring, top)
				}
			}
			if len(plan.Undone)+len(plan.Tops) != len(state.Tops) {
				t.Errorf("%v and %v are not what could be undone", plan.Undone, plan.Tops)
			}
		})
	}
}

func TestAnEmptiedRingKeepsItsRoot(t *testing.T) {
	state := stateOf("ante a:1 post:1").shiftedFrom("ante a:1 post", movesOf("a>post"))
	plan, err := Unshift(state, nil)
	if want := (Place{Root: "deploy"}); err != nil || plan.Table["post"] != want {
		t.Errorf("%v, %v", plan.Table["post"], err)
	}
}

func TestARingThatIsNoLongerDeclaredIsNotUndone(t *testing.T) {
	state := stateOf("ante a:4 b:4 gone:3 post:2").shiftedFrom("ante a:4 b:3 gone:2 post:1", movesOf("a>b b>gone gone>post"))
	state.Rings = []string{"ante", "a", "b", "post"}
	plan, err := Unshift(state, nil)
	if err != nil {
		t.Fatal(err)
	}
	got := []string{strings.Join(sortedKeys(plan.Undone), " "), strings.Join(sortedKeys(plan.Tops), " "), plan.Table["gone"].Version.String(), strings.Join(plan.Holds, " ")}
	if diff := cmp.Diff([]string{"b post", "gone", "0.3.0", "b post"}, got); diff != "" {
		t.Errorf("undone, tops, ring and holds (-want +got):\n%s", diff)
	}
}

// The newest shift moved one ring only, which is not the one that is named.
func TestUnshiftMeansTheRingThatIsNamed(t *testing.T) {
	state := stateOf("ante a:3 b:3 c:3 post:1").shiftedFrom("ante a:3 b:2 c:2 post:1", movesOf("a>b"))
	state.Tops["c"] = Top{Record: 43, From: "b", Given: placeOf("3"), Displaced: placeOf("2")}
	for rings, want := range map[string]string{
		"b": "ante a:3 b:2! c:3 post:1", "c": "ante a:3 b:3 c:2! post:1", "": "ante a:3 b:3 c:2! post:1", "c b": "ante a:3 b:2! c:2! post:1",
	} {
		plan, err := Unshift(state, strings.Fields(rings))
		if got := state.after(plan).text(); err != nil || got != want {
			t.Errorf("unshift %s: %s, %v, want %s", rings, got, err, want)
		}
	}
}

func TestAnUnshiftThatStops(t *testing.T) {
	for name, test := range map[string]struct{ now, rings, want string }{
		"unknown ring": {"ante a:2 b:2 post:1", "moon", `there is no ring "moon": choose one of ante, a, b, post`},
		"the start":    {"ante a:2 b:2 post:1", "b a", "a has 0.2.0, and no shift that moved it is left to undo: place a release with `quoit set a VERSION`"},
		"nothing":      {"ante a:2 b:2 post:1", "ante", "ante is empty, and no shift that moved it is left to undo: place a release with `quoit set ante VERSION`"},
		"replaced by an older one": {"ante a:2 b:0 post:1", "", "b has 0.0.0 by the set by ann, and this does not descend from 0.2.0, " +
			"which the shift of record 42 gave it: place a release with `quoit set b 0.1.0`"},
		"placed there already": {"ante a:2 b:1 post:1", "b", "b has 0.1.0 by the set by ann, and this does not descend from 0.2.0, " +
			"which the shift of record 42 gave it: place a release with `quoit set b VERSION`"},
		"pruned": {"ante a:2 b:2 post:3", "b", "b has 0.2.0 by the set by ann, and 0.1.0, which it had before the shift of record 42, was pruned: " +
			"place a release with `quoit set b VERSION`"},
	} {
		state := stateOf(test.now).shiftedFrom("ante a:2 b:1 post:1", movesOf("a>b"))
		if name == "pruned" {
			state.Pruned = "1"
		}
		_, err := Unshift(state, strings.Fields(test.rings))
		if refused := new(UnshiftError); errors.As(err, &refused) && strings.Contains(test.want, "ann") {
			refused.Stuck[0].Moved = "the set by ann"
		}
		if err == nil || err.Error() != test.want {
			t.Errorf("%s: %v\nwant %s", name, err, test.want)
		}
	}
	_, err := Unshift(stateOf("ante a:1 post:1"), nil)
	want := "there is no shift to undo in any ring: `quoit history` shows what was done, and `quoit set RING VERSION` places a release"
	if err == nil || err.Error() != want {
		t.Errorf("%v\nwant %s", err, want)
	}
}

// An inner ring takes back the same that it has: nothing would be undone.
func TestAnUnshiftThatWouldChangeNothingStops(t *testing.T) {
	state := stateOf("ante a:3 b:3 c:3 post").shiftedFrom("ante a:3 b:2 c:1 post", movesOf("a>b b>c"))
	want := "b has 0.3.0, and it would keep that if the shift of record 42 were undone: place a release with `quoit set b VERSION`"
	if _, err := Unshift(state, nil); err == nil || err.Error() != want {
		t.Errorf("%v\nwant %s", err, want)
	}
}
