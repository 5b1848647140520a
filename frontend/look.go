package frontend

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/quoitbuild/quoit/internal/diag"
	"github.com/quoitbuild/quoit/versioning"
)

// state is what the project's log says of the rings.
type state struct {
	versioning.State
	merged []versioning.Placed // that the build is said to contain
	log    log
}

// look reads the log, and the releases that a build for the ring has to know. All that has
// to be known for it is the manifest.
func look(ctx context.Context, r run, d declared) (state, error) {
	root, _ := d.manifest.Image(d.manifest.Root)
	platforms, err := imagePlatforms(root, r.defaultPlatform())
	if err != nil {
		return state{}, err
	}
	l, err := openLog(ctx, log{lookup: &lookup{from: r.images}, manifest: d.manifest, root: platforms}, r.record, r.known)
	if err != nil {
		return state{}, err
	}
	s := state{log: l}
	eg, ctx := errgroup.WithContext(ctx)
	eg.Go(func() (err error) {
		s.State, err = l.state(ctx, d.ring)
		return err
	})
	eg.Go(func() (err error) {
		s.merged, err = l.merged(ctx, r.opts.Merge)
		return err
	})
	return s, ringProblem(eg.Wait())
}

// record says which record is the newest, as [Options.Record] does.
func (r run) record(ctx context.Context) (string, error) {
	if r.opts.First {
		return NoRecord, nil
	}
	return r.newest(ctx)
}

func ringProblem(err error) error {
	var ring *versioning.RingError
	if !errors.As(err, &ring) {
		return err
	}
	if near := diag.Nearest(ring.Ring, ring.Rings); near != "" {
		return fmt.Errorf("%w; did you mean %q?", err, near)
	}
	return err
}
