package records

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/quoitbuild/quoit/versioning"
)

// world is a simulated registry: tags and what they name. Values are copied on
// write, so that a world can be kept and gone on from in many ways.
type world struct {
	names []uint16 // by the number of a tag: the number of the digest it names, 0 for none
	log   []uint16 // the log's tags, in the order in which they were stored first
	hash  uint64   // of names
}

// Tags and digests are numbered once for all worlds of a check.
type numbers struct {
	of    map[Content]uint16
	what  []Content
	store map[string]*Sealed // records by digest
	seals map[string]Sealed
}

func newNumbers() *numbers {
	return &numbers{of: map[Content]uint16{}, what: []Content{{}}, store: map[string]*Sealed{}, seals: map[string]Sealed{}}
}

func (n *numbers) number(what Content) uint16 {
	number, found := n.of[what]
	if !found {
		number = uint16(len(n.what))
		n.of[what] = number
		n.what = append(n.what, what)
	}
	return number
}

// seal remembers what it sealed: sealing takes most of a check's time otherwise.
func (n *numbers) seal(record Record) (Sealed, error) {
	key := fmt.Sprint(record.Sequence, record.Parent, record.Operation, record.Of, record.ID, record.After["dev"].Digest, record.After["testers"].Digest, record.After["users"].Digest, len(record.Images), len(record.Taken))
	if sealed, found := n.seals[key]; found {
		return sealed, nil
	}
	sealed, err := Seal(record)
	if err == nil {
		n.seals[key], n.store[sealed.Digest] = sealed, &sealed
	}
	return sealed, err
}

func mix(h, v uint64) uint64 {
	h ^= v + 0x9e3779b97f4a7c15 + h<<6 + h>>2
	h ^= h >> 32
	h *= 0xd6e8feb86659fd93
	return h ^ h>>32
}

func (w world) get(tag uint16) uint16 {
	if int(tag) < len(w.names) {
		return w.names[tag]
	}
	return 0
}

func (w *world) put(tag, value uint16, logged bool) {
	old := w.get(tag)
	if old == value {
		return
	}
	names := make([]uint16, max(len(w.names), int(tag)+8))
	copy(names, w.names)
	names[tag] = value
	w.names = names
	if logged && old == 0 {
		w.log = append(w.log[:len(w.log):len(w.log)], tag)
	}
	w.hash ^= mix(uint64(tag), uint64(old)+1) ^ mix(uint64(tag), uint64(value)+1)
}

// look is the digest that a tag names.
func (n *numbers) look(w world, repository, tag string) string {
	return n.what[w.get(n.number(Content{Repository: repository, Tag: tag}))].Digest
}

func (n *numbers) write(w *world, tag Content) {
	key := n.number(Content{Repository: tag.Repository, Tag: tag.Tag})
	w.put(key, n.number(Content{Digest: tag.Digest}), tag.Repository == Repository)
}

// answer carries out a request but Wait, on a registry that forgets nothing and
// whose listings are right.
func (n *numbers) answer(w *world, r Request) Response {
	switch r.Action {
	case HeadDigest:
		return Response{Found: true, Digest: r.Digest}
	case Put:
		n.write(w, Content{r.Repository, r.Tag, r.Digest})
		return Response{}
	case List:
		return n.list(w.log, r, 0)
	}
	digest := n.look(*w, r.Repository, r.Tag)
	response := Response{Found: digest != "", Digest: digest}
	if sealed := n.store[digest]; r.Action == Get && sealed != nil {
		response.Record = &sealed.Record
	}
	return response
}

// list lists tags in lexical order, in pages of a size; 0 is all.
func (n *numbers) list(log []uint16, r Request, size int) Response {
	from := r.From + r.Page
	var tags []string
	for _, key := range log {
		if tag := n.what[key].Tag; tag > from {
			tags = append(tags, tag)
		}
	}
	slices.Sort(tags)
	if size > 0 && len(tags) > size {
		return Response{Tags: tags[:size], Next: tags[size-1]}
	}
	return Response{Tags: tags}
}

// newest is the newest decided record of a world.
func (n *numbers) newest(w world) (Sealed, int) {
	newest, count := Sealed{}, 0
	for sequence := uint64(1); ; sequence++ {
		digest := n.look(w, Repository, Name{Sequence: sequence}.String())
		if digest == "" {
			return newest, count
		}
		newest, count = *n.store[digest], count+1
	}
}

// Makers of test data.

func sha(text string) string { return digestOf([]byte(text)) }

func version(text string) versioning.Version {
	v, err := versioning.Parse(text)
	if err != nil {
		return versioning.Version{}
	}
	return v
}

func signature(id int) Signature {
	return Signature{ID: fmt.Sprintf("%032x", id), Actor: "tester", Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
}

type movedError struct{ ring string }

func (e movedError) Error() string { return "ring " + e.ring + " moved" }

func with(t Table, ring string, place Place) Table {
	after := Table{}
	for name, place := range t {
		after[name] = place
	}
	after[ring] = place
	return after
}

// publish is an operation that fits only while the ring has what it expects.
func publish(ring, v, expected string) Operation {
	return func(newest Record) (Record, error) {
		if newest.After[ring].Digest != expected {
			return Record{}, movedError{ring}
		}
		images := map[string]Image{"deploy": {Version: version(v), Digest: sha(v), New: true}}
		return Record{Operation: OpPublish, After: with(newest.After, ring, Place{Root: "deploy", Version: version(v), Digest: sha(v)}), Images: images}, nil
	}
}

// set is an operation that always fits.
func set(ring, v string) Operation {
	return func(newest Record) (Record, error) {
		return Record{Operation: OpSet, After: with(newest.After, ring, Place{Root: "deploy", Version: version(v), Digest: sha(v)})}, nil
	}
}

// shiftTwice moves two rings, on the very record that it was planned on.
func shiftTwice(sequence uint64) Operation {
	return func(newest Record) (Record, error) {
		if newest.Sequence != sequence {
			return Record{}, movedError{"dev"}
		}
		record := newest.Following(OpShift)
		record.After["testers"], record.After["users"] = newest.After["dev"], newest.After["testers"]
		return record, nil
	}
}

// alone runs a machine while nobody else does anything, and counts its requests,
// and those since it began its last round.
func alone(n *numbers, w *world, m *Machine, got []Response, most int) (requests, fresh int, err error) {
	for {
		batch, more := m.Next()
		if !more {
			return requests, fresh, nil
		}
		for _, request := range batch[len(got):] {
			response := Response{Over: true}
			if request.Action != Wait {
				response = n.answer(w, request)
				requests++
				fresh++
			}
			if strings.Contains(request.Tag, "-try-") {
				fresh = 1
			}
			got = append(got, response)
		}
		if requests > most {
			return requests, fresh, fmt.Errorf("left alone it makes more than %d requests, at last %v", most, batch)
		}
		m.Took(got)
		got = nil
	}
}
