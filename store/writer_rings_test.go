//go:build stack

package store_test

import (
	"context"
	"errors"

	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/store/storetest"
	"github.com/quoitbuild/quoit/versioning"
)

func (w *writer) ringOptions() store.RingOptions {
	options := storetest.RingOptions()
	options.Author.Message = w.id
	return options
}

// moved is what an operation on rings reports. Where there is nothing to do it is
// a publish instead.
func (w *writer) moved(d draw, outcome store.RingOutcome, err error) (writerReport, error) {
	var held *versioning.HeldError
	if errors.As(err, &held) || err == nil && outcome.Record == 0 {
		return w.publish(d)
	}
	for _, change := range outcome.Changes {
		if change.To != nil {
			return writerReport{Ring: change.Ring, Version: change.To.Version.String(), Digest: change.To.Digest}, err
		}
	}
	return writerReport{}, err
}

// shiftOn shifts whatever is in the way.
func (w *writer) shiftOn(d draw) (writerReport, error) {
	outcome, err := w.open().Shift(context.Background(), w.ringOptions(), versioning.ShiftRequest{Discard: storetest.Rings})
	return w.moved(d, outcome, err)
}

func (w *writer) unshift(d draw) (writerReport, error) {
	outcome, err := w.open().Unshift(context.Background(), w.ringOptions(), nil)
	if refused := new(versioning.UnshiftError); errors.As(err, &refused) { // nothing was shifted, or others came between
		return w.publish(d)
	}
	return w.moved(d, outcome, err)
}

// place sets a ring to what the first one holds.
func (w *writer) place(d draw) (writerReport, error) {
	first, err := storetest.Ring(context.Background(), w.open(), "developers")
	if err != nil {
		return writerReport{}, err
	}
	outcome, err := w.open().Set(context.Background(), w.ringOptions(), "post", first.Release.Version(), true)
	return w.moved(d, outcome, err)
}

func (w *writer) hold(draw) (writerReport, error) {
	_, err := w.open().Hold(context.Background(), w.ringOptions(), "users", w.id)
	return writerReport{}, err
}

func (w *writer) unhold(d draw) (writerReport, error) {
	outcome, err := w.open().Unhold(context.Background(), w.ringOptions(), storetest.Rings)
	return w.moved(d, outcome, err)
}
