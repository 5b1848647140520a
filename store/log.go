package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"

	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/versioning"
)

// Source is what the log is read from, for [records.NewLog] and for what looks at
// single tags of it.
func (p *Project) Source() records.Source { return source{p.reader()} }

// Append lets an operation make a record on top of the newest one, for as long as it
// takes to be the one that follows it, and carries out what the record says. Rings are
// all of the project in order. Errors are those of the operation, a [*ForeignError], an
// [*UnknownError] or a [*registry.RequestError].
func (p *Project) Append(ctx context.Context, author Author, rings []string, operation records.Operation) (records.Sealed, error) {
	d := newDriver(p)
	switch result := d.append(ctx, records.Options{Operation: operation, Signature: signatureOf(author), Rings: rings}); result.Outcome {
	case records.Success:
		return *result.Record, nil
	case records.Foreign:
		return records.Sealed{}, d.foreign(ctx, result)
	case records.Unknown:
		return records.Sealed{}, d.unknown(result)
	default:
		return records.Sealed{}, d.unsettled(result, result.Err)
	}
}

// Upgrade brings a log of an older quoit to what the log of this one says, if there is
// one: no ring changes by that. All that appends does so first. Errors are those of
// [Project.Append].
func (p *Project) Upgrade(ctx context.Context, author Author, rings []string) error {
	_, err := p.Append(ctx, author, rings, func(records.Record) (records.Record, error) { return records.Record{}, errHeld })
	if errors.Is(err, errHeld) {
		return nil
	}
	return err
}

// append lets an operation through the log, which it upgrades before if need be.
func (d *driver) append(ctx context.Context, options records.Options) records.Result {
	for {
		machine, err := records.New(options)
		if err != nil {
			return records.Result{Outcome: records.Stopped, Err: err}
		}
		result := d.run(ctx, machine)
		if !errors.Is(result.Err, records.ErrOlder) {
			return result
		}
		if result := d.upgrade(ctx, options, result.Newest); result.Err != nil {
			return result
		}
	}
}

// errMoved says that the log has moved since it was read.
var errMoved = errors.New("the log has moved")

// upgrade appends a record that fills in what the newest one, of an older schema, lacks.
// A result without an error says that it may be tried again.
func (d *driver) upgrade(ctx context.Context, options records.Options, newest records.Sealed) records.Result {
	stopped := func(err error) records.Result {
		return records.Result{Outcome: records.Stopped, Err: fmt.Errorf("upgrading the log: %w", err)}
	}
	record, err := d.upgraded(ctx, newest)
	if err != nil {
		return stopped(err)
	}
	options.Upgrade, options.Signature = true, signatureOf(Author{Actor: options.Signature.Actor})
	options.Operation = func(now records.Record) (records.Record, error) {
		switch {
		case now.Schema == records.Schema:
			return records.Record{}, errHeld
		case now.Sequence != newest.Record.Sequence:
			return records.Record{}, errMoved
		}
		return record, nil
	}
	machine, err := records.New(options)
	if err != nil {
		return stopped(err)
	}
	switch result := d.run(ctx, machine); {
	case result.Outcome == records.Success || errors.Is(result.Err, errHeld) || errors.Is(result.Err, errMoved):
		return records.Result{}
	case result.Outcome == records.Foreign || result.Outcome == records.Forked:
		return result
	default: // what was asked for is not in the log, and that this may be does no harm
		d.exposed = false
		return stopped(result.Err)
	}
}

// upgraded reads a log of an older schema, and makes the record that follows it.
func (d *driver) upgraded(ctx context.Context, newest records.Sealed) (records.Record, error) {
	upgrader := &records.Upgrader{}
	if err := d.walk(ctx, 1, newest.Record.Sequence-1, upgrader.Add); err != nil {
		return records.Record{}, err
	}
	upgrader.Add(newest)
	for _, place := range upgrader.Older(newest.Record) {
		manifest, found, err := d.manifest(ctx, place.Root, place.Digest)
		if err != nil {
			return records.Record{}, err
		}
		if !found {
			continue // what needs it says so
		}
		release, err := ReleaseOf(ctx, d.repository(place.Root), manifest)
		if err != nil {
			return records.Record{}, fmt.Errorf("%s: %w", d.repository(place.Root).Reference(place.Digest), err)
		}
		versions := maps.Clone(release.Retired)
		if versions == nil {
			versions = map[string]versioning.Version{}
		}
		for name, image := range release.Images {
			versions[name] = image.Version
		}
		upgrader.AddOlder(place.Release, versions)
	}
	images := upgrader.Images()
	tags, err := d.versions(ctx, images...)
	return upgrader.Record(newest.Record, tags), err
}

// atOnce is how many records are held at a time.
const atOnce = 64

// walk reads the records of some numbers, as far as they are there, oldest first.
func (d *driver) walk(ctx context.Context, first, last uint64, add func(records.Sealed)) error {
	for ; first <= last; first += atOnce {
		log := newReader(d.project).log
		read := make([]*records.Sealed, min(atOnce, last+1-first))
		err := d.project.pace.Each(len(read), func(i int) error {
			sealed, err := log.Record(ctx, first+uint64(i))
			if err == nil {
				read[i] = &sealed
			} else if errors.As(err, new(*records.GoneError)) {
				err = nil
			}
			return err
		})
		if err != nil {
			return err
		}
		for _, sealed := range read {
			if sealed != nil {
				add(*sealed)
			}
		}
	}
	return nil
}

// versions are those that each of some images has a tag of.
func (d *driver) versions(ctx context.Context, images ...string) (map[string][]versioning.Version, error) {
	all := map[string][]versioning.Version{}
	var mu sync.Mutex
	err := d.project.pace.Each(len(images), func(i int) error {
		tags, err := registry.AllTags(ctx, d.repository(images[i]))
		var versions []versioning.Version
		for _, tag := range tags {
			if version, err := versioning.Parse(tag); err == nil {
				versions = append(versions, version)
			}
		}
		mu.Lock()
		defer mu.Unlock()
		all[images[i]] = versions
		return err
	})
	return all, err
}

// newReader is a driver that writes nothing.
func newReader(p *Project) *driver {
	d := newDriver(p)
	d.reader = true
	return d
}

// source is what a driver's log is read from: the driver's own way to the registry,
// with its right and what it knows already.
type source struct{ driver *driver }

// Heads implements [records.Source].
func (s source) Heads(ctx context.Context, tags ...string) ([]string, error) {
	digests := make([]string, len(tags))
	err := s.driver.project.pace.Each(len(tags), func(i int) error {
		response, err := s.driver.head(ctx, records.Request{Action: records.Head, Repository: records.Repository, Tag: tags[i]})
		digests[i] = response.Digest
		return err
	})
	return digests, err
}

// Tags implements [records.Source].
func (s source) Tags(ctx context.Context, page string) ([]string, string, error) {
	response, err := s.driver.carry(ctx, records.Request{Action: records.List, Repository: records.Repository, Page: page})
	return response.Tags, response.Next, err
}

// Get implements [records.Source].
func (s source) Get(ctx context.Context, tag string) (records.Got, error) {
	return s.driver.get(ctx, tag)
}

// Several implements [records.Source].
func (s source) Several(n int, f func(i int) error) error { return s.driver.project.pace.Each(n, f) }

// Reference implements [records.Source].
func (s source) Reference(tag string) string {
	return s.driver.repository(records.Repository).Reference(tag)
}
