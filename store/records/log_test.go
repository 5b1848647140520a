package records

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"strings"
	"testing"
)

// registry is a world as a [Source] that counts.
type registry struct {
	*numbers
	world       world
	gets, heads int
	lists       int
	several     int
	lost        map[string]bool // digests that are no longer there
	every       bool            // a HEAD finds whatever it asks for
	err         error           // of everything
}

func (r *registry) Heads(_ context.Context, tags ...string) ([]string, error) {
	var digests []string
	for _, tag := range tags {
		r.heads++
		digest := r.look(r.world, Repository, tag)
		if r.every && digest == "" {
			digest = sha(tag)
		}
		digests = append(digests, digest)
	}
	if r.heads > 1000 {
		return nil, errors.New("there is no end to it")
	}
	return digests, r.err
}

func (r *registry) Tags(_ context.Context, page string) ([]string, string, error) {
	r.lists++
	response := r.answer(&r.world, Request{Action: List, Repository: Repository, Page: page})
	return response.Tags, response.Next, r.err
}

func (r *registry) Get(_ context.Context, identifier string) (Got, error) {
	r.gets++
	digest := identifier
	if !isDigest(identifier) {
		digest = r.look(r.world, Repository, identifier)
	}
	if r.lost[digest] {
		return Got{}, r.err
	}
	if sealed := r.store[digest]; sealed != nil {
		return Got{Found: true, Sealed: *sealed}, r.err
	}
	return Got{Found: digest != "", Sealed: Sealed{Digest: digest}, Broken: ErrNotRecord}, r.err
}

func (r *registry) Several(n int, f func(i int) error) error {
	r.several++
	for i := range n {
		if err := f(i); err != nil {
			return err
		}
	}
	return nil
}

func (r *registry) Reference(tag string) string { return Repository + ":" + tag }

// write lets operations be appended one after the other.
func (r *registry) write(t *testing.T, operations ...Operation) {
	t.Helper()
	e := explorer{numbers: r.numbers}
	for i, operation := range operations {
		_, count := r.newest(r.world)
		m := e.machine(count+1, operation)
		if _, _, err := alone(r.numbers, &r.world, m, nil, 100); err != nil || m.Result().Outcome != Success {
			t.Fatalf("operation %d: %v %+v", i, err, m.Result())
		}
	}
}

func (r *registry) hint(digest string) {
	r.numbers.write(&r.world, Content{Repository, string(Hint), digest})
}

func TestNewest(t *testing.T) {
	for _, count := range []int{0, 1, 2, 3, 4, 7, 8, 9, 30} {
		for _, hint := range []string{"right", "behind", "none", "not a record"} {
			r := &registry{numbers: newNumbers()}
			for i := range count {
				r.write(t, set("dev", []string{"0.1.0", "0.2.0"}[i%2]))
			}
			switch hint {
			case "behind":
				r.hint(r.look(r.world, Repository, "record-00000001"))
			case "none":
				r.hint("")
			case "not a record":
				r.hint(sha("mark"))
			}
			log := NewLog(r)
			newest, err := log.Newest(t.Context())
			if want, _ := r.newest(r.world); err != nil || newest.Digest != want.Digest || newest.Record.Sequence != uint64(count) {
				t.Fatalf("of %d, hint %s: %v, record %d", count, hint, err, newest.Record.Sequence)
			}
			if hint == "right" && count > 0 && (r.gets != 1 || r.heads != 1) {
				t.Errorf("of %d: %d gets, %d heads", count, r.gets, r.heads)
			}
			if most := 2 + 2*bits.Len(uint(count)); r.heads > most {
				t.Errorf("of %d, hint %s: %d heads, more than %d", count, hint, r.heads, most)
			}
		}
	}
}

// A registry that has every record, when it is asked by HEAD, ends whoever reads.
func TestALogWithoutEnd(t *testing.T) {
	r := &registry{numbers: newNumbers(), every: true}
	r.write(t, set("dev", "0.1.0"), set("dev", "0.2.0"))
	_, err := NewLog(r).Newest(t.Context())
	if err == nil || !strings.Contains(err.Error(), "it does not answer as a registry does") || r.heads > 100 {
		t.Errorf("after %d heads: %v", r.heads, err)
	}
}

// Whoever only reads takes the hint for a record of the log.
func TestNewestBelievesTheHint(t *testing.T) {
	r := &registry{numbers: newNumbers()}
	r.write(t, set("dev", "0.1.0"), set("dev", "0.2.0"))
	want, _ := r.newest(r.world)
	r.numbers.write(&r.world, Content{Repository, "record-00000002", ""})
	if newest, err := NewLog(r).Newest(t.Context()); err != nil || newest.Digest != want.Digest {
		t.Errorf("record %d, error %v", newest.Record.Sequence, err)
	}
	e := explorer{numbers: r.numbers}
	m := e.machine(9, nil)
	if _, _, err := alone(r.numbers, &r.world, m, nil, 100); err != nil || m.Result().Outcome != Forked {
		t.Errorf("a writer: %v %+v", err, m.Result())
	}
	r.err = errors.New("403")
	if _, err := NewLog(r).Newest(t.Context()); !errors.Is(err, r.err) {
		t.Errorf("error %v", err)
	}
}

// A record whose tag is gone is read by its digest, where a record that was read says it.
func TestRecordsWithoutTags(t *testing.T) {
	r := &registry{numbers: newNumbers(), lost: map[string]bool{}}
	r.write(t, set("dev", "0.1.0"), set("dev", "0.2.0"), numbered("users", "0.3.0"), numbered("dev", "0.4.0"), numbered("dev", "0.5.0"))
	third := r.look(r.world, Repository, "record-00000003")
	for sequence := uint64(1); sequence < 5; sequence++ {
		r.numbers.write(&r.world, Content{Repository, Name{Sequence: sequence}.String(), ""})
	}
	log := NewLog(r)
	if _, err := log.Record(t.Context(), 3); err == nil || !strings.Contains(err.Error(), "record 3 of the log, is gone") {
		t.Errorf("nothing was read, and got %v", err)
	}
	newest, err := log.Newest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, sequence := range []uint64{4, 3} { // the parent, and what a ring has
		if got, err := log.Record(t.Context(), sequence); err != nil || got.Record.Sequence != sequence {
			t.Errorf("record %d: %d, %v", sequence, got.Record.Sequence, err)
		}
	}
	if got, err := NewLog(r).ByDigest(t.Context(), third); err != nil || got.Record.Sequence != 3 {
		t.Errorf("by digest: %d, %v", got.Record.Sequence, err)
	}
	r.lost[third] = true
	if _, err := NewLog(r).ByDigest(t.Context(), third); err == nil || !strings.Contains(err.Error(), "a record of the log, is gone") {
		t.Errorf("lost: %v", err)
	}
	var walked []uint64
	for sealed, err := range NewLog(r).Back(t.Context(), newest) {
		if walked = append(walked, sealed.Record.Sequence); err != nil {
			break
		}
	}
	if fmt.Sprint(walked) != "[5 4 0]" {
		t.Errorf("walked %v", walked)
	}
}

// numbered places a release that its own record published.
func numbered(ring, v string) Operation {
	return func(newest Record) (Record, error) {
		record := newest.Following(OpPublish)
		record.Releases++
		record.After[ring] = Place{Root: "deploy", Version: version(v), Digest: sha(v), Record: newest.Sequence + 1, Release: record.Releases}
		record.Images = map[string]Image{"deploy": {Version: version(v), Digest: sha(v), New: true}}
		return record, nil
	}
}

// No record is read twice, and none that nobody asks for.
func TestBack(t *testing.T) {
	r := &registry{numbers: newNumbers()}
	r.write(t, set("dev", "0.1.0"), set("dev", "0.2.0"), set("dev", "0.3.0"), set("dev", "0.1.0"))
	log := NewLog(r)
	newest, err := log.Newest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	walk := func(most int) (walked []uint64, err error) {
		for sealed, err := range log.Back(t.Context(), newest) {
			if err != nil {
				return walked, err
			}
			if walked = append(walked, sealed.Record.Sequence); len(walked) == most {
				break
			}
		}
		return walked, nil
	}
	r.gets = 0
	if walked, err := walk(2); err != nil || fmt.Sprint(walked) != "[4 3]" || r.gets != 1 {
		t.Errorf("%v %v, %d gets", walked, err, r.gets)
	}
	if walked, err := walk(9); err != nil || fmt.Sprint(walked) != "[4 3 2 1]" || r.gets != 3 {
		t.Errorf("%v %v, %d gets", walked, err, r.gets)
	}
	// The tag of a record on the way may be gone, or name whatever: the next one has its digest.
	for _, digest := range []string{"", sha("other"), r.look(r.world, Repository, "record-00000001")} {
		other := &registry{numbers: r.numbers, world: r.world}
		other.numbers.write(&other.world, Content{Repository, "record-00000003", digest})
		log = NewLog(other)
		if walked, err := walk(9); err != nil || fmt.Sprint(walked) != "[4 3 2 1]" {
			t.Errorf("%v %v", walked, err)
		}
	}
	third, first := newest.Record.Parent, r.look(r.world, Repository, "record-00000001")
	for change, test := range map[string]struct{ lost, parent, want string }{
		"gone":           {third, third, "records:" + third + ", record 3 of the log, is gone: run `quoit verify`"},
		"no record":      {"", sha("other"), "a record of the log, cannot be read: this is not a record of quoit's log"},
		"another number": {"", first, "records:" + first + " says that it is record 1, and not 3: run"},
	} {
		log = NewLog(&registry{numbers: r.numbers, world: r.world, lost: map[string]bool{test.lost: true}})
		newest.Record.Parent = test.parent
		walked, err := walk(9)
		if err == nil || !strings.Contains(err.Error(), test.want) || fmt.Sprint(walked) != "[4]" || errors.As(err, new(*GoneError)) != (test.lost != "") {
			t.Errorf("%s: %v %v, want %q", change, walked, err, test.want)
		}
	}
	for range NewLog(r).Back(t.Context(), Sealed{}) {
		t.Error("an empty log has a record")
	}
}

// Who goes far gets several records at a time, each once, and the log's own though tags are
// gone or name others.
func TestBackReadsAhead(t *testing.T) {
	r := &registry{numbers: newNumbers()}
	var operations []Operation
	for i := range 40 {
		operations = append(operations, set("dev", fmt.Sprintf("0.%d.0", i+1)))
	}
	r.write(t, operations...)
	r.numbers.write(&r.world, Content{Repository, "record-00000020", ""})
	r.numbers.write(&r.world, Content{Repository, "record-00000010", r.look(r.world, Repository, "record-00000011")})
	log := NewLog(r)
	newest, err := log.Newest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ most, gets, several int }{{4, 3, 0}, {8, 4, 1}, {40, 34, 4}, {40, 0, 0}} {
		r.gets, r.several = 0, 0
		next := newest.Record.Sequence
		for sealed, err := range log.Back(t.Context(), newest) {
			if err != nil || sealed.Record.Sequence != next {
				t.Fatalf("record %d, want %d: %v", sealed.Record.Sequence, next, err)
			}
			if next--; int(newest.Record.Sequence-next) == test.most {
				break
			}
		}
		if r.gets != test.gets || r.several != test.several {
			t.Errorf("%d records: %d gets, %d times several", test.most, r.gets, r.several)
		}
	}
}

func TestFind(t *testing.T) {
	r := &registry{numbers: newNumbers()}
	r.write(t, publishTwo("dev", "0.1.0", ""), publish("dev", "0.2.0", sha("0.1.0")))
	// Eve takes 0.3.0 after the publish has looked: it is taken back.
	e := explorer{numbers: r.numbers}
	m := e.machine(9, publish("dev", "0.3.0", sha("0.2.0")))
	for m.step() != stepAgree {
		requests, _ := m.Next()
		var got []Response
		for _, request := range requests {
			got = append(got, r.answer(&r.world, request))
		}
		m.Took(got)
	}
	r.numbers.write(&r.world, Content{"deploy", "0.3.0", sha("eve")})
	if _, _, err := alone(r.numbers, &r.world, m, nil, 100); err != nil || m.Result().Outcome != Foreign {
		t.Fatalf("%v %+v", err, m.Result())
	}
	// From now on the root image has another name, and starts again.
	renamed := place("dev", Place{Root: "root", Version: version("0.1.0"), Digest: sha("root 0.1.0")})
	r.write(t, renamed)

	log := NewLog(r)
	newest, err := log.Newest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ root, version, want string }{
		{"deploy", "0.1.0", sha("0.1.0")},
		{"root", "0.1.0", sha("root 0.1.0")},
		{"deploy", "0.2.0", sha("0.2.0")},
		{"deploy", "0.3.0", ""},
		{"deploy", "9.9.9", ""},
		{"", "0.1.0", sha("root 0.1.0")},
		{"", "0.2.0", sha("0.2.0")},
	} {
		place, found, err := log.Find(t.Context(), newest.Record, test.root, version(test.version))
		if err != nil || place.Digest != test.want || found != (test.want != "") {
			t.Errorf("%s %s: %v, %v, %v", test.root, test.version, place, found, err)
		}
	}
}
