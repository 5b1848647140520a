package store

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/store/records"
)

// waits remembers what was waited for. None of it matters to safety.
type waits struct {
	// unit is a second, shorter in tests.
	unit  time.Duration
	since map[uint64]time.Time // records that were waited for, when first
	round int
	until time.Time // the end of backing off in that round
}

// polite is how many units another writer is given to complete its record.
const polite = 5

// wait waits for a moment, and reports whether it is enough.
func (d *driver) wait(ctx context.Context, request records.Request) (records.Response, error) {
	w, now := &d.waits, time.Now()
	pause, over := w.unit/10, false
	switch request.Reason {
	case records.Polite:
		first, known := w.since[request.Record.Sequence]
		if !known {
			first = now
			if written := request.Record.Time; written.Before(now) {
				first = written
			}
			w.since[request.Record.Sequence] = first
		}
		over = now.Sub(first) >= polite*w.unit
		if over {
			return records.Response{Over: true}, nil
		}
	case records.Backoff:
		if w.round != request.Round || now.After(w.until.Add(w.unit)) {
			w.round, w.until = request.Round, now.Add(w.random(request.Round))
		}
		over = !now.Before(w.until)
		pause = max(0, min(pause, w.until.Sub(now)))
	case records.Listing:
		pause *= time.Duration(min(request.Round, 10))
	}
	return records.Response{Over: over}, registry.Rest(ctx, pause)
}

// random is a time that gets longer with each round.
func (w *waits) random(round int) time.Duration {
	longest := w.unit / 5 * time.Duration(min(round, 25))
	return longest/4 + rand.N(longest+1)
}
