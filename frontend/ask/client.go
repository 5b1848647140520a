// Package ask is BuildKit as a frontend asks it for images: with a deadline for each look-up,
// and errors that are fit for a terminal and say the next step.
//
//	images := ask.Client{Client: c, Patience: ask.MaxPatience}
package ask

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
)

const (
	// MaxPatience is how long a look-up may take, BuildKit's own attempts included.
	MaxPatience = time.Minute
	// maxFetch is that for what has to be fetched to be known.
	maxFetch = 10 * time.Minute
)

// Client is BuildKit with a deadline for each look-up of an image: by
// itself it would wait for a silent registry for ever.
type Client struct {
	client.Client
	Patience time.Duration
}

// ResolveImageConfig is the embedded client's; the error has a next step.
func (c Client) ResolveImageConfig(ctx context.Context, ref string, opt sourceresolver.Opt) (resolved string, dgst digest.Digest, config []byte, err error) {
	err = c.limit(ctx, func(ctx context.Context) (err error) {
		resolved, dgst, config, err = c.Client.ResolveImageConfig(ctx, ref, opt)
		return err
	})
	if err != nil {
		return "", "", nil, Explained(err)
	}
	return resolved, dgst, config, nil
}

// ResolveSourceMetadata is the embedded client's.
func (c Client) ResolveSourceMetadata(ctx context.Context, op *pb.SourceOp, opt sourceresolver.Opt) (meta *sourceresolver.MetaResponse, err error) {
	if !strings.HasPrefix(op.Identifier, "docker-image://") {
		c.Patience = maxFetch
	}
	err = c.limit(ctx, func(ctx context.Context) (err error) {
		meta, err = c.Client.ResolveSourceMetadata(ctx, op, opt)
		return err
	})
	return meta, err
}

func (c Client) limit(ctx context.Context, ask func(context.Context) error) error {
	limited, cancel := context.WithTimeout(ctx, c.Patience)
	defer cancel()
	err := ask(limited)
	if err != nil && limited.Err() != nil && ctx.Err() == nil {
		return fmt.Errorf("no answer within %s", c.Patience)
	}
	return err
}
