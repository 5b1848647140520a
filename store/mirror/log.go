package mirror

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/store/records"
)

// source is a repository of records as what a [records.Log] reads from. What its hint
// names is known.
type source struct {
	registry.Repository
	each  func(n int, f func(i int) error) error
	hint  registry.Manifest
	there bool
}

// open reads a namespace's log, and its hint.
func (c *copier) open(ctx context.Context, at registry.Namespace) (*records.Log, source, error) {
	s := source{Repository: at.Repository(records.Repository), each: c.each}
	var err error
	s.hint, s.there, err = s.Repository.Get(ctx, string(records.Hint))
	return records.NewLog(s), s, err
}

// origin is what a mirror is of, by its hint.
func (s source) origin() (string, bool) {
	if !s.there {
		return "", false
	}
	return store.OriginOf(s.hint)
}

// Heads implements [records.Source].
func (s source) Heads(ctx context.Context, tags ...string) ([]string, error) {
	digests := make([]string, len(tags))
	err := s.each(len(tags), func(i int) (err error) {
		digests[i], _, err = s.Head(ctx, tags[i])
		return err
	})
	return digests, err
}

// Get implements [records.Source]. A hint that cannot be read is none.
func (s source) Get(ctx context.Context, tag string) (records.Got, error) {
	if tag == string(records.Hint) {
		sealed, err := s.record(ctx, s.hint)
		return records.Got{Found: s.there, Sealed: sealed, Broken: err}, nil
	}
	manifest, found, err := s.Repository.Get(ctx, tag)
	if err != nil || !found {
		return records.Got{}, err
	}
	sealed, err := s.record(ctx, manifest)
	if errors.As(err, new(*registry.RequestError)) && !registry.Broken(err) {
		return records.Got{}, err
	}
	return records.Got{Found: true, Sealed: sealed, Broken: err}, nil
}

// record reads a record from its manifest.
func (s source) record(ctx context.Context, manifest registry.Manifest) (records.Sealed, error) {
	nothing := records.Sealed{Digest: manifest.Digest}
	digest, size, err := records.ConfigOf(manifest.Bytes)
	if err != nil {
		return nothing, err
	}
	config, err := s.Blob(ctx, registry.Descriptor{Digest: digest, Size: size})
	if err != nil {
		return nothing, err
	}
	sealed, err := records.Open(manifest.Bytes, config)
	if err != nil {
		return nothing, err
	}
	return sealed, nil
}

// read finds the newest record of the source.
func (c *copier) read(ctx context.Context) error {
	log, hint, err := c.open(ctx, c.from)
	if err != nil {
		return err
	}
	c.log, c.origin = log, c.from.String()
	if origin, is := hint.origin(); is {
		c.origin = origin
	}
	newest, err := c.log.Newest(ctx)
	if err != nil {
		return err
	}
	if newest.Digest == "" {
		return fmt.Errorf("%s has no log: publish a release first", c.from.String())
	}
	c.newest = newest.Record.Sequence
	if c.origin != c.from.String() || len(newest.Record.Versions()) == 0 {
		return nil
	}
	done := records.Name{Mark: records.Done, Sequence: c.newest, Value: newest.Digest}
	_, found, err := hint.Head(ctx, done.String())
	if err == nil && !found {
		err = fmt.Errorf("record %d (%s) is not completed yet: wait for its writer, or publish again, which completes it", c.newest, newest.Record.Operation)
	}
	return err
}

// compare compares the target's log with the source's, and reads what it lacks.
func (c *copier) compare(ctx context.Context) (err error) {
	log, hint, err := c.open(ctx, c.to)
	if err != nil {
		return err
	}
	_, c.marked = hint.origin()
	if c.known, err = log.Last(ctx); err != nil {
		return err
	}
	switch {
	case !c.marked && (hint.there || c.known > 0):
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

// chain reads the records that the target lacks, and the one before them.
func (c *copier) chain(ctx context.Context) error {
	begin := max(c.known, 1)
	err := c.each(int(c.newest-begin)+1, func(i int) error {
		_, err := c.log.Record(ctx, begin+uint64(i))
		return err
	})
	if err != nil {
		return err
	}
	newest, err := c.log.Record(ctx, c.newest)
	if err != nil {
		return err
	}
	for sealed, err := range c.log.Back(ctx, newest) {
		if err != nil {
			return err
		}
		if sealed.Record.Sequence <= c.known {
			break
		}
		c.lacking = append(c.lacking, sealed)
	}
	slices.Reverse(c.lacking)
	return nil
}
