package repair

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/store/records"
)

// find finds what tags the log has, and its newest record: that of the highest number
// which a tag names, be it its own, its done tag, the hint, or the mark of a mirror's ring.
// The hint is read before the tags are listed: so what others write meanwhile is not taken
// for a record that nobody has voted for.
func (r *repairer) find(ctx context.Context) error {
	log := r.at.Repository(records.Repository)
	hint, err := r.readHint(ctx)
	if err != nil {
		return err
	}
	tags, err := registry.AllTags(ctx, log)
	if err != nil {
		return err
	}
	var names []records.Name
	done := map[uint64]string{}
	for _, tag := range tags {
		r.tags[tag] = true
		name, ok := records.ParseName(tag)
		if !ok {
			continue
		}
		switch name.Mark {
		case records.Decided:
			names = append(names, name)
		case records.Done:
			done[name.Sequence] = name.Value
			r.votes[vote{name.Sequence, name.Value}] = true
		case records.Yes:
			r.votes[vote{name.Sequence, name.Value}] = true
		}
	}
	err = r.pace.Each(len(names), func(i int) error {
		digest, _, err := log.Head(ctx, names[i].String())
		r.mu.Lock()
		defer r.mu.Unlock()
		r.decided[names[i].Sequence] = digest
		return err
	})
	if err != nil {
		return err
	}
	if r.origin != "" {
		if hint, err = r.readMarks(ctx); err != nil {
			return err
		}
	}
	return r.begin(ctx, hint, done)
}

// readHint reads what the hint names: a record, or the mark of a mirror.
func (r *repairer) readHint(ctx context.Context) (records.Sealed, error) {
	log := r.at.Repository(records.Repository)
	mark, found, err := log.Get(ctx, string(records.Hint))
	if err != nil && !registry.Broken(err) || !found {
		return records.Sealed{}, ignoreBroken(err)
	}
	r.mark = mark
	if origin, is := store.OriginOf(mark); is {
		r.origin = origin
		return records.Sealed{}, nil
	}
	return r.open(ctx, log, mark)
}

func ignoreBroken(err error) error {
	if registry.Broken(err) {
		return nil
	}
	return err
}

// begin reads the newest record.
func (r *repairer) begin(ctx context.Context, hint records.Sealed, done map[uint64]string) error {
	last := uint64(0)
	for sequence := range r.decided {
		last = max(last, sequence)
	}
	for sequence := range done {
		last = max(last, sequence)
	}
	if h := hint.Record; h.Sequence > last {
		if r.origin == "" && h.Parent != r.decided[h.Sequence-1] && !r.voted(h.Sequence, hint.Digest) {
			return &records.ForkError{What: fmt.Sprintf("the tag %s is %s, which says that it is record %d, and nobody has voted for it", records.Hint, hint.Digest, h.Sequence)}
		}
		last = h.Sequence
	}
	if last == 0 {
		return errors.New("there is no log: nothing says what was lost; `quoit copy` makes a mirror of a copy")
	}
	said := cmp.Or(done[last], r.decided[last])
	if said == "" || hint.Record.Sequence == last && done[last] == "" && !r.voted(last, said) {
		said = hint.Digest
	}
	if other := r.decided[last]; other != "" && other != said && r.voted(last, other) {
		return &records.ForkError{What: fmt.Sprintf("record %d is %s, and a writer has completed %s", last, other, said)}
	}
	r.vouched[last] = said
	newest, taken, err := r.record(ctx, last)
	if err != nil {
		return err
	}
	if newest.Digest == "" {
		return fmt.Errorf("record %d of the log, the newest, is gone (%s): %s", last, said, r.lacking())
	}
	r.newest, r.closed = newest, r.origin != "" || done[last] != "" || hint.Record.Sequence == last || newest.Record.Operation != records.OpPublish
	return r.keep(ctx, newest, taken)
}

// record reads the record of a number by the digest that is vouched for, here or, taken,
// from the copy; one without a digest if neither has it.
func (r *repairer) record(ctx context.Context, sequence uint64) (sealed records.Sealed, taken bool, err error) {
	digest := r.vouched[sequence]
	if sealed, known := r.read[digest]; known && sealed.Record.Sequence == sequence {
		return sealed, false, nil
	}
	for _, from := range []registry.Repository{r.at.Repository(records.Repository), r.from(records.Repository)} {
		if from == nil {
			continue
		}
		manifest, found, err := from.Get(ctx, digest)
		if err = ignoreBroken(err); err != nil {
			return records.Sealed{}, false, err
		}
		if found {
			sealed, err = r.open(ctx, from, manifest)
		}
		if err != nil || sealed.Record.Sequence == sequence {
			return sealed, taken, err
		}
		taken = true
	}
	return records.Sealed{}, false, nil
}

// open reads a record; one without a digest if it is none, or its config is gone.
func (r *repairer) open(ctx context.Context, from registry.Repository, manifest registry.Manifest) (records.Sealed, error) {
	digest, size, err := records.ConfigOf(manifest.Bytes)
	if err != nil {
		return records.Sealed{}, nil
	}
	blob := registry.Descriptor{Digest: digest, Size: size}
	if there, err := from.Has(ctx, blob); err != nil || !there {
		return records.Sealed{}, err
	}
	config, err := from.Blob(ctx, blob)
	if err != nil {
		return records.Sealed{}, ignoreBroken(err)
	}
	sealed, err := records.Open(manifest.Bytes, config)
	if newer := new(records.SchemaError); errors.As(err, &newer) {
		return records.Sealed{}, newer
	}
	if err != nil {
		return records.Sealed{}, nil
	}
	return sealed, nil
}

// prefetch reads the records that have their tags, several at a time.
func (r *repairer) prefetch(ctx context.Context) error {
	log := r.at.Repository(records.Repository)
	var digests []string
	for _, digest := range r.decided {
		if digest != r.newest.Digest && digest != "" {
			digests = append(digests, digest)
		}
	}
	return r.pace.Each(len(digests), func(i int) error {
		manifest, found, err := log.Get(ctx, digests[i])
		if err = ignoreBroken(err); err != nil || !found {
			return err
		}
		sealed, err := r.open(ctx, log, manifest)
		if err != nil || sealed.Digest == "" {
			return err
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.read[sealed.Digest] = sealed
		return nil
	})
}

// chain goes from the newest record to the first, and puts back what is missing of each.
func (r *repairer) chain(ctx context.Context) error {
	if err := r.prefetch(ctx); err != nil {
		return err
	}
	gone, unknown := []uint64{}, []uint64{}
	for sequence := r.newest.Record.Sequence - 1; sequence > 0; sequence-- {
		if r.vouched[sequence] == "" {
			if r.decided[sequence] == "" {
				unknown = append(unknown, sequence)
			}
			continue
		}
		sealed, taken, err := r.record(ctx, sequence)
		if err != nil {
			return err
		}
		if sealed.Digest == "" {
			gone = append(gone, sequence)
			continue
		}
		if err := r.keep(ctx, sealed, taken); err != nil {
			return err
		}
	}
	log := r.at.Repository(records.Repository)
	for _, sequence := range gone {
		r.leave(log.Reference(r.vouched[sequence]), fmt.Sprintf("record %d is gone: %s", sequence, r.lacking()))
	}
	for _, sequence := range unknown {
		r.leave(log.Reference(records.Name{Sequence: sequence}.String()), "the record is gone, and so is what named it")
	}
	return nil
}

// keep remembers what a record says, and puts it back if it, or its tag, is missing.
func (r *repairer) keep(ctx context.Context, sealed records.Sealed, taken bool) error {
	record := sealed.Record
	r.log[record.Sequence] = record
	for sequence, digest := range record.Digests {
		if r.vouched[sequence] == "" {
			r.vouched[sequence] = digest
		}
	}
	if record.Sequence > 1 {
		r.vouched[record.Sequence-1] = record.Parent // the chain goes before what is said from afar
	}
	log := r.at.Repository(records.Repository)
	tag := records.Name{Sequence: record.Sequence}.String()
	manifest := registry.NewManifest(records.ManifestType, sealed.Manifest)
	if taken {
		what := "the record was taken from " + r.outcome.From
		if err := r.do(ctx, log.Reference(sealed.Digest), what, func() error { return r.send(ctx, sealed, manifest) }); err != nil {
			return err
		}
	}
	was := r.decided[record.Sequence]
	switch {
	case was == sealed.Digest:
		return nil
	case was != "" && r.voted(record.Sequence, was):
		return &records.ForkError{What: fmt.Sprintf("record %d is %s, and there are votes for it; the next one says %s", record.Sequence, was, sealed.Digest)}
	}
	return r.do(ctx, log.Reference(tag), putBack("record", sealed.Digest, was), func() error { return r.put(ctx, records.Repository, tag, was, manifest) })
}

func putBack(what, digest, was string) string {
	text := fmt.Sprintf("the tag of the %s was put back to %s", what, digest)
	if was != "" {
		text += "; it was " + was
	}
	return text
}

func (r *repairer) send(ctx context.Context, sealed records.Sealed, manifest registry.Manifest) error {
	log := r.at.Repository(records.Repository)
	if _, err := log.Upload(ctx, registry.BlobOf(sealed.Config), "", registry.Bytes(sealed.Config)); err != nil {
		return err
	}
	return r.put(ctx, records.Repository, sealed.Digest, sealed.Digest, manifest)
}

// voted reports whether writers of the log have decided for a digest: then there are two
// histories, of which nobody but people can choose one.
func (r *repairer) voted(sequence uint64, digest string) bool {
	return r.votes[vote{sequence, digest}]
}

// vote is one for a digest as the record of a number.
type vote struct {
	sequence uint64
	digest   string
}
