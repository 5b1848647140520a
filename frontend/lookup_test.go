package frontend

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/grpcerrors"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

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
	if err := openLog(t.Context(), t, patientClient{silent, time.Millisecond}); err == nil || err.Error() != want {
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

// The numbers of ports and digests look like statuses.
const deceptive = "localhost:40350/acme/shop/deploy@sha256:4034014290"

func TestNextSteps(t *testing.T) {
	for text, want := range map[string]string{
		"unexpected status from HEAD request to http://" + deceptive + ": 401 Unauthorized":                                         "docker login",
		"unexpected status from HEAD request to http://" + deceptive + ": 403 Forbidden\ndenied: no":                                "QUOIT_FIRST=1",
		"unexpected status from HEAD request to http://" + deceptive + ": 429 Too Many Requests":                                    "limits requests",
		"unexpected status from HEAD request to http://" + deceptive + ": 502 Bad Gateway":                                          "in trouble",
		"failed to copy: content at http://" + deceptive + " not found: not found":                                                  "lost a part",
		`failed to do request: Head "http://` + deceptive + `": EOF`:                                                                "the connection broke",
		`failed to do request: Head "http://` + deceptive + `": dial tcp 127.0.0.1:40350: connect: connection refused`:              "check that the registry runs",
		`failed to do request: Head "https://registry.invalid/v2/": dial tcp: lookup registry.invalid on 10.0.0.1:53: no such host`: "check the registry's address",
		"encountered unknown type application/vnd.example.403; children may not be fetched":                                         "this is not an image",
	} {
		got := explained(errors.New(text)).Error()
		_, step, found := strings.Cut(got, strings.ReplaceAll(text, "\n", ": ")+": ")
		if !found || !strings.Contains(step, want) {
			t.Errorf("%s\nthe step is %q, want one with %q", got, step, want)
		}
	}
}

func TestLookUpErrorsHoldNoCredentials(t *testing.T) {
	for text, want := range map[string]string{
		"unexpected status from GET request to https://blobs.example.com/x?X-Signature=s3cr3t: 403 Forbidden":                        "https://blobs.example.com/x?***",
		"unexpected status from HEAD request to https://x: 403 Forbidden\ndenied: you sent Authorization: Bearer s3cr3t-t0ken, anna": "Bearer ***, anna",
	} {
		if got := explained(errors.New(text)).Error(); strings.Contains(got, "s3cr3t") || !strings.Contains(got, want) {
			t.Error(got)
		}
	}
}

func TestLookUpErrorsKeepTheirTextOverGRPC(t *testing.T) {
	inner := grpcerrors.FromGRPC(status.Error(codes.NotFound, "no match for platform in manifest: not found"))
	err := lookingUp("registry.example.com/x:1", inner)
	if got := grpcerrors.ToGRPC(t.Context(), err).Error(); !strings.HasSuffix(got, err.Error()) {
		t.Errorf("it arrives as %q, was %q", got, err)
	}
}
