package frontend

import (
	"fmt"
	"strings"
	"testing"

	bk "github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/util/grpcerrors"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/quoitbuild/quoit/frontend/ask"
	"github.com/quoitbuild/quoit/internal/diag"
	"github.com/quoitbuild/quoit/manifest"
	"github.com/quoitbuild/quoit/versioning"
)

func TestWhatTurnsTextAroundDoesNotReachAStockClient(t *testing.T) {
	cause := diag.Diagnostic{Source: &diag.Source{Name: "quoit.yaml"}, Message: "a mistake"}
	err := ask.ForClients(fmt.Errorf("reading \u202e\xff\nand more: %w", cause))
	const want = "reading \\u202e\\xff\nand more: quoit.yaml: a mistake"
	if err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
	if got := grpcerrors.FromGRPC(grpcerrors.ToGRPC(t.Context(), err)); got.Error() != want {
		t.Errorf("sent was %q, want %q", got, want)
	}
	if len(diag.All(err)) != 1 {
		t.Error("the mistake is lost")
	}
	plan := versioning.Plan{Project: "p", Ring: versioning.None, Warnings: []string{"\u202e"}}
	if text := message(plan); !strings.Contains(text, `\u202e`) || strings.Contains(text, "\u202e") {
		t.Errorf("the message is %q", text)
	}
}

func TestManyMistakesReachAStockClient(t *testing.T) {
	const count = 1000
	var text strings.Builder
	text.WriteString("project: acme/shop\nregistry: registry.example.com\nimages: {deploy: .}\n")
	for i := range count {
		fmt.Fprintf(&text, "unknown%04d: %s\n", i, strings.Repeat("x", 88))
	}
	source := bk.NewSourceMap(nil, "quoit.yaml", manifestLanguage, []byte(text.String()))
	_, err := manifest.Parse(source.Filename, source.Data)
	err = inManifest(err, source)
	if n := len(diag.All(err)); n != count {
		t.Errorf("%d mistakes, want %d", n, count)
	}
	sent := grpcerrors.ToGRPC(t.Context(), err)
	if size := proto.Size(status.Convert(sent).Proto()); size > 4<<20 {
		t.Errorf("the message has %d bytes", size)
	}
	got := grpcerrors.FromGRPC(sent)
	if excerpts := errdefs.Sources(got); len(excerpts) != maxExcerpts {
		t.Errorf("%d excerpts", len(excerpts))
	}
	for i := range count {
		if name := fmt.Sprintf("unknown%04d", i); !strings.Contains(got.Error(), name) {
			t.Fatalf("it does not say %s", name)
		}
	}
}
