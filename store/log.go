package store

import (
	"context"

	"github.com/quoitbuild/quoit/store/records"
)

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

// Get implements [records.Source].
func (s source) Get(ctx context.Context, tag string) (records.Got, error) {
	return s.driver.get(ctx, tag)
}

// Reference implements [records.Source].
func (s source) Reference(tag string) string {
	return s.driver.repository(records.Repository).Reference(tag)
}
