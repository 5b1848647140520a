package frontend

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/frontend/subrequests"
	"github.com/moby/buildkit/frontend/subrequests/lint"
	"github.com/moby/buildkit/frontend/subrequests/outline"
	"github.com/moby/buildkit/frontend/subrequests/targets"
	"github.com/moby/buildkit/solver/errdefs"
	"github.com/opencontainers/go-digest"

	"github.com/quoitbuild/quoit/frontend/check"
	"github.com/quoitbuild/quoit/internal/diag"
	"github.com/quoitbuild/quoit/internal/show"
	"github.com/quoitbuild/quoit/manifest"
)

// requestPrefix is what buildx puts in front of a request's name, and who types it may
// leave out: `docker buildx build --call=quoit.plan`, `buildctl build --opt requestid=quoit.plan`.
const requestPrefix = "frontend."

// The requests that are Quoit's own.
const (
	RequestPlan   = "frontend.quoit.plan"
	RequestGraph  = "frontend.quoit.graph"
	RequestSchema = "frontend.quoit.schema"
)

// request is a subrequest that this frontend answers.
type request struct {
	subrequests.Request
	answer answerer
}

// answerer answers a request by a run, which it begins if it needs one.
type answerer func(context.Context, func() (gateway, error)) (*client.Result, error)

// requests are all subrequests, each with the value that it is answered from. A stock
// client asks for the list before it asks for one of them.
func requests() []request {
	return []request{
		{ownRequest(RequestPlan, "What changes, why, and to which version; builds nothing"), fromPlan(planAnswer)},
		{ownRequest(RequestGraph, "The images and their needs"), fromGraph(graphAnswer)},
		{ownRequest(RequestSchema, "The JSON Schema of the manifest"), fromNothing(schemaAnswer)},
		{outline.SubrequestsOutlineDefinition, fromProject(outlineAnswer)},
		{targets.SubrequestsTargetsDefinition, fromProject(targetsAnswer)},
		{lint.SubrequestLintDefinition, fromProject(checkAnswer)},
		{subrequests.SubrequestsDescribeDefinition, fromNothing(describeAnswer)},
	}
}

// fromNothing is for what is always the same.
func fromNothing(answer func() (*client.Result, error)) answerer {
	return func(context.Context, func() (gateway, error)) (*client.Result, error) { return answer() }
}

// fromProject is for what the manifest, container files and ignore files say.
func fromProject(answer func(context.Context, run, project) (*client.Result, error)) answerer {
	return func(ctx context.Context, begin func() (gateway, error)) (*client.Result, error) {
		g, err := begin()
		if err != nil {
			return nil, err
		}
		r := g.run()
		p, err := r.readProject(ctx)
		if err != nil {
			return nil, err
		}
		return answer(ctx, r, p)
	}
}

// fromGraph is for what the compiled images say too: the registries of their bases are
// asked.
func fromGraph(answer func(project, compiled) (*client.Result, error)) answerer {
	return func(ctx context.Context, begin func() (gateway, error)) (*client.Result, error) {
		g, err := begin()
		if err != nil {
			return nil, err
		}
		p, c, err := g.run().makeGraph(ctx)
		if err != nil {
			return nil, err
		}
		return answer(p, c)
	}
}

// fromPlan is for what is known when the files are hashed, and the project's registry was
// asked.
func fromPlan(answer func(context.Context, gateway, known) (*client.Result, error)) answerer {
	return func(ctx context.Context, begin func() (gateway, error)) (*client.Result, error) {
		g, err := begin()
		if err != nil {
			return nil, err
		}
		k, err := g.run().makePlan(ctx)
		if err != nil {
			return nil, err
		}
		return answer(ctx, g, k)
	}
}

// findRequest returns the request of that name. A build has none.
func findRequest(name string) (request, error) {
	if name == "" {
		return request{answer: fromPlan(buildAnswer)}, nil
	}
	for _, r := range requests() {
		if r.Name == name || r.Name == requestPrefix+name {
			return r, nil
		}
	}
	return request{}, errdefs.NewUnsupportedSubrequestError(name)
}

const requestVersion = "1.0.0"

func ownRequest(name, description string) subrequests.Request {
	return subrequests.Request{
		Name: name, Version: requestVersion, Type: subrequests.TypeRPC, Description: description,
		Metadata: []subrequests.Named{{Name: "result.json"}, {Name: "result.txt"}},
	}
}

func planAnswer(_ context.Context, g gateway, k known) (*client.Result, error) {
	data, err := json.MarshalIndent(k.Plan, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("writing the plan: %w", err)
	}
	res := answer(append(data, '\n'), []byte(show.Block(k.Plan.String()+"\n")))
	if g.opts.ExitCode && len(k.Plan.Changed()) > 0 {
		res.AddMeta("result.statuscode", []byte("2"))
	}
	return res, nil
}

func schemaAnswer() (*client.Result, error) {
	return answer(manifest.Schema(), manifest.Schema()), nil
}

func describeAnswer() (*client.Result, error) {
	var all []subrequests.Request
	for _, r := range requests() {
		all = append(all, r.Request)
	}
	data, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("writing the requests: %w", err)
	}
	var text bytes.Buffer
	if err := subrequests.PrintDescribe(data, &text); err != nil {
		return nil, fmt.Errorf("writing the requests: %w", err)
	}
	return answer(data, text.Bytes()), nil
}

func outlineAnswer(ctx context.Context, r run, p project) (*client.Result, error) {
	name, _ := r.opts.splitTarget()
	if name == "" {
		name = p.manifest.Root
	}
	if _, ok := p.images[name]; !ok {
		return nil, p.unknownTarget(name)
	}
	o, err := newCompiler(r, p, nil).Outline(ctx, name)
	if err != nil {
		return nil, err
	}
	return o.ToResult()
}

// targetsAnswer lists the images as a container file's stages are listed.
func targetsAnswer(_ context.Context, _ run, p project) (*client.Result, error) {
	list := &targets.List{Sources: [][]byte{p.source.Data}}
	for _, image := range p.manifest.Images {
		list.Targets = append(list.Targets, targets.Target{
			Name:        image.Name,
			Default:     image.Name == p.manifest.Root,
			Description: show.Line(image.Context),
		})
	}
	return list.ToResult()
}

func checkAnswer(ctx context.Context, r run, p project) (*client.Result, error) {
	report, err := checkProject(ctx, r, p)
	if err != nil {
		return nil, err
	}
	return report.Result()
}

// checkProject holds the images that the options mean to the rules, and the manifest if these are all.
func checkProject(ctx context.Context, r run, p project) (*check.Report, error) {
	var given *string
	if arg, ok := r.opts.Args[ArgCheck]; ok {
		given = &arg
	}
	report, err := check.New(given)
	if err != nil {
		return nil, err
	}
	r.warn = func(context.Context, digest.Digest, string, client.WarnOpts) error { return nil } // the report has it
	names := p.manifest.ImageNames()
	target, stage := r.opts.splitTarget()
	if target != "" && target != AllImages {
		names = []string{target}
	}
	if _, ok := p.images[names[0]]; !ok {
		return nil, p.unknownTarget(target)
	}
	compiler := newCompiler(r, p, nil)
	if err := report.Files(ctx, compiler, names, stage); err != nil || report.Broken() || stage != "" {
		return report, err
	}
	c, err := compile(ctx, p, compiler)
	if err != nil {
		return nil, err
	}
	read, err := r.hashTrees(ctx, p, c, p.hashRequest(c.graphs))
	if err != nil {
		return nil, err
	}
	report.Project(check.Project{
		Manifest: p.manifest, Source: sourceOf(diag.Diagnostic{}, p.source.SourceMap),
		Images: names, Graphs: c.graphs, Named: read.named, Git: read.git,
	})
	return report, nil
}

func answer(asJSON, asText []byte) *client.Result {
	res := client.NewResult()
	res.AddMeta("result.json", asJSON)
	res.AddMeta("result.txt", asText)
	res.AddMeta("version", []byte(requestVersion))
	return res
}

func (p project) unknownTarget(name string) error {
	names := p.manifest.ImageNames()
	return fmt.Errorf("there is no image %q in %s%s; images are %s", name, p.manifest.Project, didYouMean(name, names), strings.Join(names, ", "))
}
