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

// Tags implements [records.Source].
func (s source) Tags(ctx context.Context, page string) ([]string, string, error) {
	return s.Repository.Tags(ctx, "", page)
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

// Several implements [records.Source].
func (s source) Several(n int, f func(i int) error) error { return s.each(n, f) }

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

// read finds the newest record of the source that counts: a publish does from when its
// writer has said that it is done.
func (c *copier) read(ctx context.Context) error {
	log, hint, err := c.open(ctx, c.from)
	if err != nil {
		return err
	}
	c.log, c.origin = log, c.from.String()
	if origin, is := hint.origin(); is {
		c.origin = origin
	}
	if c.newest, err = c.log.Newest(ctx); err != nil {
		return err
	}
	newest := c.newest.Record
	if newest.Sequence == 0 {
		return fmt.Errorf("%s has no log: publish a release first", c.from.String())
	}
	if c.origin != c.from.String() || newest.Operation != records.OpPublish || hint.there && hint.hint.Digest == c.newest.Digest {
		return nil
	}
	done := records.Name{Mark: records.Done, Sequence: newest.Sequence, Value: c.newest.Digest}
	_, found, err := hint.Head(ctx, done.String())
	if err != nil || found {
		return err
	}
	if newest.Sequence == 1 {
		return fmt.Errorf("record 1 (%s) is not completed yet: wait for its writer, or publish again, which completes it", newest.Operation)
	}
	c.newest, err = c.log.Named(ctx, newest.Sequence-1, newest.Parent)
	return err
}

// compare compares the target's log with the source's, and reads what it lacks.
func (c *copier) compare(ctx context.Context) error {
	_, hint, err := c.open(ctx, c.to)
	if err != nil {
		return err
	}
	if _, c.marked = hint.origin(); !c.marked {
		return c.nobodys(ctx, hint)
	}
	newest := c.newest.Record.Sequence
	if there, err := c.there(ctx, newest+1); err != nil {
		return err
	} else if there != "" {
		return c.ahead(ctx, there)
	}
	known, err := c.known(ctx)
	if err != nil {
		return err
	}
	return c.chain(ctx, known)
}

// nobodys makes sure that nobody has written to a target that is no mirror.
func (c *copier) nobodys(ctx context.Context, target source) error {
	tags, _, err := target.Repository.Tags(ctx, "record-", "")
	if err != nil {
		return err
	}
	if hint := target.there; hint || slices.ContainsFunc(tags, func(tag string) bool { _, of := records.ParseName(tag); return of }) {
		return &NotMirrorError{Target: c.to.String(), From: c.from.String(), Origin: c.origin}
	}
	return c.chain(ctx, 0)
}

// there is the digest of a record of the target, "" if it has none.
func (c *copier) there(ctx context.Context, sequence uint64) (string, error) {
	digest, _, err := c.to.Repository(records.Repository).Head(ctx, records.Name{Sequence: sequence}.String())
	return digest, err
}

// ahead says what it means that the target has a record after the newest one. It may be
// the source's own, which does not count yet.
func (c *copier) ahead(ctx context.Context, there string) error {
	sequence := c.newest.Record.Sequence + 1
	here, err := c.here(ctx, sequence)
	if err != nil || here == there {
		return err
	}
	if differs := c.sameUpTo(ctx, c.newest.Record.Sequence); differs != nil {
		return differs
	}
	return &NotMirrorError{Target: c.to.String(), Record: sequence, Here: here, There: there}
}

func (c *copier) here(ctx context.Context, sequence uint64) (string, error) {
	digest, _, err := c.from.Repository(records.Repository).Head(ctx, records.Name{Sequence: sequence}.String())
	return digest, err
}

// known is the number of the newest record that the target has, 0 for none. Records come
// there in order, so it looks 1, 2, 4 … below the source's newest, and then between.
func (c *copier) known(ctx context.Context) (uint64, error) {
	lacks := c.newest.Record.Sequence + 1
	has := uint64(0)
	for step := uint64(1); has == 0 && lacks > 1; step *= 2 {
		at := uint64(1)
		if step < lacks {
			at = lacks - step
		}
		there, err := c.there(ctx, at)
		switch {
		case err != nil:
			return 0, err
		case there != "":
			has = at
		default:
			lacks = at
		}
	}
	for lacks > has+1 {
		middle := has + (lacks-has)/2
		there, err := c.there(ctx, middle)
		switch {
		case err != nil:
			return 0, err
		case there != "":
			has = middle
		default:
			lacks = middle
		}
	}
	return has, nil
}

// sameUpTo finds the first record up to a number that differs; nil for none. Equal ones
// have equal ones before them, as each has the digest of the one before.
func (c *copier) sameUpTo(ctx context.Context, sequence uint64) error {
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
	here, err := c.here(ctx, sequence)
	if err != nil {
		return nil, err
	}
	there, err := c.there(ctx, sequence)
	if err != nil || here == there {
		return nil, err
	}
	return &NotMirrorError{Target: c.to.String(), Record: sequence, Here: here, There: there}, nil
}

// chain reads the records that the target lacks, and compares the newest that it has
// with the source's. What comes before a record that the source has lost is not vouched
// for by any other, and is left out.
func (c *copier) chain(ctx context.Context, known uint64) error {
	newest := c.newest.Record.Sequence
	begin := max(known, 1)
	err := c.each(int(newest-begin), func(i int) error {
		if _, err := c.log.Record(ctx, begin+uint64(i)); err != nil && !errors.As(err, new(*records.GoneError)) {
			return err
		}
		return nil
	})
	if err != nil {
		return err
	}
	for sealed, err := range c.log.Back(ctx, c.newest) {
		if gone := new(records.GoneError); errors.As(err, &gone) {
			c.outcome.Gap = gone.Record
			break
		}
		if err != nil {
			return err
		}
		if sequence := sealed.Record.Sequence; sequence == known {
			c.common = sealed
			there, err := c.there(ctx, known)
			if err == nil && there != sealed.Digest {
				err = c.sameUpTo(ctx, known)
			}
			slices.Reverse(c.lacking)
			return err
		}
		c.lacking = append(c.lacking, sealed)
	}
	slices.Reverse(c.lacking)
	return nil
}
