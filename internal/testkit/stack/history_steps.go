package stack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	controlapi "github.com/moby/buildkit/api/services/control"
)

// ErrNoBuild says that nothing was built.
var ErrNoBuild = errors.New("the build history has no build")

// ExecutedSince names the steps that were executed to their end, not found in
// the cache, in builds that began after the mark and whose frontend was given
// this option. It waits until those builds have ended.
func (b *Buildkit) ExecutedSince(ctx context.Context, mark HistoryMark, option, value string) ([]string, error) {
	builds, err := b.buildsSince(ctx, mark, func(r *controlapi.BuildHistoryRecord) bool {
		return r.FrontendAttrs[option] == value
	})
	if err != nil {
		return nil, err
	}
	if len(builds) == 0 {
		return nil, fmt.Errorf("%w with %s=%s", ErrNoBuild, option, value)
	}
	steps := map[string]bool{}
	for _, build := range builds {
		if err := b.addExecuted(ctx, build, steps); err != nil {
			return nil, fmt.Errorf("reading the steps of build %s: %w", build.Ref, err)
		}
	}
	return slices.Sorted(maps.Keys(steps)), nil
}

func (b *Buildkit) addExecuted(ctx context.Context, build *controlapi.BuildHistoryRecord, steps map[string]bool) error {
	c, err := b.Client(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	stream, err := c.ControlClient().Status(ctx, &controlapi.StatusRequest{Ref: build.Ref})
	if err != nil {
		return err
	}
	for {
		status, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		for _, v := range status.Vertexes {
			// A step that an earlier build shares, not gone yet, is told of here too.
			if executed(v) && !v.Started.AsTime().Before(build.CreatedAt.AsTime()) {
				steps[v.Name] = true
			}
		}
	}
}

// executed is only for steps with inputs: those without, like sources, never
// count as cached.
func executed(v *controlapi.Vertex) bool {
	return len(v.Inputs) > 0 && v.Completed != nil && !v.Cached && v.Error == ""
}
