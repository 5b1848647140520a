package frontend

import (
	"context"
	"fmt"

	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/opencontainers/go-digest"
)

// patientClient is BuildKit with a deadline and a next step for each look-up of
// an image: BuildKit itself would wait for a silent registry for ever.
type patientClient struct{ client.Client }

// ResolveImageConfig is the embedded client's.
func (c patientClient) ResolveImageConfig(ctx context.Context, ref string, opt sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	silence := fmt.Errorf("the registry did not answer within %s", maxPatience)
	ctx, cancel := context.WithTimeoutCause(ctx, maxPatience, silence)
	defer cancel()
	resolved, dgst, config, err := c.Client.ResolveImageConfig(ctx, ref, opt)
	if err != nil && context.Cause(ctx) == silence {
		err = fmt.Errorf("%s: %w", ref, silence)
	}
	if err != nil {
		return "", "", nil, explained(err)
	}
	return resolved, dgst, config, nil
}
