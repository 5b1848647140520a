package measure

import (
	"context"
	"fmt"
	"time"

	controlapi "github.com/moby/buildkit/api/services/control"

	"github.com/quoitbuild/quoit/internal/testkit/stack"
)

// quiet is how long no build may begin or end until all of a run's are counted:
// BuildKit reports them beside its other work.
const quiet = 50 * time.Millisecond

// history follows BuildKit's builds while a command runs. It does not read
// earlier ones, whose number would show in buildkitd's memory.
type history struct {
	since  time.Time
	events chan *controlapi.BuildHistoryEvent
	failed chan error
	end    func()
}

// listen begins to follow; end has to be called.
func listen(ctx context.Context, buildkit *stack.Buildkit) (*history, error) {
	c, err := buildkit.Client(ctx)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	h := &history{since: time.Now(), events: make(chan *controlapi.BuildHistoryEvent, 64), failed: make(chan error, 1)}
	h.end = func() { cancel(); c.Close() }
	stream, err := c.ControlClient().ListenBuildHistory(ctx, &controlapi.BuildHistoryRequest{ActiveOnly: true})
	if err == nil {
		_, err = stream.Header() // BuildKit has taken the request
	}
	if err != nil {
		h.end()
		return nil, fmt.Errorf("following the build history: %w", err)
	}
	go func() {
		for {
			event, err := stream.Recv()
			if err != nil {
				h.failed <- err
				return
			}
			select {
			case h.events <- event:
			case <-ctx.Done():
				return
			}
		}
	}()
	return h, nil
}

// collect gathers the builds' records until done is closed and all of them
// have ended. Events of one build may come in any order.
func (h *history) collect(done <-chan struct{}) (map[string]*controlapi.BuildHistoryRecord, error) {
	builds := map[string]*controlapi.BuildHistoryRecord{}
	var timer <-chan time.Time
	for {
		select {
		case <-done:
			done, timer = nil, time.After(quiet)
		case event := <-h.events:
			// BuildKit reports a build once more when its record is tidied up.
			if event.Record == nil || event.Record.CreatedAt.AsTime().Before(h.since) {
				continue
			}
			if known := builds[event.Record.Ref]; known == nil || event.Record.CompletedAt != nil {
				builds[event.Record.Ref] = event.Record
			}
			if done == nil {
				timer = time.After(quiet)
			}
		case <-timer:
			if ended(builds) {
				return builds, nil
			}
			timer = time.After(quiet)
		case err := <-h.failed:
			return nil, fmt.Errorf("following the build history: %w", err)
		}
	}
}

func ended(builds map[string]*controlapi.BuildHistoryRecord) bool {
	for _, record := range builds {
		if record.CompletedAt == nil {
			return false
		}
	}
	return true
}
