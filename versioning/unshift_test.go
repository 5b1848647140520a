package versioning

import (
	"slices"
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

func TestUnshift(t *testing.T) {
	for name, test := range map[string]struct {
		before, now, moves string // the table before the shift, and what is so now
		rings              string
		after, left        string
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
			"ante a:3 b:2! c:2 post:1", "b>c c>post", "",
		},
		"one ring, the last": {
			"ante a:3 b:2 c:1 post", "ante a:3 b:3 c:2 post:1", "a>b b>c c>post", "post",
			"ante a:3 b:3 c:2 post:!", "a>b b>c", "",
		},
		"the rest after the last ring": {
			"ante a:3 b:2 c:1 post", "ante a:3 b:3 c:2 post!", "a>b b>c", "",
			"ante a:3 b:2! c:1! post!", "", "",
		},
		"two rings, named twice and in any order": {
			"ante a:3 b:2 c:1 post", "ante a:3 b:3 c:2 post:1", "a>b b>c c>post", "c b c",
			"ante a:3 b:2! c:1! post:1", "c>post", "",
		},
		"a hotfix in a ring that is undone first is named, and the inner ring takes what it held": {
			"ante a:3 b:2 c:1 post", "ante a:3 b:3 c:2a post:1", "a>b b>c c>post", "c",
			"ante a:3 b:3 c:1! post:1", "a>b c>post", "2a",
		},
		"what drops out is in order of version, and named once": {
			"ante a:12 b:8 c:7! d:6 e:5 f! g:4 post:3", "ante a:12 b:10a c:7! d:6 e:9a f! g:4 post:10a", "a>b d>e g>post", "",
			"ante a:12 b:8! c:7! d:6 e:5! f! g:4 post:3!", "", "9a 10a",
		},
		"an emptied ring gives nothing back": {
			"ante a:3 b:2 post", "ante a:3 b:3 post:", "a>b b>post", "",
			"ante a:3 b:2! post:!", "", "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			state := stateOf(test.now)
			plan, err := Unshift(state, Shifted{42, movesOf(test.moves), stateOf(test.before).Table}, strings.Fields(test.rings))
			if err != nil {
				t.Fatal(err)
			}
			got := []string{state.after(plan).text(), movesText(plan.Left), namesOf(plan.Dropped)}
			if diff := cmp.Diff([]string{test.after, test.left, test.dropped}, got); diff != "" {
				t.Errorf("after, left and dropped (-want +got):\n%s", diff)
			}
			all := append(slices.Clone(plan.Moves), plan.Left...)
			for _, move := range movesOf(test.moves) {
				if !slices.Contains(all, move) || len(all) != len(movesOf(test.moves)) {
					t.Errorf("%s and %s are not the moves of the shift", movesText(plan.Moves), movesText(plan.Left))
				}
			}
		})
	}
}

func TestAnEmptiedRingKeepsItsRoot(t *testing.T) {
	state := stateOf("ante a:1 post:1")
	plan, err := Unshift(state, Shifted{1, movesOf("a>post"), Table{"a": placeOf("1")}}, nil)
	if want := (Place{Root: "deploy"}); err != nil || plan.Table["post"] != want {
		t.Errorf("%v, %v", plan.Table["post"], err)
	}
}

func TestAMoveToARingThatIsNoLongerDeclaredEndsWithAnyUnshift(t *testing.T) {
	shift := Shifted{1, movesOf("a>b b>gone gone>post"), stateOf("ante a:4 b:3 gone:2 post:1").Table}
	state := stateOf("ante a:4 b:4 gone:3 post:2")
	state.Rings = []string{"ante", "a", "b", "post"}
	plan, err := Unshift(state, shift, []string{"post"})
	if err != nil {
		t.Fatal(err)
	}
	got := []string{movesText(plan.Moves), movesText(plan.Left), plan.Table["gone"].Version.String(), strings.Join(plan.Holds, " ")}
	if diff := cmp.Diff([]string{"b>gone gone>post", "a>b", "0.3.0", "post"}, got); diff != "" {
		t.Errorf("moves, left, ring and holds (-want +got):\n%s", diff)
	}
}

func TestAnUnshiftThatStops(t *testing.T) {
	for name, test := range map[string]struct{ moves, rings, want string }{
		"unknown ring":     {"a>b", "moon", "the shift of record 42 has nothing to undo in moon, where it moved nothing or is undone already: choose from b"},
		"the start":        {"a>b b>post", "b a", "the shift of record 42 has nothing to undo in a, where it moved nothing or is undone already: choose from b, post"},
		"everything again": {"", "", "the shift of record 42 is undone already, in every ring"},
		"one ring again":   {"", "b", "the shift of record 42 is undone already, in every ring"},
		"no longer declared": {"a>gone", "gone",
			"the shift of record 42 has nothing to undo in gone, nor in any other ring of the manifest"},
	} {
		state := stateOf("ante a:1 b:1 post:1")
		_, err := Unshift(state, Shifted{42, movesOf(test.moves), state.Table}, strings.Fields(test.rings))
		if err == nil || err.Error() != test.want {
			t.Errorf("%s: %v\nwant %s", name, err, test.want)
		}
	}
}
