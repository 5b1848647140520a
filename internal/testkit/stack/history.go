package stack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	controlapi "github.com/moby/buildkit/api/services/control"

	"github.com/quoitbuild/quoit/internal/testkit/daemon"
)

// HistoryMark is a moment in a BuildKit's history.
type HistoryMark struct {
	known map[string]bool // refs of the builds that had begun
}

// HistoryMark marks now in the history of builds.
func (b *Buildkit) HistoryMark(ctx context.Context) (HistoryMark, error) {
	events, err := b.history(ctx)
	if err != nil {
		return HistoryMark{}, fmt.Errorf("marking the build history: %w", err)
	}
	mark := HistoryMark{known: map[string]bool{}}
	for _, e := range events {
		mark.known[e.Record.Ref] = true
	}
	return mark, nil
}

// BuildsSince are the builds that began after the mark, earliest first: one
// for each solve that a client asked for, none for those a frontend asks for
// within. It waits until all of them have ended.
func (b *Buildkit) BuildsSince(ctx context.Context, mark HistoryMark) ([]*controlapi.BuildHistoryRecord, error) {
	return b.buildsSince(ctx, mark, func(*controlapi.BuildHistoryRecord) bool { return true })
}

func (b *Buildkit) buildsSince(ctx context.Context, mark HistoryMark, match func(*controlapi.BuildHistoryRecord) bool) ([]*controlapi.BuildHistoryRecord, error) {
	var records []*controlapi.BuildHistoryRecord
	err := daemon.Poll(ctx, func() (bool, error) {
		events, err := b.history(ctx)
		if err != nil {
			return false, err
		}
		records = records[:0]
		for _, e := range events {
			if mark.known[e.Record.Ref] || e.Type == controlapi.BuildHistoryEventType_DELETED || !match(e.Record) {
				continue
			}
			if e.Type == controlapi.BuildHistoryEventType_STARTED {
				return false, nil
			}
			records = append(records, e.Record)
		}
		return true, nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading the build history: %w", err)
	}
	slices.SortFunc(records, func(a, b *controlapi.BuildHistoryRecord) int {
		return a.CreatedAt.AsTime().Compare(b.CreatedAt.AsTime())
	})
	return records, nil
}

func (b *Buildkit) history(ctx context.Context) ([]*controlapi.BuildHistoryEvent, error) {
	c, err := b.Client(ctx)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	stream, err := c.ControlClient().ListenBuildHistory(ctx, &controlapi.BuildHistoryRequest{EarlyExit: true})
	if err != nil {
		return nil, err
	}
	var events []*controlapi.BuildHistoryEvent
	for {
		event, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return events, nil
		}
		if err != nil {
			return nil, err
		}
		events = append(events, event)
	}
}
