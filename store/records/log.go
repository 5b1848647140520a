package records

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quoitbuild/quoit/versioning"
)

// Source is where a [Log] reads: the tags of [Repository] in one project, or in a
// copy of it. Errors that are not about contents end what the Log does.
type Source interface {
	// Heads returns the digest that each tag names, "" for a clear "not found". It
	// may look them up at once.
	Heads(ctx context.Context, tags ...string) ([]string, error)
	// Tags returns a page of the tags: that which the next of the page before names, ""
	// is the first. The last page has no next.
	Tags(ctx context.Context, page string) (tags []string, next string, err error)
	// Get reads what a tag names, or the manifest of a digest.
	Get(ctx context.Context, identifier string) (Got, error)
	// Several calls f for 0 … n-1, as many at once as is good for the source.
	Several(n int, f func(i int) error) error
	// Reference is a tag or a digest for people, with where it is.
	Reference(identifier string) string
}

// Got is what a tag of the log names, or what a digest is.
type Got struct {
	Found  bool  // false is a clear "not found"
	Sealed       // its Digest is that of the manifest's very bytes, also if it is no record
	Broken error // why it is none, as [Open] says; nil if it is
}

// Log reads a log: its newest record, and the ones before. It writes nothing. As a
// number has one record for ever, none is read twice. It may be used by several
// goroutines.
type Log struct {
	source  Source
	proof   Proof
	mu      sync.Mutex
	known   map[uint64]Sealed
	digests map[uint64]string // of records that those which are known name
}

// NewLog returns a reader of the log in a source.
func NewLog(source Source) *Log {
	return &Log{source: source, known: map[uint64]Sealed{}, digests: map[uint64]string{}}
}

// Newest returns the newest record, one without a digest if there is none: it is the
// step Read of docs/log.md. It takes the hint for a record of the log: a hint that is
// none is for writers and for [Verify] to find. Tags may have to follow that record yet.
// Errors are the source's, a [*SchemaError], or a [*ForkError].
func (l *Log) Newest(ctx context.Context) (Sealed, error) {
	m := newReader()
	got, err := l.read(ctx, m, func() bool { return m.step() != stepRead })
	if err != nil || m.newest.Digest == "" {
		return Sealed{}, err
	}
	l.Know(got)
	return got, nil
}

// newReader is a machine that only reads.
func newReader() *Machine {
	m, _ := New(Options{Signature: Signature{ID: strings.Repeat("0", 32), Time: time.Unix(0, 0).UTC()}}) // constants
	m.reads = true
	return m
}

// read carries out what a machine asks for until it is there, and returns the last
// record that it was given.
func (l *Log) read(ctx context.Context, m *Machine, there func() bool) (last Sealed, err error) {
	for {
		requests, more := m.Next()
		switch {
		case !more:
			return last, m.Result().Err
		case there():
			return last, nil
		}
		responses, got, err := l.carry(ctx, requests)
		if err != nil {
			return last, err
		}
		if got != nil {
			last = *got
		}
		m.Took(responses)
	}
}

// carry carries out what the step Read asks for at a time: a Get, which may give a
// record, a List, or Heads.
func (l *Log) carry(ctx context.Context, requests []Request) ([]Response, *Sealed, error) {
	switch requests[0].Action {
	case List:
		tags, next, err := l.source.Tags(ctx, requests[0].Page)
		return []Response{{Tags: tags, Next: next}}, nil, err
	case Get:
		got, err := l.source.Get(ctx, requests[0].Tag)
		response := Response{Found: got.Found, Digest: got.Digest, Err: got.Broken}
		if !got.Found || got.Broken != nil {
			return []Response{response}, nil, err
		}
		response.Record = &got.Record
		return []Response{response}, &got.Sealed, err
	}
	var tags []string
	for _, request := range requests {
		tags = append(tags, request.Tag)
	}
	digests, err := l.source.Heads(ctx, tags...)
	var responses []Response
	for i, digest := range digests {
		responses = append(responses, Response{Found: digest != "", Digest: digest})
		if err == nil && digest != "" {
			err = l.proof.Check(ctx, l.source, tags[i])
		}
	}
	return responses, nil, err
}

// Proof reads records that a HEAD has found, now and then: a log of which every next
// record is there for HEAD only would have no end. The zero value is ready.
type Proof struct{ heads atomic.Int64 }

// Check is told of every tag that was found. Errors are the source's, or say that there
// is no such record.
func (p *Proof) Check(ctx context.Context, source Source, tag string) error {
	name, ok := ParseName(tag)
	if !ok || name.Mark != Decided {
		return nil
	}
	if heads := p.heads.Add(1); heads < 32 || heads&(heads-1) != 0 {
		return nil
	}
	got, err := source.Get(ctx, tag)
	if err == nil && (!got.Found || got.Broken != nil || got.Record.Sequence != name.Sequence) {
		err = fmt.Errorf("the registry says that %s is there, and has no such record: it does not answer as a registry does", source.Reference(tag))
	}
	return err
}

// Record returns the record of a number, which has to be there: under its tag, or, if
// that is gone and a record that was read before has its digest, by that. Errors are the
// source's, a [*GoneError], or say that it is broken.
func (l *Log) Record(ctx context.Context, sequence uint64) (Sealed, error) {
	l.mu.Lock()
	sealed, known := l.known[sequence]
	digest := l.digests[sequence]
	l.mu.Unlock()
	if known {
		return sealed, nil
	}
	at := Name{Sequence: sequence}.String()
	got, err := l.source.Get(ctx, at)
	if err == nil && !got.Found && digest != "" {
		got, err = l.source.Get(ctx, digest)
	}
	switch {
	case err != nil:
		return Sealed{}, err
	case !got.Found:
		return Sealed{}, &GoneError{l.source.Reference(at), sequence}
	case got.Broken != nil:
		return Sealed{}, fmt.Errorf("%s, record %d of the log, cannot be read: %w: run `quoit verify`", l.source.Reference(at), sequence, got.Broken)
	case got.Record.Sequence != sequence:
		return Sealed{}, fmt.Errorf("%s says that it is record %d: run `quoit verify`", l.source.Reference(at), got.Record.Sequence)
	}
	l.Know(got.Sealed)
	return got.Sealed, nil
}

// ByDigest returns the record whose manifest has a digest. Errors are the source's, a
// [*GoneError], or say that it is no record.
func (l *Log) ByDigest(ctx context.Context, digest string) (Sealed, error) {
	got, err := l.source.Get(ctx, digest)
	switch {
	case err != nil:
		return Sealed{}, err
	case !got.Found:
		return Sealed{}, &GoneError{Reference: l.source.Reference(digest)}
	case got.Broken != nil:
		return Sealed{}, fmt.Errorf("%s, a record of the log, cannot be read: %w: run `quoit verify`", l.source.Reference(digest), got.Broken)
	}
	l.Know(got.Sealed)
	return got.Sealed, nil
}

// Under returns what could be undone, before a shift, in the rings that it moved, and
// digests of the records that this names. It makes no request but for a shift of schema 1:
// then it reads the shifts below it, as far as they are there, and what they moved.
func (l *Log) Under(ctx context.Context, shift Record) (map[string]versioning.Top, map[uint64]string, error) {
	if shift.Schema > 1 {
		return shift.Under, shift.Digests, nil
	}
	digests, failed := map[uint64]string{}, error(nil)
	all := undoable(shift.Below, func(number uint64) (Record, bool) {
		sealed, err := l.Record(ctx, number)
		if !errors.As(err, new(*GoneError)) {
			failed = errors.Join(failed, err)
		}
		if err == nil {
			digests[number] = sealed.Digest
		}
		return sealed.Record, err == nil
	})
	under := map[string]versioning.Top{}
	for _, ring := range shift.Moved() {
		top, found := all[ring]
		if !found {
			continue
		}
		under[ring] = top
		for _, place := range []Place{top.Given, top.Displaced} {
			if place.Record == 0 {
				continue
			}
			sealed, err := l.Record(ctx, place.Record)
			switch {
			case errors.As(err, new(*GoneError)):
			case err != nil:
				failed = errors.Join(failed, err)
			default:
				digests[place.Record] = sealed.Digest
			}
		}
	}
	return under, digests, failed
}

// Know takes a record of the log that was read elsewhere, and what it says of others.
func (l *Log) Know(sealed Sealed) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.known[sealed.Record.Sequence] = sealed
	l.name(sealed.Record)
}

// name remembers the digests that a record names.
func (l *Log) name(record Record) {
	name := func(number uint64, digest string) {
		if l.digests[number] == "" {
			l.digests[number] = digest
		}
	}
	for number, digest := range record.Digests {
		name(number, digest)
	}
	name(record.Sequence-1, record.Parent)
}

// Named returns the record of a number by the digest that a later one says of it: its own
// tag need not be there. Errors are as of [Log.Record].
func (l *Log) Named(ctx context.Context, sequence uint64, digest string) (Sealed, error) {
	l.mu.Lock()
	sealed, known := l.known[sequence]
	l.mu.Unlock()
	if known && sealed.Digest == digest {
		return sealed, nil
	}
	sealed, err := l.ByDigest(ctx, digest)
	switch gone := new(GoneError); {
	case errors.As(err, &gone):
		return Sealed{}, &GoneError{gone.Reference, sequence}
	case err == nil && sealed.Record.Sequence != sequence:
		return Sealed{}, fmt.Errorf("%s says that it is record %d, and not %d: run `quoit verify`", l.source.Reference(digest), sealed.Record.Sequence, sequence)
	}
	return sealed, err
}

// Back goes from a record, mostly the newest one, to the first: that record as it is
// given, and then each the parent of the one before, by its digest: no tag of theirs has
// to be there. Nothing comes after an error, which are those of [Log.Named]. Who goes far
// has records read ahead by their tags, 8 at most.
func (l *Log) Back(ctx context.Context, from Sealed) iter.Seq2[Sealed, error] {
	return func(yield func(Sealed, error) bool) {
		if from.Record.Operation == "" {
			return
		}
		l.mu.Lock()
		l.name(from.Record)
		l.mu.Unlock()
		ahead, lowest := map[string]Sealed{}, from.Record.Sequence
		for sealed, seen := from, uint64(1); yield(sealed, nil) && sealed.Record.Sequence > 1; seen++ {
			next, parent := sealed.Record.Sequence-1, sealed.Record.Parent
			if next < lowest && seen >= 4 {
				n := min(seen, next, 8)
				ahead, lowest = l.ahead(ctx, next, n), next+1-n
			}
			if before, read := ahead[parent]; read && before.Record.Sequence == next {
				l.Know(before)
				sealed = before
				continue
			}
			before, err := l.Named(ctx, next, parent)
			if err != nil {
				yield(Sealed{}, err)
				return
			}
			sealed = before
		}
	}
}

// ahead reads what the tags of the last n records up to a number name, by digest; nothing
// if that number's is known. Whoever needs what could not be read finds out why.
func (l *Log) ahead(ctx context.Context, last, n uint64) map[string]Sealed {
	l.mu.Lock()
	_, known := l.known[last]
	l.mu.Unlock()
	if known {
		return nil
	}
	got := make([]Got, n)
	_ = l.source.Several(len(got), func(i int) error { // f has none
		if read, err := l.source.Get(ctx, Name{Sequence: last - uint64(i)}.String()); err == nil && read.Broken == nil {
			got[i] = read
		}
		return nil
	})
	ahead := map[string]Sealed{}
	for _, read := range got {
		ahead[read.Digest] = read.Sealed
	}
	return ahead
}

// Find returns the release of a version of a root image ("": whatever it is called):
// what a ring has or had by the newest record that was not taken back. A version of
// one image has one content for ever, and a publish that was taken back was none, so
// there is one such release of a root image at most. Whether it was pruned since is
// for the caller to see. False if the log has none. Errors are those of [Log.Back].
func (l *Log) Find(ctx context.Context, newest Record, root string, version versioning.Version) (Place, bool, error) {
	void := false // the record is taken back by the one after it
	for sealed, err := range l.Back(ctx, Sealed{Record: newest}) {
		if err != nil {
			return Place{}, false, err
		}
		for _, ring := range sortedKeys(sealed.Record.After) {
			place := sealed.Record.After[ring]
			if !void && place.Version == version && !place.Empty() && (root == "" || place.Root == root) {
				return place, true, nil
			}
		}
		void = sealed.Record.Operation == OpVoid
	}
	return Place{}, false, nil
}
