package frontend

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/pb"

	"github.com/quoitbuild/quoit/frontend/ask"
	"github.com/quoitbuild/quoit/frontend/rings"
	"github.com/quoitbuild/quoit/manifest"
)

// answers is a BuildKit that answers look-ups.
type answers struct {
	client.Client
	answer func(context.Context) (*sourceresolver.MetaResponse, error)
}

func (g answers) ResolveSourceMetadata(ctx context.Context, _ *pb.SourceOp, _ sourceresolver.Opt) (*sourceresolver.MetaResponse, error) {
	return g.answer(ctx)
}

// openLog looks for a log in a registry that BuildKit asks.
func openLog(ctx context.Context, t *testing.T, g client.Client) error {
	t.Helper()
	m, err := manifest.Parse("quoit.yaml", []byte("project: acme/shop\nregistry: registry.example.com\nimages: {deploy: .}\n"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = rings.Open(ctx, rings.Options{Images: gatewayImages{g}, Manifest: m, Named: func(context.Context) (string, error) { return "", nil }})
	return err
}

func TestALookUpEndsWithoutAnAnswer(t *testing.T) {
	silent := answers{answer: func(ctx context.Context) (*sourceresolver.MetaResponse, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	want := "looking up registry.example.com/acme/shop/records:records: no answer within 1ms: the registry is in trouble, run the same command again later"
	if err := openLog(t.Context(), t, ask.Client{Client: silent, Patience: time.Millisecond}); err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestALookUpEndsWhenItIsInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	interrupted := answers{answer: func(ctx context.Context) (*sourceresolver.MetaResponse, error) {
		cancel()
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	if err := openLog(ctx, t, interrupted); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestOnlyAnExactTextIsAnAbsentTag(t *testing.T) {
	const ref = "registry.example.com/acme/shop/records:records"
	for text, absent := range map[string]bool{
		ref + ": not found":                                                  true,
		"x " + ref + ": not found":                                           false,
		ref + ": not found: more":                                            false,
		"no match for platform in manifest: not found":                       false,
		"registry.example.com/acme/shop/records:record-00000001: not found":  false,
		"unexpected status from HEAD request to https://x: 403 Forbidden":    false,
		"unexpected status from HEAD request to https://x: 401 Unauthorized": false,
	} {
		g := answers{answer: func(context.Context) (*sourceresolver.MetaResponse, error) { return nil, errors.New(text) }}
		if err := openLog(t.Context(), t, g); (err == nil) != absent {
			t.Errorf("%s: %v", text, err)
		}
	}
}
