package frontend

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/util/grpcerrors"
	"github.com/opencontainers/go-digest"

	"github.com/quoitbuild/quoit/frontend/ask"
	"github.com/quoitbuild/quoit/internal/diag"
	"github.com/quoitbuild/quoit/llb"
)

// externalsError is the error of a manifest's externals if each look-up of a registry
// ends as answer says.
func externalsError(t *testing.T, text string, answer func(ref string) error) error {
	t.Helper()
	b := builder{resolve: func(_ context.Context, ref string) (digest.Digest, []byte, error) {
		return digest.FromString(ref), []byte("{}"), answer(ref)
	}}
	_, err := testProject(t, text, "FROM scratch\n").externals(t.Context(), llb.NewExternals(ask.Client{Client: b, Patience: time.Minute}, nil))
	return err
}

func TestAnAbsentExternalIsAMistakeInTheManifest(t *testing.T) {
	err := externalsError(t, "externals:\n  cache: redis:99\n  db: postgres:17\n  queue: nats:99\n", func(ref string) error {
		if strings.HasSuffix(ref, ":99") {
			return errors.New(ref + ": not found")
		}
		return nil
	})
	want := "quoit.yaml:5:10: external cache: the registry has no docker.io/library/redis:99 (check its name and tag, or push it there first)\n" +
		"quoit.yaml:7:10: external queue: the registry has no docker.io/library/nats:99 (check its name and tag, or push it there first)"
	if err == nil || err.Error() != want || len(diag.All(err)) != 2 {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if excerpts := errdefs.Sources(grpcerrors.FromGRPC(grpcerrors.ToGRPC(t.Context(), err))); len(excerpts) != 2 {
		t.Errorf("%d excerpts arrive at the client", len(excerpts))
	}
}

func TestAnExternalsErrorHasOneNextStep(t *testing.T) {
	err := externalsError(t, "externals: {db: postgres:17}\n", func(ref string) error {
		return errors.New("unexpected status from HEAD request to https://x: 401 Unauthorized")
	})
	if err == nil || strings.Count(err.Error(), ask.LogIn) != 1 || !strings.HasPrefix(err.Error(), "external db: ") {
		t.Errorf("error %v", err)
	}
}
