package records

import (
	"strings"
	"testing"
)

// wholeWorld has a log of four records: a publish, one that was voided, and a set.
func wholeWorld(t *testing.T) (*explorer, world) {
	t.Helper()
	e := &explorer{numbers: newNumbers()}
	var w world
	a := sha("0.1.0")
	for i, operation := range []Operation{publish("dev", "0.1.0", ""), publishTwo("dev", "0.2.0", a), set("users", "0.1.0")} {
		m := e.machine(i+1, operation)
		if i == 1 {
			m.variant = func(m *Machine, _ []Response) bool { // somebody pushes the version meanwhile
				if m.phase == deciding {
					e.write(&w, Content{"api", "0.2.0", sha("foreign")})
				}
				return false
			}
		}
		if _, _, err := alone(e.numbers, &w, m, nil, 200); err != nil {
			t.Fatal(err)
		}
		if outcome := m.Result().Outcome; outcome != Success && i != 1 || i == 1 && outcome != Foreign {
			t.Fatalf("%d: %s %v", i, outcome, m.Result().Err)
		}
	}
	return e, w
}

func TestNothingIsWrongWithAWholeLog(t *testing.T) {
	e, w := wholeWorld(t)
	log := e.wholeLog(w)
	if len(log.Tags) < 10 || log.Tags["record-00000004"] == "" {
		t.Fatalf("the log is too short for this test: %v", log.Tags)
	}
	for _, finding := range Verify(log) {
		t.Error(finding)
	}
	for _, finding := range Verify(Snapshot{}) {
		t.Error(finding)
	}
}

func TestTampering(t *testing.T) {
	other, err := Seal(Record{Sequence: 2, Parent: sha("x"), Operation: OpSet, Signature: signature(9), After: Table{"dev": {Root: "deploy", Version: version("6.6.6"), Digest: sha("6")}}})
	if err != nil {
		t.Fatal(err)
	}
	two := Name{Sequence: 2}.String()
	for name, test := range map[string]struct {
		change func(*Snapshot)
		fault  Fault
		record uint64
		tag    string
	}{
		"a ring tag moved by hand":  {func(l *Snapshot) { l.Images[Content{"deploy", "dev", ""}] = sha("evil") }, Disagrees, 4, "dev"},
		"a ring tag that lags":      {func(l *Snapshot) { l.Images[Content{"deploy", "users", ""}] = "" }, Unfinished, 4, "users"},
		"a version tag overwritten": {func(l *Snapshot) { l.Images[Content{"deploy", "0.1.0", ""}] = sha("evil") }, Disagrees, 1, "0.1.0"},
		"a version tag deleted":     {func(l *Snapshot) { l.Images[Content{"deploy", "0.1.0", ""}] = "" }, Gone, 1, "0.1.0"},
		"a record removed":          {func(l *Snapshot) { delete(l.Tags, two) }, Gone, 2, two},
		"the newest record removed": {func(l *Snapshot) { delete(l.Tags, "record-00000004") }, Gone, 4, "record-00000004"},
		"a record replaced":         {func(l *Snapshot) { l.Tags[two], l.Records[other.Digest] = other.Digest, other.Record }, Altered, 2, two},
		"a record of another chain, with votes": {func(l *Snapshot) {
			l.Tags[two], l.Records[other.Digest] = other.Digest, other.Record
			l.Tags[Name{Yes, 2, 1, other.Digest}.String()] = other.Digest
		}, Chain, 3, "record-00000003"},
		"a record lost":                  {func(l *Snapshot) { delete(l.Records, l.Tags[two]); delete(l.Tags, two) }, Gone, 2, two},
		"the hint deleted":               {func(l *Snapshot) { delete(l.Tags, "records") }, Unfinished, 0, "records"},
		"a record that cannot be read":   {func(l *Snapshot) { delete(l.Records, l.Tags[two]) }, Broken, 2, two},
		"another record under a number":  {func(l *Snapshot) { l.Tags[two] = l.Tags["record-00000001"] }, Altered, 2, two},
		"a vote moved":                   {func(l *Snapshot) { l.Tags[vote(*l, 2, Yes)] = sha("evil") }, Altered, 2, "-yes-"},
		"two votes in a round":           {func(l *Snapshot) { l.Tags[Name{Yes, 2, 1, other.Digest}.String()] = other.Digest }, Disordered, 2, "-yes-"},
		"a vote after the decision":      {func(l *Snapshot) { l.Tags[Name{Yes, 2, 2, other.Digest}.String()] = other.Digest }, Disordered, 2, "-r02-yes-"},
		"a completed record that lost":   {func(l *Snapshot) { l.Tags[Name{Done, 2, 0, other.Digest}.String()] = other.Digest }, Contested, 2, "-done-"},
		"the hint moved":                 {func(l *Snapshot) { l.Tags["records"] = sha("evil") }, Disagrees, 0, "records"},
		"a table before that was forged": {func(l *Snapshot) { forge(l, 4, func(r *Record) { r.Before = Table{} }) }, Chain, 4, "record-00000004"},
		"a digest of another record":     {func(l *Snapshot) { forge(l, 4, func(r *Record) { r.Digests = map[uint64]string{2: sha("evil")} }) }, Chain, 4, "record-00000004"},
		"an operation twice":             {func(l *Snapshot) { forge(l, 4, func(r *Record) { r.ID = signature(1).ID }) }, Twice, 4, "record-00000004"},
		"a version twice": {func(l *Snapshot) {
			forge(l, 4, func(r *Record) { r.Images = map[string]Image{"deploy": {version("0.1.0"), sha("evil"), true, ""}} })
		}, Twice, 4, "record-00000004"},
	} {
		t.Run(name, func(t *testing.T) {
			e, w := wholeWorld(t)
			log := e.wholeLog(w)
			test.change(&log)
			for _, finding := range Verify(log) {
				if finding.Fault == test.fault && finding.Record == test.record && strings.Contains(finding.Tag.Tag, test.tag) {
					if finding.What == "" || finding.Next == "" {
						t.Errorf("no word on what to do: %s", finding)
					}
					return
				}
			}
			t.Errorf("not found; %v", Verify(log))
		})
	}
}

func vote(l Snapshot, sequence uint64, mark Mark) string {
	for tag := range l.Tags {
		if name, ok := ParseName(tag); ok && name.Sequence == sequence && name.Mark == mark {
			return tag
		}
	}
	return ""
}

func forge(l *Snapshot, sequence uint64, change func(*Record)) {
	digest := l.Tags[Name{Sequence: sequence}.String()]
	record := l.Records[digest]
	change(&record)
	l.Records[digest] = record
}
