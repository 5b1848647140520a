package store

import (
	"context"

	"github.com/quoitbuild/quoit/store/records"
)

// History reads the newest records of the log, newest first, at most n (1 or more);
// none for a project without a log. It writes nothing: tags may have to follow the newest
// record yet. Errors are a [*registry.RequestError], a [*records.ForkError], or say which
// record is gone or broken.
func (p *Project) History(ctx context.Context, n int) ([]records.Sealed, error) {
	log := newReader(p).log
	newest, err := log.Newest(ctx)
	if err != nil {
		return nil, err
	}
	var history []records.Sealed
	for sealed, err := range log.Back(ctx, newest) {
		if err != nil {
			return nil, err
		}
		if history = append(history, sealed); len(history) >= n {
			break
		}
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
	newest, err := newReader(p).log.Newest(ctx)
	return newest.Record.Holds, err
}
