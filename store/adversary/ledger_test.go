package adversary

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/registry/memory"
	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/store/storetest"
	"github.com/quoitbuild/quoit/versioning"
)

// ledger is what honest people know without the product: what their builds have pushed,
// and what the log says, read by itself.
type ledger struct {
	at       *memory.Namespace
	pushed   map[records.Content]built  // by repository and digest, what an honest build pushed
	records  []records.Sealed           // all of the log
	assigned map[records.Content]uint64 // by repository and tag: the record that assigned the version
	void     map[uint64]bool            // records that were taken back
	counted  map[uint64]bool            // publishes that somebody who only reads went by
}

// built is what an honest build has made.
type built struct {
	version  versioning.Version
	revision string
	sources  storetest.Shop // of the whole project; of a root image only
}

func newLedger(at *memory.Namespace) *ledger {
	return &ledger{
		at: at, pushed: map[records.Content]built{}, assigned: map[records.Content]uint64{},
		void: map[uint64]bool{}, counted: map[uint64]bool{},
	}
}

// newest is the newest record, the zero Record if there is none.
func (l *ledger) newest() records.Record {
	if len(l.records) == 0 {
		return records.Record{}
	}
	return l.records[len(l.records)-1].Record
}

// read reads what was added to the log, and checks it: nothing that was there is another,
// records are a chain, and they say of images what may be said.
func (l *ledger) read() error {
	ctx, log := context.Background(), l.at.Repository(records.Repository)
	for _, sealed := range l.records {
		tag := records.Name{Sequence: sealed.Record.Sequence}.String()
		if digest, _, err := log.Head(ctx, tag); err != nil || digest != sealed.Digest {
			return fmt.Errorf("record %d was %s and is %s: %w", sealed.Record.Sequence, sealed.Digest, digest, err)
		}
	}
	for {
		manifest, found, err := log.Get(ctx, records.Name{Sequence: uint64(len(l.records)) + 1}.String())
		if err != nil || !found {
			return err
		}
		sealed, err := open(ctx, log, manifest)
		if err == nil {
			err = l.add(sealed)
		}
		if err != nil {
			return fmt.Errorf("record %d: %w", len(l.records)+1, err)
		}
	}
}

func open(ctx context.Context, log registry.Repository, manifest registry.Manifest) (records.Sealed, error) {
	digest, size, err := records.ConfigOf(manifest.Bytes)
	if err != nil {
		return records.Sealed{}, err
	}
	config, err := log.Blob(ctx, registry.Descriptor{Digest: digest, Size: size})
	if err != nil {
		return records.Sealed{}, err
	}
	return records.Open(manifest.Bytes, config)
}

func (l *ledger) add(sealed records.Sealed) error {
	record, parent := sealed.Record, ""
	if n := len(l.records); n > 0 {
		parent = l.records[n-1].Digest
	}
	if record.Sequence != uint64(len(l.records))+1 || record.Parent != parent {
		return fmt.Errorf("it says that it is record %d after %s", record.Sequence, record.Parent)
	}
	if record.Operation == records.OpVoid {
		l.void[record.Of] = true
		if l.counted[record.Of] {
			return fmt.Errorf("record %d is taken back, by which somebody went already", record.Of)
		}
	}
	l.records = append(l.records, sealed)
	for _, tag := range record.Versions() {
		key := records.Content{Repository: tag.Repository, Tag: tag.Tag}
		if before := l.assigned[key]; before > 0 {
			return fmt.Errorf("%s %s was assigned by record %d, and is again", tag.Repository, tag.Tag, before)
		}
		l.assigned[key] = record.Sequence
		if made, honest := l.pushed[records.Content{Repository: tag.Repository, Digest: tag.Digest}]; !honest || made.version.String() != tag.Tag {
			return fmt.Errorf("%s %s is %s, which no honest build has made", tag.Repository, tag.Tag, tag.Digest)
		}
	}
	if err := l.images(record.Images); err != nil {
		return err
	}
	return l.rings(record)
}

// images checks that each has the digest that a record has assigned to its version.
func (l *ledger) images(images map[string]records.Image) error {
	for _, name := range slices.Sorted(maps.Keys(images)) {
		if err := l.assigns(name, images[name].Version, images[name].Digest); err != nil {
			return err
		}
	}
	return nil
}

// assigns checks that a record which was not taken back has assigned a digest.
func (l *ledger) assigns(name string, version versioning.Version, digest string) error {
	by := l.assigned[records.Content{Repository: name, Tag: version.String()}]
	switch {
	case by == 0:
		return fmt.Errorf("%s %s is %s, and no record has assigned that", name, version, digest)
	case l.void[by]:
		return fmt.Errorf("%s %s is by record %d, which was taken back", name, version, by)
	}
	if said := l.records[by-1].Record.Images[name].Digest; said != digest {
		return fmt.Errorf("%s %s is %s, and record %d has assigned %s", name, version, digest, by, said)
	}
	return nil
}

// rings checks that what a record gives rings is a release that a record has made.
func (l *ledger) rings(record records.Record) error {
	for _, ring := range slices.Sorted(maps.Keys(record.After)) {
		place := record.After[ring]
		if place.Empty() {
			continue
		}
		if place.Record == 0 || place.Record > record.Sequence || l.records[place.Record-1].Record.Images[place.Root].Digest != place.Digest {
			return fmt.Errorf("ring %s has %s %s, which record %d has not made", ring, place.Version, place.Digest, place.Record)
		}
		if err := l.images(l.records[place.Record-1].Record.Images); err != nil {
			return fmt.Errorf("ring %s: %w", ring, err)
		}
	}
	return nil
}

// release checks that a release consists of what honest builds have made of the sources
// of its root image.
func (l *ledger) release(root string, images map[string]records.Image) error {
	top, honest := l.pushed[records.Content{Repository: root, Digest: images[root].Digest}]
	if !honest {
		return fmt.Errorf("no honest build has made %s %s", root, images[root].Digest)
	}
	for name := range top.sources {
		made, honest := l.pushed[records.Content{Repository: name, Digest: images[name].Digest}]
		if want := revision(top.sources[name]); !honest || made.revision != want {
			return fmt.Errorf("release %s has %s %s, which was not made of its sources", images[root].Version, name, images[name].Digest)
		}
	}
	if len(images) != len(top.sources) {
		return errors.New("it has more images than its sources")
	}
	return l.images(images)
}

func revision(number int) string { return registry.DigestOf(fmt.Append(nil, number)) }
