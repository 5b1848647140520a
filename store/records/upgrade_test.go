package records

import (
	"bufio"
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/quoitbuild/quoit/versioning"
)

// The logs in testdata/schema1 were written by commands of schema 1, in simulated
// histories: a record in each line, as its label has it.

// frozenLogs are those logs, by name.
func frozenLogs(t testing.TB) map[string][]Sealed {
	t.Helper()
	files, err := filepath.Glob("testdata/schema1/*.jsonl")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	logs := map[string][]Sealed{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var log []Sealed
		for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
			record, err := Parse(lines.Bytes())
			if err != nil {
				t.Fatalf("%s, record %d: %v", file, len(log)+1, err)
			}
			sealed, err := Seal(record)
			if err != nil {
				t.Fatalf("%s, record %d: %v", file, len(log)+1, err)
			}
			if again, err := Format(record); err != nil || !bytes.Equal(again, lines.Bytes()) {
				t.Fatalf("%s, record %d has other bytes now: %v", file, len(log)+1, err)
			}
			log = append(log, sealed)
		}
		logs[filepath.Base(file)] = log
	}
	return logs
}

// Records of schema 1 keep their bytes, so that each still is the next one's parent.
func TestSchemaOneIsStillAChain(t *testing.T) {
	for name, log := range frozenLogs(t) {
		for i, sealed := range log {
			if i > 0 && sealed.Record.Parent != log[i-1].Digest || sealed.Record.Schema != 1 {
				t.Errorf("%s: record %d of schema %d has the parent %s", name, i+1, sealed.Record.Schema, sealed.Record.Parent)
			}
		}
	}
}

// stacksOf says what can be undone in each ring after a log, by what its records do and
// not by what they say of it: a shift is undone in the rings that the unshift holds.
func stacksOf(log []Sealed) map[string][]versioning.Top {
	stacks := map[string][]versioning.Top{}
	for _, sealed := range log {
		r := sealed.Record
		switch r.Operation {
		case OpShift:
			for _, ring := range r.Moved() {
				if !r.After[ring].Same(r.Before[ring]) {
					from := simulated[slices.Index(simulated, ring)-1]
					stacks[ring] = append(stacks[ring], versioning.Top{Record: r.Sequence, From: from, Given: r.After[ring], Displaced: r.Before[ring]})
				}
			}
		case OpUnshift:
			for ring, hold := range r.Holds {
				if last := len(stacks[ring]) - 1; hold.Record == r.Sequence && last >= 0 && stacks[ring][last].Record == r.Of {
					stacks[ring] = stacks[ring][:last]
				}
			}
		}
	}
	return stacks
}

func upgraderOf(log []Sealed) *Upgrader {
	u := &Upgrader{}
	for _, sealed := range log {
		u.Add(sealed)
	}
	return u
}

// upgradedOf is the record that follows a log, sealed.
func upgradedOf(t testing.TB, u *Upgrader, newest Sealed, tags map[string][]versioning.Version) Sealed {
	t.Helper()
	record := u.Record(newest.Record, tags)
	record.Sequence, record.Parent, record.Before, record.Signature = newest.Record.Sequence+1, newest.Digest, newest.Record.After, signature(99)
	record.know(newest)
	sealed, err := Seal(record)
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

// After any record of any log, an upgrade says what can be undone, and what below that.
func TestUpgradeFindsTheStacks(t *testing.T) {
	below := 0
	for name, whole := range frozenLogs(t) {
		for count := 1; count <= len(whole); count++ {
			log := whole[:count]
			record := upgradedOf(t, upgraderOf(log), log[count-1], nil).Record
			stacks, tops := stacksOf(log), map[string]versioning.Top{}
			for ring, stack := range stacks {
				if len(stack) > 0 {
					tops[ring] = stack[len(stack)-1]
				}
			}
			if diff := cmp.Diff(tops, record.Tops, equateEmpty); diff != "" {
				t.Errorf("%s, %d records (-want +got):\n%s", name, count, diff)
			}
			if record.Undo != nil || len(record.Under) > 0 || record.Operation != OpUpgrade || len(record.Moved()) > 0 {
				t.Errorf("%s, %d records: %+v", name, count, record)
			}
			reader := readerOf(log)
			for ring, stack := range stacks {
				for depth := len(stack) - 1; depth > 0; depth-- {
					under, digests, err := reader.Under(t.Context(), log[stack[depth].Record-1].Record)
					if err != nil || under[ring] != stack[depth-1] {
						t.Errorf("%s, %d records, ring %s: under record %d is %v, %v, and should be %v", name, count, ring, stack[depth].Record, under[ring], err, stack[depth-1])
					}
					for _, number := range []uint64{stack[depth-1].Record, stack[depth-1].Given.Record, stack[depth-1].Displaced.Record} {
						if number > 0 && digests[number] != log[number-1].Digest {
							t.Errorf("%s, ring %s: under record %d, record %d is %q", name, ring, stack[depth].Record, number, digests[number])
						}
					}
					below++
				}
			}
		}
	}
	if below < 20 {
		t.Errorf("only %d shifts were below others", below)
	}
}

var equateEmpty = cmp.FilterValues(func(x, y map[string]versioning.Top) bool { return len(x)+len(y) == 0 }, cmp.Ignore())

// readerOf reads a log of which only the records' tags are there.
func readerOf(log []Sealed) *Log {
	r := &registry{numbers: newNumbers()}
	for _, sealed := range log {
		r.store[sealed.Digest] = &sealed
		r.numbers.write(&r.world, Content{Repository, Name{Sequence: sealed.Record.Sequence}.String(), sealed.Digest})
	}
	return NewLog(r)
}

// An upgrade knows every record that it names, and every version that was assigned.
func TestUpgradeKnowsDigestsAndVersions(t *testing.T) {
	for name, log := range frozenLogs(t) {
		u := upgraderOf(log)
		if images := u.Images(); len(images) > 0 {
			t.Errorf("%s: the tags of %v are asked for", name, images)
		}
		record := upgradedOf(t, u, log[len(log)-1], nil).Record
		for _, number := range record.names() {
			if record.Digests[number] != log[number-1].Digest {
				t.Errorf("%s: record %d is %q", name, number, record.Digests[number])
			}
		}
		highest := map[string]versioning.Version{}
		for _, sealed := range log {
			for image, content := range sealed.Record.Images {
				if !record.Assigned.Taken(image, content.Version) {
					t.Errorf("%s: %s %s, of record %d, is free", name, image, content.Version, sealed.Record.Sequence)
				}
				if highest[image].Compare(content.Version) < 0 {
					highest[image] = content.Version
				}
			}
		}
		for image, v := range highest {
			for _, next := range []versioning.Version{{Major: v.Major, Minor: v.Minor + 1}, {Major: v.Major, Minor: v.Minor, Patch: v.Patch + 1}} {
				if record.Assigned.Taken(image, next) {
					t.Errorf("%s: %s %s is not free", name, image, next)
				}
			}
		}
	}
}

// Where records are gone, tags show what was assigned, and stacks end.
func TestUpgradeOfALogWithGaps(t *testing.T) {
	for name, log := range frozenLogs(t) {
		newest := log[len(log)-1]
		tags := map[string][]versioning.Version{}
		for _, sealed := range log {
			for image, content := range sealed.Record.Images {
				tags[image] = append(tags[image], content.Version)
			}
		}
		for lost := 1; lost < len(log); lost++ {
			there := slices.Clone(log[lost:])
			for _, place := range newest.Record.After { // what rings have is there
				if place.Record > 0 && place.Record <= uint64(lost) && !slices.ContainsFunc(there, func(s Sealed) bool { return s.Record.Sequence == place.Record }) {
					there = append(there, log[place.Record-1])
				}
			}
			slices.SortFunc(there, func(a, b Sealed) int { return int(a.Record.Sequence) - int(b.Record.Sequence) })
			u := upgraderOf(there)
			images := u.Images()
			asked := maps.Clone(tags)
			maps.DeleteFunc(asked, func(image string, _ []versioning.Version) bool { return !slices.Contains(images, image) })
			record := upgradedOf(t, u, newest, asked).Record
			full := upgradedOf(t, upgraderOf(log), newest, nil).Record
			for ring, top := range record.Tops {
				if full.Tops[ring] != top {
					t.Errorf("%s without %d records: ring %s says %v", name, lost, ring, top)
				}
			}
			for image, versions := range asked {
				for _, v := range versions {
					if !record.Assigned.Taken(image, v) {
						t.Errorf("%s without %d records: %s %s is free", name, lost, image, v)
					}
				}
			}
			for _, place := range newest.Record.After {
				if place.Record > 0 && record.Digests[place.Record] != log[place.Record-1].Digest {
					t.Errorf("%s without %d records: record %d is %q", name, lost, place.Record, record.Digests[place.Record])
				}
			}
		}
	}
}

// Releases that are older than the log say themselves what they have.
func TestUpgradeOfWhatIsOlderThanTheLog(t *testing.T) {
	old := Place{Root: "deploy", Version: version("0.9.0"), Digest: sha("old"), Release: 1}
	newer := Place{Root: "deploy", Version: version("0.13.0"), Digest: sha("newer"), Release: 2}
	record := Record{
		Schema: 1, Sequence: 1, Operation: OpTakeOver, Signature: signature(1), Releases: 2,
		After: Table{"dev": newer, "users": old},
	}
	sealed, err := Seal(record)
	if err != nil {
		t.Fatal(err)
	}
	u := upgraderOf([]Sealed{sealed})
	if diff := cmp.Diff([]Place{newer, old}, u.Older(record)); diff != "" {
		t.Error(diff)
	}
	u.AddOlder(2, map[string]versioning.Version{"deploy": version("0.13.0"), "api": version("0.7.1")})
	u.AddOlder(1, map[string]versioning.Version{"deploy": version("0.9.0"), "api": version("0.5.0"), "gone": version("1.2.3")})
	if got := fmt.Sprint(u.Images()); got != "[api deploy gone]" {
		t.Errorf("the tags of %s are asked for", got)
	}
	v := version
	tags := map[string][]versioning.Version{
		"api": {v("0.5.0"), v("0.5.4"), v("0.6.0"), v("0.7.1"), v("0.8.2")}, "deploy": {v("0.9.0"), v("0.13.0"), v("0.13.1")}, "gone": {v("1.2.3"), v("2.0.0")},
	}
	want := versioning.Assigned{
		"api":    {{Version: v("0.5.4"), First: 1, Last: 1}, {Version: v("0.7.1"), First: 2, Last: 2}, {Version: v("0.8.2")}},
		"deploy": {{Version: v("0.9.0"), First: 1, Last: 1}, {Version: v("0.13.1"), First: 2, Last: 2}},
		"gone":   {{Version: v("1.2.3"), First: 1, Last: 1}, {Version: v("2.0.0")}},
	}
	if diff := cmp.Diff(want, upgradedOf(t, u, sealed, tags).Record.Assigned); diff != "" {
		t.Error(diff)
	}
}

// Nothing but an upgrade follows a record of schema 1, and no operation is asked before.
func TestNothingFollowsSchemaOneUnasked(t *testing.T) {
	log := frozenLogs(t)["partly-undone.jsonl"]
	e := &explorer{numbers: newNumbers()}
	w := e.frozen(log)
	m := e.machine(901, func(Record) (Record, error) {
		t.Error("the operation was asked")
		return Record{}, errNothing
	})
	if _, _, err := alone(e.numbers, &w, m, nil, 100); err != nil || m.Result().Err != ErrOlder || m.Result().Newest.Digest != log[len(log)-1].Digest {
		t.Errorf("%v %+v", err, m.Result())
	}
	m = e.machine(902, nil)
	if _, _, err := alone(e.numbers, &w, m, nil, 100); err != nil || m.Result().Outcome != Settled {
		t.Errorf("%v %+v", err, m.Result())
	}
	m = e.machine(903, upgrade(upgraderOf(log), log[len(log)-1].Digest))
	m.options.Upgrade = true
	if _, _, err := alone(e.numbers, &w, m, nil, 100); err != nil || m.Result().Outcome != Success {
		t.Fatalf("%v %+v", err, m.Result())
	}
	m = e.machine(904, place("users", Place{Root: "deploy", Version: version("9.9.9"), Digest: sha("9.9.9")}))
	if _, _, err := alone(e.numbers, &w, m, nil, 100); err != nil || m.Result().Outcome != Success || m.Result().Record.Record.Schema != Schema {
		t.Errorf("%v %+v", err, m.Result())
	}
	if findings := Verify(e.wholeLog(w)); len(findings) > 0 {
		t.Error(findings)
	}
}

// upgrade is the operation that follows the record that a log ends with.
func upgrade(u *Upgrader, newest string) Operation {
	return func(now Record) (Record, error) {
		if digest := u.digests[now.Sequence]; now.Schema != 1 || digest != newest {
			return Record{}, errNothing
		}
		return u.Record(now, nil), nil
	}
}

// frozen is a world with a log whose tags all follow.
func (n *numbers) frozen(log []Sealed) world {
	var w world
	for _, sealed := range log {
		n.store[sealed.Digest] = &sealed
		sequence := sealed.Record.Sequence
		for _, name := range []Name{{Try, sequence, 1, sealed.Digest}, {Yes, sequence, 1, sealed.Digest}, {Sequence: sequence}, {Mark: Done, Sequence: sequence, Value: sealed.Digest}, {Mark: Hint}} {
			n.write(&w, Content{Repository, name.String(), sealed.Digest})
		}
		for _, tag := range sealed.Record.Versions() {
			n.write(&w, tag)
		}
		if sealed.Record.Operation == OpVoid {
			for _, tag := range sealed.Record.Taken {
				n.write(&w, tag)
			}
		}
		for ring := range sealed.Record.After {
			n.write(&w, TagOf(sealed.Record.After, ring))
		}
	}
	return w
}
