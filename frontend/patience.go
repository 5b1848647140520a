package frontend

import (
	"context"
	"fmt"
	"time"

	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
)

// maxPatience is how long a look-up may take, BuildKit's own attempts included.
const maxPatience = time.Minute

// patientClient is BuildKit with a deadline for each look-up of an image: by
// itself it would wait for a silent registry for ever.
type patientClient struct {
	client.Client
	patience time.Duration
}

// ResolveImageConfig is the embedded client's; the error has a next step.
func (c patientClient) ResolveImageConfig(ctx context.Context, ref string, opt sourceresolver.Opt) (resolved string, dgst digest.Digest, config []byte, err error) {
	err = c.limit(ctx, func(ctx context.Context) (err error) {
		resolved, dgst, config, err = c.Client.ResolveImageConfig(ctx, ref, opt)
		return err
	})
	if err != nil {
		return "", "", nil, explained(err)
	}
	return resolved, dgst, config, nil
}

// ResolveSourceMetadata is the embedded client's.
func (c patientClient) ResolveSourceMetadata(ctx context.Context, op *pb.SourceOp, opt sourceresolver.Opt) (meta *sourceresolver.MetaResponse, err error) {
	err = c.limit(ctx, func(ctx context.Context) (err error) {
		meta, err = c.Client.ResolveSourceMetadata(ctx, op, opt)
		return err
	})
	return meta, err
}

func (c patientClient) limit(ctx context.Context, ask func(context.Context) error) error {
	limited, cancel := context.WithTimeout(ctx, c.patience)
	defer cancel()
	err := ask(limited)
	if err != nil && limited.Err() != nil && ctx.Err() == nil {
		return fmt.Errorf("no answer within %s", c.patience)
	}
	return err
}
