package records

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/quoitbuild/quoit/versioning"
)

// topOf is a shift that gave a ring a release of another one.
func topOf(record uint64, from string, given, displaced Place) versioning.Top {
	return versioning.Top{Record: record, From: from, Given: given, Displaced: displaced}
}

// second is a record with all that schema 2 has.
func second() Record {
	record := sample()
	record.Undo, record.Below = nil, nil
	old, other := record.Before["dev"], Place{Root: "deploy", Version: version("0.0.9"), Digest: sha("9"), Record: 2, Release: 1}
	record.Tops = map[string]versioning.Top{"users": topOf(42, "dev", old, Place{})}
	record.Under = map[string]versioning.Top{"users": topOf(7, "dev", other, old)}
	record.Assigned = versioning.Assigned{"api": {{Version: version("0.6.2"), First: 1, Last: 1}, {Version: version("0.7.1"), First: 1, Last: 2}, {Version: version("1.0.0")}}}
	record.Digests = map[uint64]string{2: sha("r2"), 3: sha("r3"), 7: sha("r7")}
	return record
}

func TestSchemaTwoComesBack(t *testing.T) {
	sealed, err := Seal(second())
	if err != nil {
		t.Fatal(err)
	}
	opened, err := Open(sealed.Manifest, sealed.Config)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(second(), opened.Record); diff != "" {
		t.Errorf("opened is not what was sealed (-sealed +opened):\n%s", diff)
	}
	const want = `\"tops\":{\"users\":{\"record\":42,\"from\":\"dev\",\"given\":{`
	if !strings.Contains(string(sealed.Config), want) {
		t.Errorf("%s has no %s", sealed.Config, want)
	}
	for range 25 {
		if again, err := Seal(second()); err != nil || again.Digest != sealed.Digest {
			t.Fatal("the same record has other bytes", err)
		}
	}
}

func TestBrokenSchemaTwo(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*Record)
		want   string
	}{
		"fields in schema 1":     {func(r *Record) { r.Schema = 1 }, "it is of schema 1, and has fields of a later one"},
		"a later schema":         {func(r *Record) { r.Schema = 3 }, "update quoit"},
		"its own digest":         {func(r *Record) { r.Digests[42] = sha("x") }, "it says that record 42 is"},
		"a digest of none":       {func(r *Record) { r.Digests[0] = sha("x") }, "it says that record 0 is"},
		"a digest":               {func(r *Record) { r.Digests[3] = "x" }, `it says that record 3 is "x"`},
		"a later shift":          {func(r *Record) { r.Tops["users"] = topOf(43, "dev", r.After["dev"], Place{}) }, "record 43 can be undone"},
		"a shift of nothing":     {func(r *Record) { r.Tops["users"] = topOf(9, "dev", Place{}, Place{}) }, "record 9 can be undone"},
		"a ring":                 {func(r *Record) { r.Tops["Users"] = r.Tops["users"] }, `"Users" is not a name for the ring`},
		"a giver":                {func(r *Record) { r.Tops["users"] = topOf(9, "", r.After["dev"], Place{}) }, `"" is not a name for the ring`},
		"what was displaced":     {func(r *Record) { r.Tops["users"] = topOf(9, "dev", r.After["dev"], Place{Root: "deploy", Release: 9}) }, "release 9 of 2"},
		"a root image":           {func(r *Record) { r.Tops["users"] = topOf(9, "dev", r.After["dev"], Place{Release: 1}) }, `"" is not a name for the root image`},
		"a shift below none":     {func(r *Record) { r.Under["dev"] = r.Under["users"] }, "record 7 can be undone below record 0"},
		"a shift below itself":   {func(r *Record) { r.Under["users"] = r.Tops["users"] }, "record 42 can be undone below record 42"},
		"lines out of order":     {func(r *Record) { slices.Reverse(r.Assigned["api"]) }, "of image api version 0.7.1 was assigned"},
		"a line twice":           {func(r *Record) { r.Assigned["api"][1].Version = version("0.6.3") }, "of image api version 0.6.3 was assigned"},
		"a release to come":      {func(r *Record) { r.Assigned["api"][1].Last = 3 }, "to releases 1 to 3 of 2"},
		"a first release":        {func(r *Record) { r.Assigned["api"][1].First = 0 }, "to releases 0 to 2 of 2"},
		"a last release":         {func(r *Record) { r.Assigned["api"][1].First = 2; r.Assigned["api"][1].Last = 1 }, "to releases 2 to 1 of 2"},
		"an image of no version": {func(r *Record) { r.Assigned["api"][0].Version = versioning.Version{} }, "of image api version 0.0.0"},
		"an image's name":        {func(r *Record) { r.Assigned[".."] = nil }, `".." is not a name for the image`},
	} {
		t.Run(name, func(t *testing.T) {
			record := second()
			test.change(&record)
			if _, err := Format(record); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

// A record names digests of those that its places and shifts are from, and no others.
func TestTheMachineFillsInDigests(t *testing.T) {
	r := &registry{numbers: newNumbers()}
	r.write(t, numbered("dev", "0.1.0"), numbered("dev", "0.2.0"), shiftOnce("dev", "users"), numbered("dev", "0.3.0"), shiftOnce("dev", "users"),
		numbered("dev", "0.4.0"), numbered("dev", "0.5.0"), place("users", Place{Root: "deploy", Version: version("0.9.0"), Digest: sha("0.9.0")}), place("users", Place{}))
	digest := func(sequence uint64) string { return r.look(r.world, Repository, Name{Sequence: sequence}.String()) }
	for sequence, want := range map[uint64][]uint64{
		1: nil, 2: {1}, 3: {2}, 4: {2, 3}, 5: {2, 3, 4},
		6: {2, 4, 5}, // what users has, the shift, what it displaced
		7: {2, 4, 5, 6},
		8: {2, 4, 5, 7}, // what the operation sets is older than the log
		9: {2, 4, 5, 7},
	} {
		record := r.store[digest(sequence)].Record
		if got := slices.Sorted(maps.Keys(record.Digests)); !slices.Equal(got, want) {
			t.Errorf("record %d knows those of %v, want %v", sequence, got, want)
		}
		for number, known := range record.Digests {
			if known != digest(number) {
				t.Errorf("record %d says that record %d is %s", sequence, number, known)
			}
		}
	}
}

// shiftOnce gives a ring what another one has.
func shiftOnce(from, to string) Operation {
	return func(newest Record) (Record, error) {
		record := newest.Following(OpShift)
		record.After[to] = newest.After[from]
		if under, found := record.Tops[to]; found {
			record.Under = map[string]versioning.Top{to: under}
		}
		if record.Tops == nil {
			record.Tops = map[string]versioning.Top{}
		}
		record.Tops[to] = topOf(newest.Sequence+1, from, newest.After[from], newest.After[to])
		return record, nil
	}
}

// What takes a record of schema 1 back can be read by the command that wrote it.
func TestSideRecordsKeepTheSchema(t *testing.T) {
	r := &registry{numbers: newNumbers()}
	e := explorer{numbers: r.numbers}
	m := e.machine(1, numbered("dev", "0.1.0"))
	m.seal = func(record Record) (Sealed, error) {
		if record.Operation == OpPublish {
			record.Schema, record.Digests = 1, nil
		}
		return r.seal(record)
	}
	for m.step() != stepAgree {
		requests, _ := m.Next()
		var got []Response
		for _, request := range requests {
			got = append(got, r.answer(&r.world, request))
		}
		m.Took(got)
	}
	r.numbers.write(&r.world, Content{"deploy", "0.1.0", sha("eve")})
	if _, _, err := alone(r.numbers, &r.world, m, nil, 100); err != nil || m.Result().Outcome != Foreign {
		t.Fatalf("%v %+v", err, m.Result())
	}
	if newest, count := r.newest(r.world); count != 2 || newest.Record.Operation != OpVoid || newest.Record.Schema != 1 || newest.Record.Digests != nil {
		t.Errorf("record %d is a %s of schema %d", count, newest.Record.Operation, newest.Record.Schema)
	}
}

// A project of a thousand images and a thousand releases, each hotfixed now and then.
func TestLargeRecordsStaySmall(t *testing.T) {
	record := Record{
		Sequence: 2000, Parent: sha("parent"), Operation: OpPublish, Signature: signature(1), Before: Table{}, After: Table{}, Releases: 1000,
		Images: map[string]Image{}, Assigned: versioning.Assigned{}, Tops: map[string]versioning.Top{}, Digests: map[uint64]string{},
	}
	var lineage []string // every third release is of an outer ring
	for n := 1; n < 990; n += 3 {
		lineage = append(lineage, fmt.Sprintf("%d-%d", n, n+1))
	}
	rings := []string{"ante", "dev", "testers", "beta", "users", "lts", "post"}
	for i, ring := range rings {
		place := func(n int) Place {
			return Place{
				Root: "deployment-manifests", Version: version(fmt.Sprintf("1.%d.12", n)), Digest: sha(fmt.Sprint(n)),
				Record: uint64(n), Release: uint64(991 + i), Lineage: versioning.Lineage(strings.Join(lineage, ",")),
			}
		}
		record.Before[ring], record.After[ring] = place(1000+10*i), place(1001+10*i)
		record.Tops[ring] = topOf(uint64(1500+i), "testers", place(1002+10*i), place(1003+10*i))
	}
	for i := range 1000 {
		name := fmt.Sprintf("a-service-with-a-long-name-%04d", i)
		record.Images[name] = Image{Version: version(fmt.Sprintf("1.%d.0", i)), Digest: sha(name), New: true}
		for _, v := range []string{"0.214.17", "1.100.3", "1.187.2", "1.188.1", "1.200.0", "2.41.3"} { // a line that each ring has, and of each major
			record.Assigned[name] = append(record.Assigned[name], versioning.Line{Version: version(v), First: 311, Last: 999})
		}
	}
	for _, number := range record.names() {
		record.Digests[number] = sha(fmt.Sprint(number))
	}
	sealed, err := Seal(record)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes: config %d, manifest %d", len(sealed.Config)+len(sealed.Manifest), len(sealed.Config), len(sealed.Manifest))
	if len(sealed.Config)+len(sealed.Manifest) > 1<<20 {
		t.Error("it is larger than 1 MB")
	}
}
