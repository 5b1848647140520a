// Package gatewaytest is a build's view of BuildKit for quick tests: it looks up
// images in registries that the test fills, reads the project's files from a
// folder, hashes them as the hash step does, and notes what it is asked to solve.
// It runs nothing else: a test on a real BuildKit says whether a graph builds.
//
//	g := gatewaytest.New()
//	g.Folder = t.TempDir()
//	result, err := frontend.New(host)(t.Context(), g)
package gatewaytest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	bk "github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/frontend/gateway/client"
	gatewaypb "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// AMD64 is the platform that a new Gateway builds for.
var AMD64 = ocispecs.Platform{OS: "linux", Architecture: "amd64"}

// Gateway is a BuildKit as a frontend sees it. Set its fields before it is used;
// its methods are safe for concurrent use.
type Gateway struct {
	client.Client // nil: what is not answered here ends the test

	// Opts are the frontend options.
	Opts map[string]string
	// Folder is what the client sends of the project and its manifest.
	Folder string
	// Registry begins the references that exist only after [Gateway.Push], or by
	// Contents. All others name an image, in "" so do these.
	Registry string
	// Contents are what else is in that registry: digest and config of a reference,
	// "" if there is no such image; may be nil.
	Contents func(ref string) (digest.Digest, []byte)
	// Fail returns the error of a look-up, nil for none; may be nil.
	Fail func(ref string) error
	// Builder is the platform that it runs on; the zero value: [AMD64].
	Builder ocispecs.Platform
	// Remotes are the files at http addresses, and the commits of git identifiers,
	// "git://example.com/team/tool#main"; may be nil.
	Remotes map[string]string
	// Old answers with nothing when it is asked what a remote source has.
	Old bool

	mu       sync.Mutex
	asked    map[string]int
	pushed   map[string]image
	solved   []*pb.Definition
	warnings []string
	requests []string
	files    bool
	hashed   bool
	sent     map[string][]string
}

// New returns a Gateway that builds for [AMD64], with registries that have every
// image.
func New() *Gateway {
	return &Gateway{Opts: map[string]string{}, asked: map[string]int{}, pushed: map[string]image{}, sent: map[string][]string{}}
}

// BuildOpts returns the options and all capabilities.
func (g *Gateway) BuildOpts() client.BuildOpts {
	return client.BuildOpts{
		Opts:      maps.Clone(g.Opts),
		SessionID: "session",
		LLBCaps:   pb.Caps.CapSet(pb.Caps.All()),
		Caps:      gatewaypb.Caps.CapSet(gatewaypb.Caps.All()),
		Workers:   []client.WorkerInfo{{Platforms: []ocispecs.Platform{g.builder()}}},
	}
}

func (g *Gateway) builder() ocispecs.Platform {
	if g.Builder.OS == "" {
		return AMD64
	}
	return g.Builder
}

// Inputs returns none.
func (g *Gateway) Inputs(context.Context) (map[string]bk.State, error) { return nil, nil }

// Warn notes the message.
func (g *Gateway) Warn(_ context.Context, _ digest.Digest, message string, _ client.WarnOpts) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.warnings = append(g.warnings, message)
	return nil
}

// Warnings are the messages of all warnings, sorted.
func (g *Gateway) Warnings() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Sorted(slices.Values(g.warnings))
}

// Solve answers with the project's files or with the hash step's answer; anything
// else is noted and not run. BuildKit's own frontend takes an image's graph as it is.
func (g *Gateway) Solve(ctx context.Context, req client.SolveRequest) (*client.Result, error) {
	if graph := req.FrontendInputs["quoit-result"]; req.Frontend == "dockerfile.v0" && graph != nil {
		req.Definition = graph
	}
	if req.Definition == nil {
		return nil, fmt.Errorf("the test has no frontend %s", req.Frontend)
	}
	graph, err := readGraph(req.Definition)
	if err != nil {
		return nil, err
	}
	res := client.NewResult()
	g.mu.Lock()
	defer g.mu.Unlock()
	switch last := graph.last(); {
	case strings.HasPrefix(last.GetSource().GetIdentifier(), "local://"):
		g.files = true
		res.SetRef(folder{g, g.Folder})
	case isRemote(last.GetSource()):
		res.SetRef(g.fetched(last.GetSource()))
	case isHash(last.GetExec()):
		g.hashed = true
		ref, err := g.hash(ctx, graph, last)
		if err != nil {
			return nil, err
		}
		res.SetRef(ref)
	default:
		g.solved = append(g.solved, req.Definition)
		res.SetRef(unbuilt{def: req.Definition})
	}
	return res, nil
}

// Solved are the graphs that were to be solved and were not run.
func (g *Gateway) Solved() []*pb.Definition {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.solved)
}

// Done reports what it was asked for: some of the client's files, the hash step.
func (g *Gateway) Done() (files, hashed bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.files, g.hashed
}

// Sent are the files that the client has sent to be hashed, sorted, by the key of the
// transfer.
func (g *Gateway) Sent() map[string][]string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return maps.Clone(g.sent)
}
