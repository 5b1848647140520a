package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/store/records"
)

// waits remembers what was waited for. None of it matters to safety. How long that
// was is the sum of the pauses, so that a machine that stood still is not punished.
type waits struct {
	unit  time.Duration        // a second, shorter in tests
	since map[uint64]time.Time // records that were waited for, when first
	round int
	until time.Time // the end of backing off in that round

	what string // that was waited for last, for people
	next time.Duration
	on   time.Duration // for how long
	told bool
	all  time.Duration // for others that write
}

// How long is waited, in units.
const (
	polite  = 5   // until another writer's record is completed by this one
	quiet   = 5   // until it is said what is waited for
	stale   = 60  // until the list of tags has to show what was written
	crowded = 600 // for others that write, in all
)

var errCrowded = errors.New("others have been writing to the log for ten minutes, and were first each time: run the command again later")

// wait waits for a moment, and reports whether it is enough.
func (d *driver) wait(ctx context.Context, request records.Request) (records.Response, error) {
	w, now, log := &d.waits, time.Now(), d.repository(records.Repository)
	pause := time.Duration(0)
	switch request.Reason {
	case records.Polite:
		sequence := request.Record.Sequence
		if now.Sub(w.first(request.Record, now)) >= polite*w.unit {
			return records.Response{Over: true}, nil
		}
		w.begin("the writer of " + log.Reference(records.Name{Sequence: sequence}.String()) + " to move the tags")
		pause = w.longer(w.unit)
	case records.Backoff:
		if w.round != request.Round || now.After(w.until.Add(w.unit)) {
			w.round, w.until = request.Round, now.Add(w.random(request.Round))
		}
		left := w.until.Sub(now)
		if left <= 0 {
			return records.Response{Over: true}, nil
		}
		w.begin("others who write to " + log.Reference(string(records.Hint)) + " at the same time")
		pause = min(max(w.unit/10, left/4), left)
	default:
		tag := log.Reference(request.Tag)
		w.begin("the registry's list of tags to show " + tag + ", which was written")
		if w.on >= stale*w.unit {
			return records.Response{}, fmt.Errorf("the registry's list of tags does not show %s, which was written a minute ago", tag)
		}
		pause = min(w.longer(5*w.unit), stale*w.unit-w.on)
	}
	if request.Reason == records.Polite || request.Reason == records.Backoff {
		if w.all >= crowded*w.unit {
			return records.Response{}, errCrowded
		}
		w.all += pause
	}
	return records.Response{}, d.pause(ctx, pause)
}

// pause makes a pause, and says what it is for if it has taken long.
func (d *driver) pause(ctx context.Context, pause time.Duration) error {
	w := &d.waits
	if w.on >= quiet*w.unit && !w.told {
		w.told = true
		d.project.pace.Tell("waiting for " + w.what)
	}
	w.on += pause
	return registry.Rest(ctx, pause)
}

// first is when a record was waited for first, or written, if that is earlier.
func (w *waits) first(record records.Record, now time.Time) time.Time {
	first, known := w.since[record.Sequence]
	if !known {
		first = now
		if record.Time.Before(now) {
			first = record.Time
		}
		w.since[record.Sequence] = first
	}
	return first
}

// begin begins to wait for something else than before.
func (w *waits) begin(what string) {
	if w.what != what {
		w.what, w.next, w.on, w.told = what, w.unit/10, 0, false
	}
}

// longer is a pause that is twice as long each time.
func (w *waits) longer(most time.Duration) time.Duration {
	pause := min(w.next, most)
	w.next = 2 * pause
	return pause
}

// random is a time that gets longer with each round.
func (w *waits) random(round int) time.Duration {
	longest := w.unit / 5 * time.Duration(min(round, 25))
	return longest/4 + rand.N(longest+1)
}
