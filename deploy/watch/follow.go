package watch

import (
	"context"
	"math/rand/v2"
	"time"

	"golang.org/x/sync/errgroup"
)

// follower follows one ring for all sites that want what it has.
type follower struct {
	// Interval lies between two polls of the ring, Resync between two times at
	// which a site's objects are compared with its release; 0: never.
	Interval, Resync time.Duration
	// Ask says what the ring has, "" if nothing. It is called at most once an
	// interval, and less and less often while it fails.
	Ask func(ctx context.Context) (digest string, err error)
	// Sites are brought there, each at its own pace.
	Sites []bringing
}

// bringing brings one site to what its ring has; compare says that its objects
// are to be looked at, though it may be there. It returns what it has dealt with,
// which may be newer than what the poll said, or "" if that went wrong: then it
// is called again, after ever more polls, 32 at most.
type bringing func(ctx context.Context, compare bool) (digest string)

// Follow works until ctx ends, and returns why that ended. A site that takes
// long keeps neither the polls waiting nor the other sites; what the ring had
// in between is left out.
func (f follower) Follow(ctx context.Context) error {
	eg, ctx := errgroup.WithContext(ctx)
	var sites []*keeper
	for _, bring := range f.Sites {
		s := &keeper{bring: bring, resync: f.Resync, news: make(chan string, 1)}
		sites = append(sites, s)
		eg.Go(func() error { return s.tend(ctx) })
	}
	eg.Go(func() error {
		times, well := ticks{interval: f.Interval}, true
		for {
			if err := pause(ctx, time.Until(times.next(time.Now(), well, rand.Float64()))); err != nil {
				return err
			}
			digest, err := f.Ask(ctx)
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if well = err == nil; !well {
				continue
			}
			for _, s := range sites {
				s.tell(digest)
			}
		}
	})
	return eg.Wait()
}

// keeper looks after one site.
type keeper struct {
	bring  bringing
	resync time.Duration
	news   chan string // what the ring has, the newest only
}

// tell wakes the site. It never waits.
func (s *keeper) tell(digest string) {
	select {
	case <-s.news: // an older one
	default:
	}
	s.news <- digest
}

// tend brings the site whenever there is a reason.
func (s *keeper) tend(ctx context.Context) error {
	var last, dealt string
	failures, skip := 0, 0
	compared := time.Now() // a place on a grid, like the polls
	for {
		var digest string
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case digest = <-s.news:
		}
		if digest != last {
			last, failures, skip = digest, 0, 0
		}
		now := time.Now()
		compare := s.resync > 0 && now.Sub(compared) >= s.resync
		if digest == "" || digest == dealt && !compare {
			continue
		}
		if skip > 0 {
			skip--
			continue
		}
		dealt = s.bring(ctx, compare) // what was dealt with before counts no more
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if dealt == "" {
			failures++
			skip = min(1<<min(failures, 10), maxBackoff) - 1
			continue
		}
		failures = 0
		if compare {
			compared = compared.Add(now.Sub(compared).Truncate(s.resync))
		}
	}
}

// pause waits, or says why that was cut short.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}
