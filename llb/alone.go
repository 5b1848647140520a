package llb

import (
	"context"

	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/pb"
)

// Gateway is what a compile asks of a BuildKit, besides the configs of images. All but
// its options is only for a container file of another frontend, and for a time that is
// that of a remote source (SOURCE_DATE_EPOCH).
type Gateway interface {
	BuildOpts() client.BuildOpts
	Solve(context.Context, client.SolveRequest) (*client.Result, error)
	ResolveSourceMetadata(context.Context, *pb.SourceOp, sourceresolver.Opt) (*sourceresolver.MetaResponse, error)
}

// Alone is a Gateway with no BuildKit behind it: what a compile would have to ask of one
// ends it, with a [*BuilderError].
type Alone client.BuildOpts

// BuildOpts are what a BuildKit would say of itself.
func (a Alone) BuildOpts() client.BuildOpts { return client.BuildOpts(a) }

// Solve returns a [*BuilderError].
func (Alone) Solve(_ context.Context, req client.SolveRequest) (*client.Result, error) {
	return nil, &BuilderError{"runs the frontend " + req.FrontendOpt["source"]}
}

// ResolveSourceMetadata returns a [*BuilderError].
func (Alone) ResolveSourceMetadata(_ context.Context, op *pb.SourceOp, _ sourceresolver.Opt) (*sourceresolver.MetaResponse, error) {
	return nil, &BuilderError{"knows the time of " + op.Identifier}
}

// BuilderError says that a project cannot be looked at without a builder.
type BuilderError struct {
	// Why is what only a builder does: "runs the frontend …".
	Why string
}

// Error says why.
func (e *BuilderError) Error() string { return "only a BuildKit " + e.Why }
