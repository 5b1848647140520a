package builder

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/quoitbuild/quoit/frontend"
	"github.com/quoitbuild/quoit/frontend/rings"
	"github.com/quoitbuild/quoit/look"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/versioning"
)

// reading is the project's log as it is read, while BuildKit is called and begins.
type reading struct {
	done chan struct{} // closed when the rest is there
	// asked is false if nobody reads it: no ring is looked at, or the caller has no store.
	asked bool
	state store.State
	err   error
}

// readLog begins to read the log. A record with the digest that is given is known to
// be completed.
func (o Options) readLog(ctx context.Context, completed string) *reading {
	r := &reading{done: make(chan struct{})}
	if o.Project == nil || o.Frontend.First || o.Frontend.Ring == versioning.None || o.Frontend.Request == frontend.RequestGraph {
		close(r.done)
		return r
	}
	r.asked = true
	o.Project.Know(look.KnownContents())
	go func() {
		defer close(r.done)
		r.state, r.err = o.state(ctx)
		r.state.Closed = r.state.Closed || r.state.Newest.Digest == completed
	}()
	return r
}

func (o Options) state(ctx context.Context) (store.State, error) {
	state, err := o.Project.State(ctx)
	switch {
	case err == nil && state.Origin != "":
		return state, &store.MirrorError{Mirror: o.Project.Namespace().String(), Origin: state.Origin}
	case err != nil || state.Closed || state.Newest.Digest == "":
		return state, err
	}
	newest := state.Newest
	state, err = o.Project.Settled(ctx, state)
	state.Newest = newest
	return state, err
}

// record is [frontend.Options.Record], once it is known.
func (r *reading) record(ctx context.Context, given string) (string, error) {
	select {
	case <-r.done:
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
	switch {
	case r.err != nil || !r.asked:
		return given, r.err
	case r.state.Newest.Digest == "":
		return rings.NoRecord, nil
	}
	return r.state.Newest.Digest, nil
}

// failed reports whether an error is that of reading the log.
func (r *reading) failed(err error) bool {
	select {
	case <-r.done:
		return r.err != nil && errors.Is(err, r.err)
	default:
		return false
	}
}

// agrees makes sure that a plan was made by the log: an old frontend image goes by the
// rings' tags.
func (r *reading) agrees(plan versioning.Plan) error {
	if !r.asked {
		return nil
	}
	seen := map[string]string{plan.Ring: ""}
	for _, held := range []*versioning.Held{plan.Current, plan.Next} {
		if held != nil {
			seen[held.Ring] = held.Digest
		}
	}
	for ring, digest := range seen {
		if place := r.state.Newest.Record.After[ring]; place.Digest != digest {
			return fmt.Errorf("the frontend planned as if ring %s had %s, the log says %s: the first line of the manifest names an old frontend image, use a newer one",
				ring, orNothing(digest), orNothing(place.Digest))
		}
	}
	return nil
}

func orNothing(digest string) string {
	if digest == "" {
		return "nothing"
	}
	return digest
}

// publishes reports whether a plan has something to publish.
func publishes(plan versioning.Plan) bool {
	return len(plan.Changed()) > 0 || plan.Current == nil || plan.Current.Ring != plan.Ring
}

// differences compares the tags of the rings that a plan speaks of with the log.
func (r *reading) differences(ctx context.Context, o Options, plan versioning.Plan) ([]store.Difference, error) {
	if !r.asked {
		return nil, nil
	}
	rings := []string{plan.Ring}
	for _, held := range []*versioning.Held{plan.Current, plan.Next} {
		if held != nil && !slices.Contains(rings, held.Ring) {
			rings = append(rings, held.Ring)
		}
	}
	return store.Differences(ctx, o.Project, r.state, plan.Root, rings)
}

// unreadyError says that the log has to be prepared before anything is published on it.
type unreadyError struct {
	newest   records.Sealed
	complete bool // tags do not follow it yet
}

func (e *unreadyError) Error() string {
	if !e.complete {
		return fmt.Sprintf("record %d of the log is by an older quoit", e.newest.Record.Sequence)
	}
	return fmt.Sprintf("record %d of the log is not completed", e.newest.Record.Sequence)
}

// ready says of a plan that is to be published whether the log is ready for that.
func (r *reading) ready(plan versioning.Plan) error {
	newest := r.state.Newest
	switch {
	case !r.asked || newest.Digest == "":
		return nil
	case !r.state.Closed:
		return &unreadyError{newest, true}
	case newest.Record.Schema < records.Schema && publishes(plan):
		return &unreadyError{newest, false}
	}
	return nil
}

// prepare makes the log ready.
func (o Options) prepare(ctx context.Context, unready *unreadyError) error {
	newest := unready.newest.Record
	if !unready.complete {
		if err := o.Project.Upgrade(ctx, o.Author, o.Manifest.RingOrder()); err != nil {
			return fmt.Errorf("upgrading the log: %w", err)
		}
		return nil
	}
	fmt.Fprintf(o.BuildKit.Progress.out(), "record %d of the log, a %s, is not completed: that comes first\n", newest.Sequence, newest.Operation)
	if err := o.Project.Settle(ctx, o.Manifest.RingOrder()); err != nil {
		return fmt.Errorf("completing record %d of the log: %w", newest.Sequence, err)
	}
	return nil
}

// warn says in a plan what stands in the way of publishing it.
func (r *reading) warn(ctx context.Context, o Options, plan *versioning.Plan) error {
	if err := r.agrees(*plan); err != nil {
		return err
	}
	if err := r.ready(*plan); err != nil {
		plan.Warnings = append(plan.Warnings, err.Error()+": `quoit build --push` sees to that first, and versions may become others")
	}
	differences, err := r.differences(ctx, o, *plan)
	for _, difference := range differences {
		plan.Warnings = append(plan.Warnings, difference.String())
	}
	return err
}
