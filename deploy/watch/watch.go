// Package watch follows rings, and deploys to sites what their rings have.
//
// A [Watcher] asks the registry once an interval whether the project's log goes on, with
// one HEAD for all sites of a ring. When the ring has something else by the log, each site
// is brought there, at its own pace; a site is downgraded only if it says so. Objects that somebody else has changed are looked
// for once each [Options.Resync].
//
//	rings := watch.Rings(m, sites, "quoit/1")
//	w := watch.New(watch.Options{Interval: time.Minute, Log: os.Stderr}, rings...)
//	err := w.Run(ctx)
//
// [Watcher.Handler] serves its metrics.
package watch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/quoitbuild/quoit/deploy/rollout"
	"github.com/quoitbuild/quoit/deploy/site"
	"github.com/quoitbuild/quoit/internal/show"
	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/store"
)

// Options are how a [Watcher] works.
type Options struct {
	// Interval lies between two questions what a ring has; it must be more than 0.
	Interval time.Duration
	// Resync lies between two comparisons of a site's objects with its release; 0:
	// never.
	Resync time.Duration
	// Correct deploys again where they differ.
	Correct bool
	// Limits are for each deploy.
	Limits rollout.Limits
	// Actor is who deploys, for the sites' records.
	Actor string
	// Log is told, a line each, what happens; nil: nobody is.
	Log io.Writer
	// UserAgent is sent to registries, Transport carries the requests there; the zero
	// values are those of [registry.Options].
	UserAgent string
	Transport http.RoundTripper
}

// Watcher follows rings. Use one by [New], and run it once.
type Watcher struct {
	options Options
	rings   []*Ring
	metrics *metrics
	// bring deploys what a ring has, or compares objects of a site that is there
	// already. It returns the digest of what the site is at then.
	bring func(ctx context.Context, ring *Ring, s *member, compare bool) (string, error)
}

// New returns a watcher of rings, which are its own from now on.
func New(o Options, rings ...*Ring) *Watcher {
	if o.Log == nil {
		o.Log = io.Discard
	}
	w := &Watcher{options: o, rings: rings, metrics: newMetrics()}
	w.bring = w.deploy
	return w
}

// Run follows all rings until ctx ends, and returns why that ended. What goes wrong
// meanwhile is logged, and tried again.
func (w *Watcher) Run(ctx context.Context) error {
	eg, ctx := errgroup.WithContext(ctx)
	for _, ring := range w.rings {
		eg.Go(func() error { return w.follow(ctx, ring) })
	}
	return eg.Wait()
}

// Say logs a line.
func (w *Watcher) Say(format string, values ...any) {
	fmt.Fprintf(w.options.Log, "%s %s\n", time.Now().UTC().Format(time.RFC3339), show.Block(strings.TrimRight(fmt.Sprintf(format, values...), "\n")))
}

// follow asks for a ring and deploys to its sites until ctx ends.
func (w *Watcher) follow(ctx context.Context, ring *Ring) error {
	f := follower{Interval: w.options.Interval, Resync: w.options.Resync}
	f.Ask = func(ctx context.Context) (string, error) {
		digest, err := w.ask(ctx, ring)
		if ctx.Err() != nil {
			return "", err
		}
		w.metrics.asked(ring.name, err)
		w.complain(ring.name, &ring.said, err)
		return digest, err
	}
	for _, s := range ring.sites {
		f.Sites = append(f.Sites, func(ctx context.Context, compare bool) string {
			digest, err := w.bring(ctx, ring, s, compare)
			if ctx.Err() != nil {
				w.leave(err)
				return ""
			}
			return w.settle(s, digest, err)
		})
	}
	return f.Follow(ctx)
}

// leave says in what state a site is of which a deploy was interrupted.
func (w *Watcher) leave(err error) {
	if unfinished := new(site.UnfinishedError); errors.As(err, &unfinished) && unfinished.Written {
		w.Say("%s", unfinished.Becomes())
	}
}

// complain says an error, but not the same one again.
func (w *Watcher) complain(about string, said *string, err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text != "" && text != *said {
		w.Say("%s: %s", about, text)
	}
	*said = text
}

// reread is how long a watcher goes by what it has read of a log while no next record
// is there: then it also notices that the log is another one, as after a restore, and
// that somebody has moved the ring's tag.
const reread = time.Hour

// ask says what a ring has by the log: one HEAD while that does not change, with
// credentials as they are now. If it fails, the next poll is the next attempt.
func (w *Watcher) ask(ctx context.Context, ring *Ring) (string, error) {
	p, err := ring.open(w.registry(1))
	if err != nil {
		return "", err
	}
	if !ring.since.IsZero() && time.Since(ring.since) < reread {
		changed, err := p.Changed(ctx, ring.state, ring.ring)
		if err != nil || !changed {
			return ring.digest(), err
		}
	}
	state, err := p.State(ctx, ring.ring)
	if err == nil {
		state, err = p.Settled(ctx, state)
	}
	if err != nil {
		return "", err
	}
	ring.state, ring.since = state, time.Now()
	w.compareTag(ctx, p, ring)
	return ring.digest(), nil
}

// compareTag says whether a ring's tag names something else than the log says. Nothing is
// decided by it.
func (w *Watcher) compareTag(ctx context.Context, p *store.Project, ring *Ring) {
	differences, err := store.Differences(ctx, p, ring.state, ring.root, []string{ring.ring})
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		err = fmt.Errorf("looking at its tag: %w", err)
	}
	for _, difference := range differences {
		err = errors.New("going on by the log: " + difference.String())
	}
	w.metrics.differs(ring.name, len(differences) > 0)
	w.complain(ring.name, &ring.saidOfTag, err)
}

// registry is how the registry is talked to.
func (w *Watcher) registry(attempts int) registry.Options {
	return registry.Options{UserAgent: w.options.UserAgent, Attempts: attempts, Transport: w.options.Transport}
}
