package builder

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/moby/buildkit/client"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/session"
	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"
)

// ErrTimeout says that a solve did not end within its [Solve.Timeout].
var ErrTimeout = errors.New("it took too long")

// Solve is a build whose frontend is a function of this process.
type Solve struct {
	// Options are what it has beyond what is given by [BuildKit]; Ref is its name.
	Options client.SolveOpt
	// Build is the frontend.
	Build gateway.BuildFunc
	// Timeout is how long it may take; 0: as long as it wants.
	Timeout time.Duration
	// Exports tells which image a step exports, "" for a step that does not; nil: none does.
	Exports func(step digest.Digest) string
	// See is told of all progress before it is shown; nil: nobody is.
	See func(*client.SolveStatus)
}

// Solve lets BuildKit run a build, shows its progress, and returns when both have
// ended. If ctx ends, or the timeout, it waits a second for BuildKit to give up. The
// error is what BuildKit says, with [ErrTimeout] if that was why.
func (c *Client) Solve(ctx context.Context, s Solve) error {
	limited := ctx
	if s.Timeout > 0 {
		var cancel context.CancelFunc
		limited, cancel = context.WithTimeout(ctx, s.Timeout)
		defer cancel()
	}
	opt := s.Options
	opt.Session = slices.Concat([]session.Attachable{logins()}, c.given.Session, opt.Session)
	opt.CacheImports, opt.CacheExports = copied(c.given.CacheImports), copied(c.given.CacheExports)
	opt.AllowedEntitlements = c.given.AllowedEntitlements
	status := make(chan *client.SolveStatus)
	eg, egCtx := errgroup.WithContext(limited)
	eg.Go(func() error {
		_, err := c.buildkit.Build(egCtx, opt, "quoit", s.Build, status)
		return err
	})
	// What is printed until the timeout is shown after it too.
	eg.Go(func() error { return c.progress.show(ctx, s.watch(status), s.Exports) })
	err := wait(limited, eg)
	if err != nil && limited.Err() != nil && ctx.Err() == nil {
		return fmt.Errorf("%w: %w", ErrTimeout, err)
	}
	return err
}

// copied returns caches that the client may write to: it notes what a folder has now
// in its attributes, which the next solve must not believe.
func copied(caches []client.CacheOptionsEntry) []client.CacheOptionsEntry {
	own := slices.Clone(caches)
	for i := range own {
		own[i].Attrs = maps.Clone(own[i].Attrs)
	}
	return own
}

// watch passes the progress on, and lets See have it first.
func (s Solve) watch(status chan *client.SolveStatus) chan *client.SolveStatus {
	if s.See == nil {
		return status
	}
	seen := make(chan *client.SolveStatus)
	go func() {
		defer close(seen)
		for news := range status {
			s.See(news)
			seen <- news
		}
	}()
	return seen
}

// grace is how long BuildKit may take to give up a build after an interrupt. It
// hangs on while a push waits for a registry.
const grace = time.Second

// wait waits for a build, and after an interrupt not much longer.
func wait(ctx context.Context, build *errgroup.Group) error {
	ended := make(chan error, 1)
	go func() { ended <- build.Wait() }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case err := <-ended:
		return err
	case <-timer.C:
		return context.Cause(ctx)
	}
}
