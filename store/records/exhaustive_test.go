package records

import (
	"testing"
	"time"

	"github.com/quoitbuild/quoit/internal/dose"
)

const most = 25 // requests of a writer left alone, since it began its last round

// Every interleaving of single requests, crashes and delayed writes.
func TestEveryInterleaving(t *testing.T) {
	for name, s := range dose.Of(shorten, asTheyAre, lengthen)(scenarios()) {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			e, err := explore(s)
			t.Logf("%d writers, %d crashes: %d states, %d requests, %s; left alone at most %d requests, %d since the last round began; ended %v",
				len(s.operations), s.crashes, len(e.seen), e.steps, time.Since(start).Round(time.Millisecond), e.most, e.fresh, e.ends)
			if err != nil {
				t.Fatal(err)
			}
			if e.fresh > most {
				t.Errorf("left alone a writer makes %d requests from a new round, more than %d", e.fresh, most)
			}
		})
	}
}

func scenarios() map[string]scenario {
	a := sha("0.1.0")
	one := []Operation{set("dev", "0.1.0")}
	s := map[string]scenario{
		"one ring": {
			operations: []Operation{publish("dev", "0.2.0", a), publish("dev", "0.3.0", a)}, begin: one, settled: true, crashes: 2, rounds: 2,
		},
		"two rings": {
			operations: []Operation{publish("dev", "0.2.0", a), publish("users", "0.1.1", "")}, begin: one, settled: true, crashes: 1, rounds: 2,
		},
		"equal digests at different times in one ring": {
			operations: []Operation{set("dev", "0.2.0"), set("dev", "0.1.0")},
			begin:      []Operation{set("dev", "0.1.0"), set("dev", "0.2.0"), set("dev", "0.1.0")}, crashes: 1, rounds: 2,
		},
		"politeness for a writer that crashed": {
			operations: []Operation{publish("dev", "0.3.0", sha("0.2.0")), set("dev", "0.1.0")},
			begin:      []Operation{set("dev", "0.1.0"), publish("dev", "0.2.0", a)}, crashes: 1, rounds: 2,
		},
		"a ring that is emptied, and completing only": {
			operations: []Operation{place("dev", Place{}), nil}, begin: one, crashes: 2, rounds: 2,
		},
		"a shift over three rings": {
			operations: []Operation{shiftTwice(3), publish("dev", "0.2.0", a)}, settled: true, crashes: 1, rounds: 1,
			begin: []Operation{set("dev", "0.1.0"), set("testers", "0.0.2"), set("users", "0.0.1")},
		},
		"two shifts over three rings": {
			operations: []Operation{shiftTwice(3), shiftTwice(3)}, settled: true, crashes: 1, rounds: 1,
			begin: []Operation{set("dev", "0.1.0"), set("testers", "0.0.2"), set("users", "0.0.1")},
		},
		"a foreign push": {
			operations: []Operation{publish("dev", "0.2.0", a), set("users", "0.1.0")}, begin: one, settled: true, rounds: 1,
			foreign: []Content{{"deploy", "0.2.0", sha("foreign")}}, impatient: true,
		},
		"listings that lag": {
			operations: []Operation{publish("dev", "0.2.0", a), publish("dev", "0.3.0", a)}, begin: one, settled: true, rounds: 2, stale: true,
		},
		"pages that lag": {
			operations: []Operation{publish("dev", "0.2.0", a), publish("dev", "0.3.0", a)}, begin: one, settled: true, rounds: 1, stale: true, page: 1, impatient: true,
		},
		"listings out of order": {
			operations: []Operation{publish("dev", "0.2.0", a), set("dev", "0.3.0")}, begin: one, settled: true, rounds: 1, unordered: true, impatient: true,
		},
		"three writers": {
			operations: []Operation{publish("dev", "0.2.0", a), publish("dev", "0.3.0", a), publish("dev", "0.4.0", a)}, begin: one, settled: true, rounds: 1, impatient: true,
		},
	}
	for name, scenario := range s {
		scenario.sample = 64
		s[name] = scenario
	}
	return s
}

func asTheyAre(s map[string]scenario) map[string]scenario { return s }

// shorten lets writers go on one after the other after the first round.
func shorten(s map[string]scenario) map[string]scenario {
	for name, scenario := range s {
		scenario.rounds = 1
		s[name] = scenario
	}
	return s
}

// lengthen makes the scenarios as large as minutes allow.
func lengthen(s map[string]scenario) map[string]scenario {
	for name, scenario := range s {
		switch {
		case name == "listings out of order":
			scenario.rounds = 3
		case scenario.stale:
			scenario.crashes, scenario.rounds = 1, 2
		case name == "three writers":
			scenario.crashes, scenario.rounds = 1, 2
		default:
			scenario.crashes, scenario.rounds, scenario.impatient = 2, 3, false
		}
		s[name] = scenario
	}
	users := s["three writers"]
	users.operations = append([]Operation{}, users.operations...)
	users.operations[2], users.rounds = set("users", "0.1.0"), 1
	s["three writers, two rings"] = users
	foreign := s["a foreign push"]
	foreign.rounds = 1
	s["a foreign push"] = foreign
	push := foreign
	push.operations, push.crashes, push.impatient = []Operation{push.operations[0], nil, nil}, 1, true
	s["three writers, a foreign push"] = push
	return s
}
