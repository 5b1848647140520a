package store

import (
	"context"

	"github.com/quoitbuild/quoit/store/records"
)

// Source is what the log is read from, for [records.NewLog] and for what looks at
// single tags of it.
func (p *Project) Source() records.Source { return source{p.reader()} }

// Append lets an operation make a record on top of the newest one, for as long as it
// takes to be the one that follows it, and carries out what the record says. Rings are
// all of the project in order. Errors are those of the operation, a [*ForeignError], an
// [*UnknownError] or a [*registry.RequestError].
func (p *Project) Append(ctx context.Context, author Author, rings []string, operation records.Operation) (records.Sealed, error) {
	machine, err := records.New(records.Options{Operation: operation, Signature: signatureOf(author), Rings: rings})
	if err != nil {
		return records.Sealed{}, err
	}
	d := newDriver(p)
	switch result := d.run(ctx, machine); result.Outcome {
	case records.Success:
		return *result.Record, nil
	case records.Foreign:
		return records.Sealed{}, d.unsettled(result, d.putBack(result.Tags[0]))
	case records.Unknown:
		return records.Sealed{}, d.unknown(result)
	default:
		return records.Sealed{}, d.unsettled(result, result.Err)
	}
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

// Reference implements [records.Source].
func (s source) Reference(tag string) string {
	return s.driver.repository(records.Repository).Reference(tag)
}
