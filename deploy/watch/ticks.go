package watch

import "time"

// maxBackoff is how many intervals a failing poll is put off at most.
const maxBackoff = 32

// ticks say when a watcher asks for a ring. They lie on a grid that begins with
// the first one, a tenth of an interval around it, so they never drift, however
// long the work between them takes. There is at most one for each place on the
// grid.
type ticks struct {
	interval time.Duration

	start    time.Time
	slot     int64
	failures int
}

// next says when the next tick is, given when the last one was over and whether
// it was well; the first one is at once. After failures ticks are left out: one,
// three, seven … Random is between 0 and 1.
func (t *ticks) next(now time.Time, well bool, random float64) time.Time {
	if t.start.IsZero() {
		t.start = now
		return now
	}
	skip := int64(1)
	if t.failures++; well {
		t.failures = 0
	} else {
		skip = min(int64(1)<<min(t.failures, 10), maxBackoff)
	}
	t.slot = max(t.slot+skip, int64(now.Sub(t.start)/t.interval)+1)
	jitter := time.Duration((random - 0.5) * 0.2 * float64(t.interval))
	return t.start.Add(time.Duration(t.slot)*t.interval + jitter)
}
