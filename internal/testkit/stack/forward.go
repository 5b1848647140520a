package stack

import (
	"context"
	"errors"

	controlapi "github.com/moby/buildkit/api/services/control"
	"github.com/moby/buildkit/client"

	"github.com/quoitbuild/quoit/internal/testkit/proxy"
)

// Client connects to the stack's buildkitd; close it after use.
func (s *Stack) Client(ctx context.Context) (*client.Client, error) {
	if s.buildkit == nil {
		return nil, errNoBuildkit
	}
	return s.buildkit.Client(ctx)
}

var errNoBuildkit = errors.New("the stack was started without buildkitd")

// RegistryMark marks now in the registry's access log: every request that was answered
// before is before the mark. An error is kept for RequestsSince.
func (s *Stack) RegistryMark() RegistryMark { return s.registry.mark() }

// RequestsSince are the requests that were answered between the mark and now,
// in the order in which they were finished.
func (s *Stack) RequestsSince(mark RegistryMark) ([]proxy.Request, error) {
	return s.registry.requestsSince(mark)
}

// HistoryMark marks now in the history of the stack's buildkitd.
func (s *Stack) HistoryMark(ctx context.Context) (HistoryMark, error) {
	if s.buildkit == nil {
		return HistoryMark{}, errNoBuildkit
	}
	return s.buildkit.HistoryMark(ctx)
}

// BuildsSince are the builds that began after the mark; see Buildkit's.
func (s *Stack) BuildsSince(ctx context.Context, mark HistoryMark) ([]*controlapi.BuildHistoryRecord, error) {
	if s.buildkit == nil {
		return nil, errNoBuildkit
	}
	return s.buildkit.BuildsSince(ctx, mark)
}

// ExecutedSince names the steps that the stack's buildkitd has executed since
// the mark in builds whose frontend was given this option; see Buildkit's.
func (s *Stack) ExecutedSince(ctx context.Context, mark HistoryMark, option, value string) ([]string, error) {
	if s.buildkit == nil {
		return nil, errNoBuildkit
	}
	return s.buildkit.ExecutedSince(ctx, mark, option, value)
}
