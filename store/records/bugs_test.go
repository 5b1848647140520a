package records

import (
	"slices"
	"strings"
	"testing"

	"github.com/quoitbuild/quoit/internal/dose"
)

// planted is a mistake, where it shows, and what the checker says of it.
type planted struct {
	scenario scenario
	variant  func(*Machine, []Response) bool
	want     string
}

func plantedBugs() map[string]planted {
	a := sha("0.1.0")
	both := scenario{
		operations: []Operation{publish("dev", "0.2.0", a), set("dev", "0.3.0")},
		begin:      []Operation{set("dev", "0.1.0")}, settled: true, rounds: 2,
	}
	taken := both
	taken.operations = []Operation{publish("dev", "0.2.0", a), set("users", "0.1.0")}
	taken.foreign = []Content{{"deploy", "0.2.0", sha("foreign")}}
	lagging := both
	lagging.stale = true
	tiny := lagging
	tiny.page, tiny.operations, tiny.rounds = 1, []Operation{set("dev", "0.2.0"), set("dev", "0.3.0")}, 3
	unordered := both
	unordered.unordered, unordered.blind = true, true
	assigned := both
	assigned.operations = []Operation{publish("dev", "0.2.0", a), publishOther("users", "0.2.0")}
	partly := taken
	partly.begin = []Operation{set("dev", "0.1.0"), publishTwo("dev", "0.2.0", a)}
	partly.settled, partly.impatient = false, true
	partly.operations = []Operation{set("users", "0.1.0"), publishAPI("dev", "0.2.0")}
	refused := both
	refused.begin, refused.settled, refused.impatient = []Operation{set("dev", "0.1.0"), publish("dev", "0.2.0", a)}, false, true
	refused.operations = []Operation{publish("dev", "0.4.0", a), set("dev", "0.3.0")}
	return map[string]planted{
		"claims that expire":                {both, claims, "was overwritten"},
		"the smallest in the listing wins":  {both, smallest, "was overwritten"},
		"one phase":                         {both, onePhase, "was overwritten"},
		"no closing check":                  {both, noClosing, "nobody crashed, and ring dev"},
		"no closing check when refused":     {refused, noClosingRefused, "nobody crashed, and ring dev"},
		"not awaiting the own tag":          {lagging, noAwait, "was overwritten"},
		"unordered listings, not looked at": {unordered, noEvidence, "not reported"},
		"one listing of several pages":      {tiny, onePages, "the log says"},
		"no doubt":                          {taken, noDoubt, "success of writer 0 is taken back"},
		"versions that were not looked at":  {assigned, noVersions, "again"},
		"a void before the other versions":  {partly, voidAtOnce, "again"},
	}
}

// The checkers have to find these mistakes: a check that cannot fail is none.
func TestPlantedBugsAreFound(t *testing.T) {
	for name, test := range plantedBugs() {
		t.Run(name, func(t *testing.T) {
			s := test.scenario
			s.variant = test.variant
			e, err := explore(s)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("got %v after %d states, want %q", err, len(e.seen), test.want)
			}
			said, _, _ := strings.Cut(err.Error(), ":\n")
			t.Logf("%s (%d states)", said, len(e.seen))
		})
	}
}

// Mistakes that need more than an exhaustive check can draw in a short time.
func TestPlantedBugsAreFoundInHistories(t *testing.T) {
	for name, test := range map[string]struct {
		variant func(*Machine, []Response) bool
		first   uint64 // seed
	}{
		"no closing check":         {noClosing, dose.Of[uint64](1061, 1, 1)},
		"not awaiting the own tag": {noAwait, 1},
		"no doubt":                 {noDoubt, dose.Of[uint64](11701, 11501, 11501)},
	} {
		t.Run(name, func(t *testing.T) {
			_, seed, _, err := histories(test.first, 5000, func(h *history) {
				h.variant = test.variant
			})
			if err == nil {
				t.Fatal("nothing was found")
			}
			t.Logf("seed %d: %v", seed, err)
		})
	}
}

// publishOther publishes other contents under a version.
func publishOther(ring, v string) Operation {
	return func(newest Record) (Record, error) {
		images := map[string]Image{"deploy": {Version: version(v), Digest: sha("other" + v), New: true}}
		return Record{Operation: OpPublish, After: with(newest.After, ring, Place{Root: "deploy", Version: version(v), Digest: sha("other" + v)}), Images: images}, nil
	}
}

// publishAPI publishes other contents under a version of another image.
func publishAPI(ring, v string) Operation {
	return func(newest Record) (Record, error) {
		images := map[string]Image{"api": {Version: version(v), Digest: sha("other api" + v), New: true}}
		return Record{Operation: OpPublish, After: with(newest.After, ring, Place{Root: "deploy", Version: version("0.9.0"), Digest: sha("0.9.0")}), Images: images}, nil
	}
}

// publishTwo publishes two images.
func publishTwo(ring, v, expected string) Operation {
	return func(newest Record) (Record, error) {
		record, err := publish(ring, v, expected)(newest)
		if err == nil {
			record.Images["api"] = Image{Version: version(v), Digest: sha("api" + v), New: true}
		}
		return record, err
	}
}

// claims is an earlier idea: a claim that others may take over when it expired.
func claims(m *Machine, r []Response) bool {
	claim := Content{Repository: Repository, Tag: "claim"}
	const claimed, kept, expired = phases, phases + 1, phases + 2
	mine := claim
	mine.Digest = m.value
	switch m.phase {
	case trying:
		m.ask(claimed, headRecord(m.slot()), head(claim))
	case claimed:
		switch {
		case r[0].Found:
			m.climbing(r)
		case r[1].Digest == m.value:
			m.ask(deciding, m.write(Name{Sequence: m.slot()}, m.value))
		case r[1].Found:
			m.ask(expired, Request{Action: Wait, Reason: Backoff})
		default:
			m.ask(kept, put(mine))
		}
	case kept:
		m.ask(claimed, headRecord(m.slot()), head(claim))
	case expired:
		if r[0].Over {
			m.ask(kept, put(mine))
		} else {
			m.ask(claimed, headRecord(m.slot()), head(claim))
		}
	default:
		return false
	}
	return true
}

func smallest(m *Machine, r []Response) bool {
	if m.phase != looking || r[0].Found {
		return false
	}
	m.value = m.values(Try)[0]
	m.ask(deciding, m.write(Name{Sequence: m.slot()}, m.value))
	return true
}

func onePhase(m *Machine, r []Response) bool {
	if m.phase != looking || r[0].Found {
		return false
	}
	if len(m.values(Try)) > 1 {
		m.nextRound()
		return true
	}
	m.ask(deciding, m.write(Name{Sequence: m.slot()}, m.value))
	return true
}

func noClosing(m *Machine, r []Response) bool {
	if m.phase == lookingAgain {
		r[0].Found = false
	}
	return false
}

// noClosingRefused makes it for a success only.
func noClosingRefused(m *Machine, r []Response) bool {
	if m.phase == lookingAgain && m.pending != nil {
		r[0].Found = false
	}
	return false
}

func noAwait(m *Machine, r []Response) bool {
	if m.phase == polling && !slices.Contains(r[0].Tags, m.list.own.String()) {
		r[0].Tags = append(slices.Clone(r[0].Tags), m.list.own.String())
	}
	return false
}

// noEvidence believes that all is well with what makes a fork visible.
func noEvidence(m *Machine, r []Response) bool {
	if m.phase == lookingAtRings {
		for i, ring := range m.allRings() {
			r[i] = Response{Found: true, Digest: TagOf(m.newest.Record.After, ring).Digest}
		}
	}
	return false
}

func noDoubt(m *Machine, r []Response) bool {
	switch m.phase {
	case askingDone:
		r[0].Found = false
	case lookingAgain:
		if len(r) > 1 {
			r[1].Found = false
		}
	}
	return false
}

func noVersions(m *Machine, r []Response) bool {
	if m.phase == checking {
		for i, request := range m.asked {
			if request.Action == Head {
				r[i].Found = false
			}
		}
	}
	return false
}

// onePages takes the first listing that shows the own tag, on however many pages.
func onePages(m *Machine, _ []Response) bool {
	m.list.shown = m.list.shown || m.phase == polling
	return false
}

// voidAtOnce takes a publish back before its other versions have their tags.
func voidAtOnce(m *Machine, r []Response) bool {
	if m.phase != lookingAtVersions {
		return false
	}
	m.taken = nil
	for i, tag := range m.newest.Record.Versions() {
		if r[i].Found && r[i].Digest != tag.Digest {
			m.taken = append(m.taken, Found{Content{tag.Repository, tag.Tag, r[i].Digest}, tag.Digest})
		}
	}
	if len(m.taken) == 0 {
		return false
	}
	m.takeBack()
	return true
}
