package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/quoitbuild/quoit/store/records"
)

// History reads the newest records of the log, newest first, at most n; none for
// a project without a log. It writes nothing: tags may have to follow the newest
// record yet. Errors are a [*RequestError], a [*records.ForkError], or say which
// record is gone or broken.
func (p *Project) History(ctx context.Context, n int) ([]records.Sealed, error) {
	d := newDriver(p)
	d.reader = true
	newest, err := d.newest(ctx)
	if err != nil || newest.Digest == "" {
		return nil, err
	}
	var history []records.Sealed
	parent := newest.Digest
	for sequence := newest.Record.Sequence; sequence > 0 && len(history) < n; sequence-- {
		sealed, err := d.record(ctx, sequence)
		if err != nil {
			return nil, err
		}
		if sealed.Digest != parent {
			return nil, fmt.Errorf("record %d of the log is %s, and the next one says %s: run `quoit verify`", sequence, sealed.Digest, parent)
		}
		parent = sealed.Record.Parent
		history = append(history, sealed)
	}
	return history, nil
}

// Settle completes what the newest record says, if its writer did not: versions
// that have no tag yet, then ring tags, of which rings gives the order. Errors are
// those of [Project.History], or a [*ForeignError].
func (p *Project) Settle(ctx context.Context, rings []string) error {
	d := newDriver(p)
	machine, err := records.New(records.Options{Signature: signatureOf(Author{}), Rings: rings})
	if err != nil {
		return err
	}
	switch result := d.run(ctx, machine); result.Outcome {
	case records.Settled:
		return nil
	case records.Foreign:
		return d.putBack(result.Tags[0])
	default:
		return result.Err
	}
}

// Held returns the rings that shifts leave alone, by the newest record. Errors
// are those of [Project.History].
func (p *Project) Held(ctx context.Context) (map[string]records.Hold, error) {
	d := newDriver(p)
	d.reader = true
	newest, err := d.newest(ctx)
	return newest.Record.Holds, err
}

// epoch signs what is never written.
var epoch = time.Unix(0, 0).UTC()

// newest reads the newest record, without a digest if there is none.
func (d *driver) newest(ctx context.Context) (records.Sealed, error) {
	machine, err := records.New(records.Options{Signature: records.Signature{ID: newID(), Time: epoch}})
	if err != nil {
		return records.Sealed{}, err
	}
	result := d.run(ctx, machine)
	if result.Outcome == records.Settled || result.Outcome == records.Stopped && errors.Is(result.Err, errRead) {
		return result.Newest, nil
	}
	return records.Sealed{}, result.Err
}
