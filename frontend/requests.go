package frontend

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/frontend/subrequests"
	"github.com/moby/buildkit/frontend/subrequests/outline"
	"github.com/moby/buildkit/frontend/subrequests/targets"
	"github.com/moby/buildkit/solver/errdefs"

	"github.com/quoitbuild/quoit/internal/show"
	"github.com/quoitbuild/quoit/manifest"
)

// The requests that are Quoit's own. Clients put "frontend." in front:
// `docker buildx build --call=quoit.plan`.
const (
	RequestPlan   = "frontend.quoit.plan"
	RequestGraph  = "frontend.quoit.graph"
	RequestSchema = "frontend.quoit.schema"
)

// request is a subrequest that this frontend answers.
type request struct {
	subrequests.Request
	needs needs
	// answer gets a planner that knows as much as the request needs; nil if that is
	// nothing.
	answer func(context.Context, *planner) (*client.Result, error)
}

// needs is what has to be known for an answer. Each includes those before it.
type needs int

const (
	needsNothing needs = iota
	needsFiles         // the manifest, container files and ignore files
	needsGraph         // the compiled images, so the registries of their bases
	needsPlan          // the hashed files and the project's registry
)

// requests are all subrequests. A stock client asks for the list before it asks
// for one of them.
func requests() []request {
	return []request{
		{ownRequest(RequestPlan, "What changes, why, and to which version; builds nothing"), needsPlan, planAnswer},
		{ownRequest(RequestGraph, "The images and their needs"), needsGraph, graphAnswer},
		{ownRequest(RequestSchema, "The JSON Schema of the manifest"), needsNothing, schemaAnswer},
		{outline.SubrequestsOutlineDefinition, needsFiles, outlineAnswer},
		{targets.SubrequestsTargetsDefinition, needsFiles, targetsAnswer},
		{subrequests.SubrequestsDescribeDefinition, needsNothing, describeAnswer},
	}
}

// findRequest returns the request of that name. A build, which has none, needs the
// plan and has no answer.
func findRequest(name string) (request, error) {
	if name == "" {
		return request{needs: needsPlan}, nil
	}
	for _, r := range requests() {
		if r.Name == name {
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

func planAnswer(_ context.Context, p *planner) (*client.Result, error) {
	data, err := json.MarshalIndent(p.plan, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("writing the plan: %w", err)
	}
	res := answer(append(data, '\n'), []byte(show.Block(p.plan.String()+"\n")))
	if p.opts.ExitCode && len(p.plan.Changed()) > 0 {
		res.AddMeta("result.statuscode", []byte("2"))
	}
	return res, nil
}

func schemaAnswer(context.Context, *planner) (*client.Result, error) {
	return answer(manifest.Schema(), manifest.Schema()), nil
}

func describeAnswer(context.Context, *planner) (*client.Result, error) {
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

func outlineAnswer(ctx context.Context, p *planner) (*client.Result, error) {
	name, _ := p.opts.splitTarget()
	if name == "" {
		name = p.project.manifest.Root
	}
	if _, ok := p.project.images[name]; !ok {
		return nil, p.unknownTarget(name)
	}
	o, err := p.compiler.Outline(ctx, name)
	if err != nil {
		return nil, err
	}
	return o.ToResult()
}

// targetsAnswer lists the images as a container file's stages are listed.
func targetsAnswer(_ context.Context, p *planner) (*client.Result, error) {
	list := &targets.List{Sources: [][]byte{p.project.source.Data}}
	for _, image := range p.project.manifest.Images {
		list.Targets = append(list.Targets, targets.Target{
			Name:        image.Name,
			Default:     image.Name == p.project.manifest.Root,
			Description: show.Line(image.Context),
		})
	}
	return list.ToResult()
}

func answer(asJSON, asText []byte) *client.Result {
	res := client.NewResult()
	res.AddMeta("result.json", asJSON)
	res.AddMeta("result.txt", asText)
	res.AddMeta("version", []byte(requestVersion))
	return res
}

func (p *planner) unknownTarget(name string) error {
	names := p.project.manifest.ImageNames()
	return fmt.Errorf("there is no image %q in %s%s; images are %s", name, p.project.manifest.Project, didYouMean(name, names), strings.Join(names, ", "))
}
