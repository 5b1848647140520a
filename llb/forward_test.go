package llb

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/containerd/platforms"
	"github.com/google/go-cmp/cmp"
	bk "github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/moby/buildkit/frontend/dockerui"
	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/errdefs"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quoitbuild/quoit/graph"
	"github.com/quoitbuild/quoit/internal/gatewaytest"
)

// foreign is the syntax line of a frontend that compiles as Docker's does.
const foreign = "# syntax=registry.corp/docker/dockerfile:1\n"

// foreignGateway is a BuildKit that has that frontend.
type foreignGateway struct {
	*gatewaytest.Gateway
	files map[string]string // by path

	mu   sync.Mutex
	told map[string]map[string]string // options by file and platform
}

func (g *foreignGateway) Solve(ctx context.Context, req client.SolveRequest) (*client.Result, error) {
	opts := req.FrontendOpt
	g.mu.Lock()
	if g.told == nil {
		g.told = map[string]map[string]string{}
	}
	g.told[opts["filename"]+" "+opts["platform"]] = opts
	g.mu.Unlock()
	inner := &foreignClient{Gateway: g.Gateway, opts: opts, inputs: map[string]bk.State{}}
	for name, def := range req.FrontendInputs {
		op, err := bk.NewDefinitionOp(def)
		if err != nil {
			return nil, err
		}
		inner.inputs[name] = bk.NewState(op)
	}
	ui, err := dockerui.NewClient(inner)
	if err != nil {
		return nil, err
	}
	platform := platforms.MustParse(opts["platform"])
	caps := g.BuildOpts().LLBCaps
	out, err := dockerfile2llb.Dockerfile2LLB(ctx, []byte(g.files[opts["filename"]]), dockerfile2llb.ConvertOpt{
		Config: ui.Config, Client: ui, TargetPlatform: &platform, MetaResolver: inner, LLBCaps: &caps,
	})
	if err != nil {
		return nil, err
	}
	res := client.NewResult()
	res.SetRef(stateRef{state: out.State})
	config, err := json.Marshal(out.Image)
	res.AddMeta(exptypes.ExporterImageConfigKey, config)
	return res, err
}

type foreignClient struct {
	*gatewaytest.Gateway
	opts   map[string]string
	inputs map[string]bk.State
}

func (c *foreignClient) BuildOpts() client.BuildOpts {
	opts := c.Gateway.BuildOpts()
	opts.Opts = c.opts
	return opts
}

func (c *foreignClient) Inputs(context.Context) (map[string]bk.State, error) { return c.inputs, nil }

type stateRef struct {
	client.Reference
	state bk.State
}

func (r stateRef) ToState() (bk.State, error) { return r.state, nil }

// newForeign compiles images; those with a syntax line with another frontend.
func newForeign(t *testing.T, files map[string]string, options ...func(*Source)) (*Compiler, *foreignGateway) {
	t.Helper()
	def, err := bk.Local(dockerui.DefaultLocalNameDockerfile).Marshal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c := newCompiler(files, append(options, func(s *Source) { s.Files = def })...)
	gateway := &foreignGateway{Gateway: gatewaytest.New(), files: map[string]string{}}
	for _, source := range c.Sources {
		gateway.files[source.File] = string(source.Map.Data)
	}
	c.Gateway, c.Externals = gateway, NewExternals(gateway, nil)
	return c, gateway
}

// marks are the siblings that a definition has marks of, with their platforms.
func marks(t *testing.T, compiled *Compiled) []string {
	t.Helper()
	var found []string
	_, byDigest := ops(t, compiled.Definition)
	for _, op := range byDigest {
		if source := op.GetSource(); source != nil {
			if name, ok := siblingOf(source); ok {
				found = append(found, name+" "+platforms.FormatAll(op.Platform.Spec()))
			}
		}
	}
	slices.Sort(found)
	return found
}

func TestMentionsThatNameNoImage(t *testing.T) {
	for name, file := range map[string]string{
		"a comment":                 "# api builds on this\nFROM busybox\nCOPY x /\n",
		"a step":                    "FROM busybox\nRUN echo api\n",
		"a path":                    "FROM busybox\nCOPY api /x\n",
		"a stage":                   "FROM busybox AS api\nRUN true\nFROM api\nCOPY --from=api /a /b\n",
		"an argument of a stage":    "FROM busybox\nARG X=api\nRUN true\n",
		"an image of somebody else": "FROM someone/api\nRUN true\n",
	} {
		t.Run(name, func(t *testing.T) {
			for range 20 {
				c, _ := newForeign(t, map[string]string{"base": foreign + file, "api": "FROM base\nCOPY x /\n"})
				all := compiled(t, c)
				if diff := cmp.Diff([]string{"base linux/amd64"}, marks(t, all["api"][0])); diff != "" {
					t.Fatalf("the marks of api (-want +got):\n%s", diff)
				}
				if got := all["base"][0].Siblings; len(got) > 0 {
					t.Fatalf("base has the siblings %v", got)
				}
			}
		})
	}
}

func TestMentionsOfAnotherFrontend(t *testing.T) {
	for name, c := range map[string]struct {
		file string
		args map[string]string
		want []string
	}{
		"FROM by name":                    {file: "FROM base\nCOPY x /", want: []string{"base linux/amd64"}},
		"FROM by repository":              {file: "FROM " + testPrefix + "base\nCOPY x /", want: []string{"base linux/amd64"}},
		"FROM by repository and any tag":  {file: "FROM " + testPrefix + "base:1.2.3\nCOPY x /", want: []string{"base linux/amd64"}},
		"COPY --from":                     {file: "FROM tools\nCOPY --from=base /a /", want: []string{"base linux/amd64", "tools linux/amd64"}},
		"a mount":                         {file: "FROM tools\nRUN --mount=type=bind,from=base,target=/b true", want: []string{"base linux/amd64", "tools linux/amd64"}},
		"an argument":                     {file: "ARG ON\nFROM $ON\nCOPY x /", args: map[string]string{"ON": "base"}, want: []string{"base linux/amd64"}},
		"an argument's default":           {file: "ARG ON\nFROM ${ON:-base}\nCOPY x /", want: []string{"base linux/amd64"}},
		"an argument of the platform":     {file: "FROM base-${TARGETARCH}\nCOPY x /", want: []string{"base-amd64 linux/amd64"}},
		"a stage with the name of one":    {file: "FROM " + testPrefix + "base AS base\nCOPY x /", want: []string{"base linux/amd64"}},
		"another platform":                {file: "FROM --platform=linux/arm64 base AS a\nRUN true\nFROM base\nCOPY --from=a / /", want: []string{"base linux/amd64", "base linux/arm64"}},
		"an image of the name of a local": {file: "FROM context\nCOPY --from=dockerfile / /", want: []string{"dockerfile linux/amd64"}},
	} {
		t.Run(name, func(t *testing.T) {
			files := map[string]string{"api": foreign + c.file + "\n"}
			for _, name := range []string{"base", "tools", "base-amd64", "dockerfile"} {
				files[name] = "FROM busybox\nCOPY b /\n"
			}
			compiler, _ := newForeign(t, files, func(s *Source) { s.Args = c.args })
			if diff := cmp.Diff(c.want, marks(t, compiled(t, compiler)["api"][0])); diff != "" {
				t.Errorf("marks (-want +got):\n%s", diff)
			}
		})
	}
}

func TestBuildPlatformOfAnotherFrontend(t *testing.T) {
	c, gateway := newForeign(t, map[string]string{
		"base": "FROM busybox\nCOPY b /\n",
		"api":  foreign + "FROM --platform=$BUILDPLATFORM base AS build\nRUN make\nFROM base\nCOPY --from=build /a /\n",
	}, func(s *Source) { s.Platforms = []ocispecs.Platform{amd64, arm64} })
	all := compiled(t, c)
	for i, want := range [][]string{{"base linux/amd64"}, {"base linux/amd64", "base linux/arm64"}} {
		if diff := cmp.Diff(want, marks(t, all["api"][i])); diff != "" {
			t.Errorf("marks of platform %d (-want +got):\n%s", i, diff)
		}
	}
	contexts := maps.Clone(gateway.told["api/Dockerfile linux/arm64"])
	maps.DeleteFunc(contexts, func(key, _ string) bool { return !strings.HasPrefix(key, "context:") })
	want := map[string]string{"context:base": "input:base::linux/arm64", "context:base::linux/amd64": "input:base::linux/amd64"}
	if diff := cmp.Diff(want, contexts); diff != "" {
		t.Errorf("named contexts (-want +got):\n%s", diff)
	}
}

func TestStageInTheWayOfAnImage(t *testing.T) {
	c, _ := newForeign(t, map[string]string{
		"base": "FROM busybox\nCOPY b /\n",
		"api":  foreign + "FROM base AS base\nRUN make\n",
	})
	_, err := c.All(t.Context())
	if err == nil || !strings.Contains(err.Error(), "write "+testPrefix+"base") || len(errdefs.Sources(err)) != 1 {
		t.Errorf("got error %v with %d excerpts, want one that says what to write", err, len(errdefs.Sources(err)))
	}
}

// What another frontend is told of but does not use is no edge of the graph; the
// images must not be built without each other, whoever comes first.
func TestCirclesOfAnotherFrontend(t *testing.T) {
	t.Run("by a stage that is built", func(t *testing.T) {
		for range 50 {
			c, _ := newForeign(t, map[string]string{"base": foreign + "FROM api\nCOPY x /\n", "api": "FROM base\nCOPY x /\n"})
			results, err := c.All(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var vertices []graph.Vertex
			for name, compiled := range results {
				vertices = append(vertices, graph.Vertex{Name: name, Needs: compiled[0].Siblings})
			}
			var cycle *graph.CycleError
			if _, err := graph.New(vertices); !errors.As(err, &cycle) {
				t.Fatalf("no cycle: %v", err)
			}
		}
	})
	t.Run("by a stage that is not built", func(t *testing.T) {
		for range 50 {
			c, _ := newForeign(t, map[string]string{
				"base": foreign + "FROM api AS unused\nRUN true\nFROM busybox\nCOPY x /\n", "api": "FROM mid\nCOPY x /\n", "mid": "FROM base\nCOPY x /\n",
			})
			_, err := c.All(t.Context())
			if err == nil || !strings.Contains(err.Error(), "image base: ") || !strings.Contains(err.Error(), "base → api → mid → base") {
				t.Fatalf("got error %v, want the circle", err)
			}
			sources := errdefs.Sources(err)
			if len(sources) != 1 || sources[0].Ranges[0].Start.Line != 2 {
				t.Fatalf("got the excerpts %v, want line 2", sources)
			}
		}
	})
	t.Run("by a word of a file in another language", func(t *testing.T) {
		for range 50 {
			c, gateway := newForeign(t, map[string]string{"base": foreign + "install: api\n", "api": "FROM base\nCOPY x /\n"})
			gateway.files["base/Dockerfile"] = "FROM busybox\nCOPY x /\n"
			_, err := c.All(t.Context())
			if err == nil || !strings.Contains(err.Error(), "image base: ") || !strings.Contains(err.Error(), "base → api → base") {
				t.Fatalf("got error %v, want the circle", err)
			}
		}
	})
}

func TestArgumentsOfAnotherFrontend(t *testing.T) {
	c, _ := newForeign(t, map[string]string{"api": foreign + "FROM busybox\nCOPY x /\n"},
		func(s *Source) { s.Args = map[string]string{"HIDDEN": "1", "OTHER": "2"} })
	if diff := cmp.Diff([]string{"HIDDEN", "OTHER"}, compiled(t, c)["api"][0].Args); diff != "" {
		t.Errorf("only the frontend knows what it reads, so all count (-want +got):\n%s", diff)
	}
}

// TestFrontendsThatMayBeRun: by repository, whatever way a name is written.
func TestFrontendsThatMayBeRun(t *testing.T) {
	digest := "@sha256:" + strings.Repeat("ab", 32)
	for _, test := range []struct {
		allowed    string // with spaces between
		yes, never string
	}{
		{"", "docker/dockerfile:1 docker.io/docker/dockerfile index.docker.io/docker/dockerfile:labs docker/dockerfile:1" + digest + " ghcr.io/quoitbuild/quoit:1",
			"docker/dockerfile-upstream dockerfile evil/dockerfile ghcr.io/quoitbuild/quoit/x ghcr.io/evil/quoit docker/dockerfile@x example.com/docker/dockerfile"},
		{"registry.corp/team/frontend", "registry.corp/team/frontend registry.corp/team/frontend:9 registry.corp/team/frontend" + digest,
			"registry.corp/team/frontend/x registry.corp:5000/team/frontend team/frontend registry.corp/team/Frontend registry.corp/team/frontend:"},
		{"registry.corp/team/* evil", "registry.corp/team/a registry.corp/team/b:1 evil library/evil docker.io/library/evil:2", "registry.corp/team registry.corp/team/a/b registry.corp/other/a registry.corp/team/* evil/evil"},
		{"*", "evil docker.io/library/x", "evil/x example.com/x"},
		{"*.corp/front-*", "a.corp/front-x:1", "a.b.corp/x a.corp/front a.corp/x/front-x"},
		{"registry.corp/a:1 registry.corp/b" + digest, "registry.corp/a:1 registry.corp/b" + digest + " registry.corp/b:7" + digest,
			"registry.corp/a registry.corp/a:2 registry.corp/a:1" + digest + " registry.corp/b registry.corp/b:1 registry.corp/b@sha256:" + strings.Repeat("cd", 32)},
	} {
		allowed := append(Frontends{}, strings.Fields(test.allowed)...)
		if err := allowed.Check(); err != nil {
			t.Errorf("%v: %v", allowed, err)
		}
		for _, ref := range strings.Fields(test.yes) {
			if err := allowed.Allow(ref); err != nil {
				t.Errorf("%v: %v", allowed, err)
			}
		}
		for _, ref := range strings.Fields(test.never) {
			if err := allowed.Allow(ref); err == nil {
				t.Errorf("%v: %s is among them", allowed, ref)
			}
			if err := Frontends(nil).Allow(ref); err != nil {
				t.Errorf("without a list: %v", err)
			}
		}
	}
	for _, wrong := range []string{"", "a//b", "a b", "a/b@sha256:0", "https://a.example.com/b", "[a]/b", "a/?"} {
		if err := (Frontends{wrong}).Check(); err == nil {
			t.Errorf("%q is a pattern", wrong)
		}
	}
}

// TestASyntaxLineIsHeldToTheList: before anything of that frontend runs.
func TestASyntaxLineIsHeldToTheList(t *testing.T) {
	files := map[string]string{"api": "# syntax=docker/dockerfile:1\nFROM busybox\nCOPY x /\n", "base": foreign + "FROM busybox\nCOPY x /\n"}
	c, gateway := newForeign(t, files)
	c.Frontends = Frontends{"registry.corp/other"}
	_, err := c.All(t.Context())
	if err == nil || !strings.Contains(err.Error(), `image base: the frontend "registry.corp/docker/dockerfile:1" is not among those that may be run: docker.io/docker/dockerfile, ghcr.io/quoitbuild/quoit, registry.corp/other; `) {
		t.Errorf("got %v", err)
	}
	if located := errdefs.Sources(err); len(located) != 1 || located[0].Info.Filename != "base/Dockerfile" || located[0].Ranges[0].Start.Line != 1 {
		t.Errorf("it is at %v", located)
	}
	if len(gateway.told) > 0 {
		t.Errorf("it was run: %v", gateway.told)
	}
	if _, err := c.Outline(t.Context(), "base"); err == nil {
		t.Error("an outline does not say so")
	}
	c, _ = newForeign(t, files)
	c.Frontends = Frontends{"registry.corp/docker/*"}
	compiled(t, c)
}
