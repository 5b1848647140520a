package frontend

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	bk "github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/dockerui"
	"github.com/moby/buildkit/frontend/gateway/client"
	gatewaypb "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/grpcerrors"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"google.golang.org/grpc/codes"

	"github.com/quoitbuild/quoit/llb"
	"github.com/quoitbuild/quoit/manifest"
)

var amd64 = ocispecs.Platform{OS: "linux", Architecture: "amd64"}

// builder is a BuildKit that solves and resolves as it is told.
type builder struct {
	client.Client
	solve   func(context.Context) (*client.Result, error)
	resolve func(ctx context.Context, ref string) (digest.Digest, []byte, error)
}

func (b builder) BuildOpts() client.BuildOpts {
	return client.BuildOpts{
		Opts:    map[string]string{},
		LLBCaps: pb.Caps.CapSet(pb.Caps.All()),
		Caps:    gatewaypb.Caps.CapSet(gatewaypb.Caps.All()),
		Workers: []client.WorkerInfo{{Platforms: []ocispecs.Platform{amd64}}},
	}
}

func (b builder) Solve(ctx context.Context, _ client.SolveRequest) (*client.Result, error) {
	return b.solve(ctx)
}

func (b builder) ResolveImageConfig(ctx context.Context, ref string, _ sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	dgst, config, err := b.resolve(ctx, ref)
	return ref, dgst, config, err
}

// testProject is that of a manifest whose only image has that container file.
func testProject(t *testing.T, manifestText, containerFile string) project {
	t.Helper()
	m, err := manifest.Parse("quoit.yaml", []byte("project: acme/shop\nregistry: registry.example.com\nimages: {deploy: .}\n"+manifestText))
	if err != nil {
		t.Fatal(err)
	}
	sources := map[string]llb.Source{"deploy": {
		Name: "deploy", Context: ".", File: "Dockerfile", Platforms: []ocispecs.Platform{amd64},
		Map: bk.NewSourceMap(nil, "Dockerfile", "Dockerfile", []byte(containerFile)),
	}}
	return project{
		declared: declared{
			manifest: m, ring: m.Rings[0],
			source: &dockerui.Source{SourceMap: bk.NewSourceMap(nil, "quoit.yaml", manifestLanguage, m.Source.Data)},
		},
		images: sources,
	}
}

// runOf is a run that asks a BuildKit.
func runOf(b builder) run {
	return gateway{Client: b, runner: func() (bk.State, string, error) { return bk.Image("quoit"), "/quoit", nil }}.run()
}

func TestATransferThatFailsIsNoInterrupt(t *testing.T) {
	transfer := errors.New("the client is gone")
	r := runOf(builder{solve: func(context.Context) (*client.Result, error) { return nil, transfer }})
	_, _, err := r.sources(t.Context(), testProject(t, "", "FROM scratch\nCOPY . /\n"), nil)
	if !errors.Is(err, transfer) || errors.Is(err, context.Canceled) || grpcerrors.Code(err) == codes.Canceled {
		t.Errorf("error %v with code %s", err, grpcerrors.Code(err))
	}
}

func TestAnInterruptedTransferIsAnInterrupt(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r := runOf(builder{
		solve: func(ctx context.Context) (*client.Result, error) {
			cancel()
			<-ctx.Done()
			return nil, ctx.Err()
		},
	})
	if _, _, err := r.sources(ctx, testProject(t, "", "FROM scratch\nCOPY . /\n"), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestAMistakeDoesNotWaitForTheRings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := runOf(builder{
			solve: func(context.Context) (*client.Result, error) { return client.NewResult(), nil },
		})
		silent := &pending[state]{made: make(chan struct{})}
		if _, err := r.plan(t.Context(), testProject(t, "", "FROM scratch\nCPOY . /\n"), silent); err == nil || !strings.Contains(err.Error(), "CPOY") {
			t.Errorf("error %v", err)
		}
	})
}
