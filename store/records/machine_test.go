package records

import (
	"errors"
	"os"
	"strings"
	"testing"
)

func TestTheHintIsOnlyAHint(t *testing.T) {
	for _, hint := range []string{"", "not a record", "an old one"} {
		for count := range 12 {
			e := &explorer{numbers: newNumbers()}
			var w world
			for i := range count {
				m := e.machine(i+1, set("dev", []string{"0.1.0", "0.2.0"}[i%2]))
				if _, _, err := alone(e.numbers, &w, m, nil, 100); err != nil {
					t.Fatal(err)
				}
			}
			switch hint {
			case "an old one":
				e.write(&w, Content{Repository, string(Hint), e.look(w, Repository, "record-00000001")})
			case "":
				e.write(&w, Content{Repository, string(Hint), ""})
			default:
				e.write(&w, Content{Repository, string(Hint), sha(hint)})
			}
			m := e.machine(99, set("users", "0.1.0"))
			requests, _, err := alone(e.numbers, &w, m, nil, 100)
			if err != nil || m.Result().Outcome != Success || m.Result().Record.Record.Sequence != uint64(count)+1 {
				t.Fatalf("%d records, hint %q: %v %+v", count, hint, err, m.Result())
			}
			if requests > 20+2*count {
				t.Errorf("%d records, hint %q: %d requests", count, hint, requests)
			}
		}
	}
}

// Before there is a log, the tags of all rings have to be absent, but for what the
// record itself gives a ring.
func TestTheFirstRecordLooksAtUnusedRings(t *testing.T) {
	for _, test := range []struct {
		tag     Content
		outcome Outcome
	}{
		{Content{"deploy", "users", sha("older")}, Foreign},
		{Content{"deploy", "dev", sha("older")}, Foreign},
		{Content{"deploy", "dev", sha("0.1.0")}, Success},
		{Content{"deploy", "users", Nothing().Digest}, Success},
	} {
		e := &explorer{numbers: newNumbers()}
		var w world
		e.write(&w, test.tag)
		m := e.machine(1, publish("dev", "0.1.0", ""))
		m.options.Unused = []Content{{Repository: "deploy", Tag: "dev"}, {Repository: "deploy", Tag: "users"}}
		_, _, err := alone(e.numbers, &w, m, nil, 100)
		if result := m.Result(); err != nil || result.Outcome != test.outcome {
			t.Errorf("%v: %v, %s: %v", test.tag, err, result.Outcome, result.Err)
		}
	}
}

// A ring's tag that names something else once the newest record is done was moved by
// hand; before, its writer may have to move it yet.
func TestStrictlyTagsFollowWhatIsDone(t *testing.T) {
	for _, test := range []struct {
		name    string
		strict  bool
		tag     string // what the ring's tag names
		done    bool
		outcome Outcome
	}{
		{"as it should be", true, "0.2.0", true, Success},
		{"an older release", true, "0.1.0", true, Foreign},
		{"a tag that is gone", true, "", true, Foreign},
		{"something else", true, "evil", true, Foreign},
		{"an older release, not strictly", false, "0.1.0", true, Success},
		{"an older release that was not moved yet", true, "0.1.0", false, Success},
		{"something else before it is done", true, "evil", false, Foreign},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := &explorer{numbers: newNumbers()}
			var w world
			for i, operation := range []Operation{publish("dev", "0.1.0", ""), publish("dev", "0.2.0", sha("0.1.0"))} {
				m := e.machine(i+1, operation)
				if _, _, err := alone(e.numbers, &w, m, nil, 100); err != nil || m.Result().Outcome != Success {
					t.Fatal(err, m.Result())
				}
			}
			if newest, _ := e.newest(w); !test.done {
				e.write(&w, Content{Repository, Name{Mark: Done, Sequence: 2, Value: newest.Digest}.String(), ""})
			}
			digest := ""
			if test.tag != "" {
				digest = sha(test.tag)
			}
			e.write(&w, Content{"deploy", "dev", digest})
			m := e.machine(3, set("users", "0.1.0"))
			m.options.Strict = test.strict
			_, _, err := alone(e.numbers, &w, m, nil, 200)
			result := m.Result()
			if err != nil || result.Outcome != test.outcome {
				t.Errorf("%v, %s: %v", err, result.Outcome, result.Err)
			}
			if result.Outcome == Foreign && (len(result.Tags) != 1 || result.Record != nil) {
				t.Errorf("it names %v", result.Tags)
			}
		})
	}
}

// What the next command says of what was changed by hand.
func TestTheNextCommandNamesTampering(t *testing.T) {
	for name, test := range map[string]struct {
		change  func(*explorer, *world)
		outcome Outcome
		want    string
	}{
		"a ring tag":                {func(e *explorer, w *world) { e.write(w, Content{"deploy", "dev", sha("evil")}) }, Foreign, "deploy:dev is sha256:"},
		"a version that was done":   {func(e *explorer, w *world) { e.write(w, Content{"deploy", "0.2.0", sha("evil")}) }, Foreign, "deploy:0.2.0 is sha256:"},
		"the newest record gone":    {func(e *explorer, w *world) { e.write(w, Content{Repository, "record-00000002", ""}) }, Forked, "record 2; that is nothing"},
		"the newest record altered": {func(e *explorer, w *world) { e.write(w, Content{Repository, "record-00000002", sha("evil")}) }, Forked, "record 2; that is sha256:"},
		"a ring never used":         {func(e *explorer, w *world) { e.write(w, Content{"deploy", "users", sha("evil")}) }, Foreign, "deploy:users is sha256:"},
		"the version to be":         {func(e *explorer, w *world) { e.write(w, Content{"deploy", "0.3.0", sha("evil")}) }, Refused, "versions are taken"},
	} {
		t.Run(name, func(t *testing.T) {
			e := &explorer{numbers: newNumbers()}
			var w world
			for i, operation := range []Operation{set("dev", "0.1.0"), publish("dev", "0.2.0", sha("0.1.0"))} {
				if _, _, err := alone(e.numbers, &w, e.machine(i+1, operation), nil, 100); err != nil {
					t.Fatal(err)
				}
			}
			test.change(e, &w)
			m := e.machine(3, publish("users", "0.3.0", ""))
			_, _, err := alone(e.numbers, &w, m, nil, 100)
			result := m.Result()
			if err != nil || result.Outcome != test.outcome || !strings.Contains(result.Err.Error(), test.want) {
				t.Errorf("got %v %s: %v", err, result.Outcome, result.Err)
			}
			if e.look(w, Repository, "record-00000003") != "" {
				t.Error("it wrote a record nevertheless")
			}
		})
	}
}

func TestStopping(t *testing.T) {
	stop := errors.New("interrupted")
	seen := map[Outcome]bool{}
	for at := 0; ; at++ {
		e := &explorer{numbers: newNumbers()}
		var w world
		m := e.machine(1, publish("dev", "0.1.0", ""))
		more := true
		for range at {
			var batch []Request
			if batch, more = m.Next(); !more {
				break
			}
			var got []Response
			for _, r := range batch {
				got = append(got, e.answer(&w, r))
			}
			m.Took(got)
		}
		if !more {
			break
		}
		exposed := m.Exposed()
		m.Stop(stop)
		result := m.Result()
		seen[result.Outcome] = true
		tried := false
		for _, tag := range w.log {
			tried = tried || strings.Contains(e.what[tag].Tag, "-try-")
		}
		switch {
		case result.Outcome == Stopped && (exposed || tried), result.Outcome == Unknown && !exposed, result.Outcome != Success && !errors.Is(result.Err, stop):
			t.Errorf("stopped at %d: %+v, exposed %v, tried %v", at, result, exposed, tried)
		}
	}
	if !seen[Stopped] || !seen[Unknown] || !seen[Success] {
		t.Errorf("only %v were seen", seen)
	}
}

// TestDeclining: what was certainly not carried out is not unknown.
func TestDeclining(t *testing.T) {
	refused := errors.New("403")
	for at := 0; ; at++ {
		e := &explorer{numbers: newNumbers()}
		var w world
		m := e.machine(1, publish("dev", "0.1.0", ""))
		_, _, _ = alone(e.numbers, &w, m, nil, at) // it is cut off
		batch, more := m.Next()
		if !more {
			break
		}
		exposed, first := m.Exposed(), strings.Contains(batch[0].Tag, "-r01-try-")
		m.Decline(refused)
		switch outcome := m.Result().Outcome; {
		case exposed && first != (outcome == Stopped):
			t.Errorf("before %s %s the outcome is %s", batch[0].Action, batch[0].Tag, outcome)
		case first && m.Exposed():
			t.Error("it is exposed without a try")
		}
	}
}

func TestMisuse(t *testing.T) {
	if _, err := New(Options{}); err == nil {
		t.Error("a machine without an id was made")
	}
	m, err := New(Options{Signature: signature(1)})
	if err != nil {
		t.Fatal(err)
	}
	m.Took(nil)
	if result := m.Result(); result.Outcome != Stopped || !errors.Is(result.Err, errAnswers) {
		t.Errorf("%+v", result)
	}
	for name, operation := range map[string]Operation{
		"a void":           func(Record) (Record, error) { return Record{Operation: OpVoid, Of: 0}, nil },
		"a bad ring":       func(Record) (Record, error) { return Record{Operation: OpSet, After: Table{"A": {}}}, nil },
		"a forgotten ring": func(Record) (Record, error) { return Record{Operation: OpSet}, nil },
	} {
		e := &explorer{numbers: newNumbers()}
		var w world
		if _, _, err := alone(e.numbers, &w, e.machine(1, set("dev", "0.1.0")), nil, 100); err != nil {
			t.Fatal(err)
		}
		m := e.machine(2, operation)
		if _, _, err := alone(e.numbers, &w, m, nil, 100); err != nil || m.Result().Outcome != Refused {
			t.Errorf("%s: %v %+v", name, err, m.Result())
		}
	}
}

// A ring tag may lag by many records, and is then known nevertheless.
func TestRingsThatLagFar(t *testing.T) {
	for _, lag := range []int{1, 2, 3, 30, 50} {
		e := &explorer{numbers: newNumbers()}
		var w world
		for i := range 52 {
			if _, _, err := alone(e.numbers, &w, e.machine(i+1, set("dev", "0.1."+strings.Repeat("1", 1+i%12)[:1+i%12])), nil, 100); err != nil {
				t.Fatal(err)
			}
		}
		only := sha("only")
		for i, operation := range []Operation{place("users", Place{Root: "deploy", Version: version("7.7.7"), Digest: only})} {
			if _, _, err := alone(e.numbers, &w, e.machine(200+i, operation), nil, 100); err != nil {
				t.Fatal(err)
			}
		}
		for i := range lag {
			if _, _, err := alone(e.numbers, &w, e.machine(300+i, set("users", []string{"0.1.1", "0.1.11"}[i%2])), nil, 100); err != nil {
				t.Fatal(err)
			}
		}
		e.write(&w, Content{"deploy", "users", only})
		m := e.machine(99, nil)
		if _, _, err := alone(e.numbers, &w, m, nil, 100); err != nil || m.Result().Outcome != Settled {
			t.Errorf("by %d records: %v %v", lag, err, m.Result().Err)
		}
		if got := e.look(w, "deploy", "users"); got == only {
			t.Errorf("by %d records: the ring stays behind", lag)
		}
	}
}

// Every phase has a handler, a step that docs/log.md describes, and a name that no
// other one of that step has.
func TestPhases(t *testing.T) {
	page, err := os.ReadFile("../../docs/log.md")
	if err != nil {
		t.Fatal(err)
	}
	said := map[string]phase{}
	for p := range phases {
		step, name := string(phaseNames[p].step), p.String()
		if handlers[p] == nil || name == "" || !strings.Contains(string(page), "**"+step+"**") {
			t.Errorf("phase %d is %q of the step %q", p, name, step)
		}
		if other, found := said[step+name]; found {
			t.Errorf("phases %d and %d are both %q of %s", other, p, name, step)
		}
		said[step+name] = p
	}
	if !strings.Contains(string(page), "**"+string(stepFollow)+"**") {
		t.Error("docs/log.md has no step Follow")
	}
}
