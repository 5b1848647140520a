package mirror

import (
	"context"
	"errors"
	"fmt"

	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/store/records"
)

// read finds the newest record of the source.
func (c *copier) read(ctx context.Context) error {
	hint, found, err := c.from.Repository(records.Repository).Get(ctx, string(records.Hint))
	if err != nil {
		return err
	}
	c.origin = c.from.String()
	begin := uint64(0)
	if origin, is := store.OriginOf(hint); found && is {
		c.origin = origin
	} else if found {
		if sealed, err := c.open(ctx, hint); err == nil { // any hint, or none, is right
			begin = sealed.Record.Sequence
		}
	}
	if c.newest, err = newestOf(ctx, c.from, begin); err != nil {
		return err
	}
	if c.newest == 0 {
		return fmt.Errorf("%s has no log: publish a release first", c.from.String())
	}
	newest, err := c.record(ctx, c.newest)
	if err != nil || c.origin != c.from.String() {
		return err
	}
	if len(newest.Record.Versions()) == 0 {
		return nil
	}
	done := records.Name{Mark: records.Done, Sequence: c.newest, Value: newest.Digest}
	if _, found, err = c.from.Repository(records.Repository).Head(ctx, done.String()); err == nil && !found {
		err = fmt.Errorf("record %d (%s) is not completed yet: wait for its writer, or publish again, which completes it", c.newest, newest.Record.Operation)
	}
	return err
}

// newestOf is the number of the newest record; one of that number, if not 0, is
// there.
func newestOf(ctx context.Context, s registry.Namespace, low uint64) (uint64, error) {
	there := func(sequence uint64) (found bool, err error) {
		_, found, err = s.Repository(records.Repository).Head(ctx, records.Name{Sequence: sequence}.String())
		return found, err
	}
	step := uint64(1)
	for {
		found, err := there(low + step)
		if err != nil {
			return 0, err
		}
		if !found {
			break
		}
		low, step = low+step, step*2
	}
	for high := low + step; high > low+1; {
		middle := low + (high-low)/2
		found, err := there(middle)
		if err != nil {
			return 0, err
		}
		if found {
			low = middle
		} else {
			high = middle
		}
	}
	return low, nil
}

var errGone = errors.New("it is gone")

// record reads a record of the source, once.
func (c *copier) record(ctx context.Context, sequence uint64) (records.Sealed, error) {
	c.mu.Lock()
	sealed, known := c.log[sequence]
	c.mu.Unlock()
	if known {
		return sealed, nil
	}
	tag := records.Name{Sequence: sequence}.String()
	manifest, found, err := c.from.Repository(records.Repository).Get(ctx, tag)
	if err == nil && !found {
		err = errGone
	}
	if err == nil {
		sealed, err = c.open(ctx, manifest)
	}
	if err == nil && sealed.Record.Sequence != sequence {
		err = fmt.Errorf("it says that it is record %d", sealed.Record.Sequence)
	}
	if err != nil {
		return records.Sealed{}, fmt.Errorf("record %d of the log, %s: %w: run `quoit verify`", sequence, c.from.Repository(records.Repository).Reference(tag), err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.log[sequence] = sealed
	return sealed, nil
}

func (c *copier) open(ctx context.Context, manifest registry.Manifest) (records.Sealed, error) {
	digest, size, err := records.ConfigOf(manifest.Bytes)
	if err != nil {
		return records.Sealed{}, err
	}
	config, err := c.from.Repository(records.Repository).Blob(ctx, registry.Descriptor{Digest: digest, Size: size})
	if err != nil {
		return records.Sealed{}, err
	}
	return records.Open(manifest.Bytes, config)
}

// compare holds the target's log against the source's, and reads what it lacks.
func (c *copier) compare(ctx context.Context) (err error) {
	mark, found, err := c.to.Repository(records.Repository).Get(ctx, string(records.Hint))
	if err != nil {
		return err
	}
	if found {
		_, c.marked = store.OriginOf(mark)
	}
	if c.known, err = newestOf(ctx, c.to, 0); err != nil {
		return err
	}
	switch {
	case !c.marked && (found || c.known > 0):
		return &NotMirrorError{Target: c.to.String()}
	case c.known > c.newest:
		there, _, err := c.to.Repository(records.Repository).Head(ctx, records.Name{Sequence: c.newest + 1}.String())
		if err != nil {
			return err
		}
		if err := c.sameUpTo(ctx, c.newest); err != nil {
			return err
		}
		return &NotMirrorError{Target: c.to.String(), Record: c.newest + 1, There: there}
	}
	if err := c.sameUpTo(ctx, c.known); err != nil {
		return err
	}
	return c.chain(ctx)
}

// sameUpTo compares records of that number. Equal ones have equal ones before
// them, as each has the digest of the one before.
func (c *copier) sameUpTo(ctx context.Context, sequence uint64) error {
	if sequence == 0 {
		return nil
	}
	differs, err := c.differs(ctx, sequence)
	if err != nil || differs == nil {
		return err
	}
	for same := uint64(0); differs.Record > same+1; {
		middle := same + (differs.Record-same)/2
		other, err := c.differs(ctx, middle)
		switch {
		case err != nil:
			return err
		case other == nil:
			same = middle
		default:
			differs = other
		}
	}
	return differs
}

// differs compares one record; nil if both sides have the same.
func (c *copier) differs(ctx context.Context, sequence uint64) (*NotMirrorError, error) {
	tag := records.Name{Sequence: sequence}.String()
	here, _, err := c.from.Repository(records.Repository).Head(ctx, tag)
	if err != nil {
		return nil, err
	}
	there, _, err := c.to.Repository(records.Repository).Head(ctx, tag)
	if err != nil || here == there {
		return nil, err
	}
	return &NotMirrorError{Target: c.to.String(), Record: sequence, Here: here, There: there}, nil
}

// chain reads the records that the target lacks, and holds them together.
func (c *copier) chain(ctx context.Context) error {
	begin := max(c.known, 1)
	err := c.each(int(c.newest-begin)+1, func(i int) error {
		_, err := c.record(ctx, begin+uint64(i))
		return err
	})
	if err != nil {
		return err
	}
	for sequence := begin + 1; sequence <= c.newest; sequence++ {
		if parent, before := c.log[sequence].Record.Parent, c.log[sequence-1].Digest; parent != before {
			return fmt.Errorf("record %d says that %s is before it, and record %d is %s: run `quoit verify`", sequence, parent, sequence-1, before)
		}
	}
	return nil
}
