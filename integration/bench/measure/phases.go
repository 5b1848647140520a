package measure

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	controlapi "github.com/moby/buildkit/api/services/control"
	"github.com/moby/buildkit/client"

	"github.com/quoitbuild/quoit/internal/testkit/stack"
)

// span is when something began and ended.
type span struct{ from, to time.Time }

// add makes the span reach over another.
func (s *span) add(from, to time.Time) {
	if s.from.IsZero() || from.Before(s.from) {
		s.from = from
	}
	if to.After(s.to) {
		s.to = to
	}
}

func (s span) seconds() float64 { return s.to.Sub(s.from).Seconds() }

// phaseOf sorts a build's steps into phases, "" for those that say nothing of
// one: the phases between are what lies between.
func phaseOf(vertex string) string {
	switch {
	case strings.Contains(vertex, "load build definition"):
		return "manifest"
	case strings.Contains(vertex, "load container files"):
		return "control"
	case strings.Contains(vertex, "load the project's files"), strings.Contains(vertex, "load build context"):
		return "context"
	case strings.Contains(vertex, "hash what the images read"):
		return "hash"
	case strings.HasPrefix(vertex, "[quoit] "):
		return "state"
	case strings.HasPrefix(vertex, "exporting ") || strings.HasPrefix(vertex, "pushing "):
		return "export"
	case strings.HasPrefix(vertex, "[internal]"), strings.HasPrefix(vertex, "resolve image config"),
		strings.HasPrefix(vertex, "docker-image://"), strings.Contains(vertex, " internal] "):
		return ""
	default:
		return "solve"
	}
}

// phases are the seconds of a run's phases, of what BuildKit's history says of
// its one build: start is up to the build's begin, compile is between the
// container files and whatever comes next, tags is after the build's end.
func phases(ctx context.Context, buildkit *stack.Buildkit, record *controlapi.BuildHistoryRecord, began time.Time, seconds float64) (map[string]float64, error) {
	steps, err := vertices(ctx, buildkit, record.Ref)
	if err != nil {
		return nil, fmt.Errorf("reading the build's steps: %w", err)
	}
	spans := map[string]*span{}
	for _, v := range steps {
		if v.Started == nil || v.Completed == nil || v.Cached {
			continue
		}
		if phase := phaseOf(v.Name); phase != "" {
			if spans[phase] == nil {
				spans[phase] = &span{}
			}
			spans[phase].add(*v.Started, *v.Completed)
		}
	}
	build := span{record.CreatedAt.AsTime(), record.CompletedAt.AsTime()}
	return divide(spans, build, span{began, began.Add(time.Duration(seconds * float64(time.Second)))}), nil
}

// divide makes seconds of spans and adds the phases that no step shows. Phases
// may overlap, so their sum can be more than the whole.
func divide(spans map[string]*span, build, whole span) map[string]float64 {
	out := map[string]float64{"start": build.from.Sub(whole.from).Seconds(), "tags": whole.to.Sub(build.to).Seconds()}
	for phase, s := range spans {
		out[phase] = s.seconds()
	}
	control, context, hash := spans["control"], spans["context"], spans["hash"]
	if control != nil && context != nil {
		out["compile"] = max(0, context.from.Sub(control.to).Seconds())
	}
	if hash != nil && context != nil {
		// Its checksums of the tree's contents are before the step's begin.
		out["hash"] = hash.to.Sub(context.to).Seconds()
	}
	return out
}

// vertices are a finished build's steps in their last state.
func vertices(ctx context.Context, buildkit *stack.Buildkit, ref string) (map[string]*client.Vertex, error) {
	c, err := buildkit.Client(ctx)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	stream, err := c.ControlClient().Status(ctx, &controlapi.StatusRequest{Ref: ref})
	if err != nil {
		return nil, err
	}
	found := map[string]*client.Vertex{}
	for {
		response, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return found, nil
		}
		if err != nil {
			return nil, err
		}
		for _, v := range client.NewSolveStatus(response).Vertexes {
			// A step may be solved more than once; each time counts.
			key := v.Digest.String()
			if v.Started != nil {
				key += v.Started.String()
			}
			found[key] = v
		}
	}
}
