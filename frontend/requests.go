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

	"github.com/quoitbuild/quoit/manifest"
)

// The requests that are Quoit's own. Clients put "frontend." in front:
// `docker buildx build --call=quoit.plan`.
const (
	RequestPlan   = "frontend.quoit.plan"
	RequestGraph  = "frontend.quoit.graph"
	RequestSchema = "frontend.quoit.schema"
)

const requestVersion = "1.0.0"

func ownRequest(name, description string) subrequests.Request {
	return subrequests.Request{
		Name: name, Version: requestVersion, Type: subrequests.TypeRPC, Description: description,
		Metadata: []subrequests.Named{{Name: "result.json"}, {Name: "result.txt"}},
	}
}

var requests = []subrequests.Request{
	ownRequest(RequestPlan, "What changes, why, and to which version; builds nothing"),
	ownRequest(RequestGraph, "The images and their needs"),
	ownRequest(RequestSchema, "The JSON Schema of the manifest"),
	outline.SubrequestsOutlineDefinition,
	targets.SubrequestsTargetsDefinition,
	subrequests.SubrequestsDescribeDefinition,
}

// staticRequest answers what needs no project.
func staticRequest(name string) (*client.Result, bool, error) {
	switch name {
	case "":
		return nil, false, nil
	case subrequests.RequestSubrequestsDescribe:
		res, err := describeRequests()
		return res, true, err
	case RequestSchema:
		return answer(manifest.Schema(), manifest.Schema()), true, nil
	case RequestPlan, RequestGraph, outline.SubrequestsOutlineDefinition.Name, targets.SubrequestsTargetsDefinition.Name:
		return nil, false, nil
	}
	return nil, false, errdefs.NewUnsupportedSubrequestError(name)
}

// onlyFiles tells whether the request is one that [planner.fileRequest] answers.
func (p *planner) onlyFiles() bool {
	return p.opts.Request == targets.SubrequestsTargetsDefinition.Name || p.opts.Request == outline.SubrequestsOutlineDefinition.Name
}

// fileRequest answers what needs the files but no plan.
func (p *planner) fileRequest(ctx context.Context) (*client.Result, bool, error) {
	switch p.opts.Request {
	case targets.SubrequestsTargetsDefinition.Name:
		res, err := p.targets().ToResult()
		return res, true, err
	case outline.SubrequestsOutlineDefinition.Name:
		name, _ := p.opts.splitTarget()
		if name == "" {
			name = p.project.manifest.Root
		}
		if _, ok := p.project.images[name]; !ok {
			return nil, true, p.unknownTarget(name)
		}
		o, err := p.compiler.Outline(ctx, name)
		if err != nil {
			return nil, true, err
		}
		res, err := o.ToResult()
		return res, true, err
	}
	return nil, false, nil
}

// planRequest answers what needs the plan.
func (p *planner) planRequest() (*client.Result, bool, error) {
	switch p.opts.Request {
	case RequestPlan:
		data, err := json.MarshalIndent(p.plan, "", "  ")
		if err != nil {
			return nil, true, fmt.Errorf("writing the plan: %w", err)
		}
		res := answer(append(data, '\n'), []byte(p.plan.String()+"\n"))
		if p.opts.ExitCode && len(p.plan.Changed()) > 0 {
			res.AddMeta("result.statuscode", []byte("2"))
		}
		return res, true, nil
	case RequestGraph:
		res, err := p.graphAnswer()
		return res, true, err
	}
	return nil, false, nil
}

func answer(asJSON, asText []byte) *client.Result {
	res := client.NewResult()
	res.AddMeta("result.json", asJSON)
	res.AddMeta("result.txt", asText)
	res.AddMeta("version", []byte(requestVersion))
	return res
}

func describeRequests() (*client.Result, error) {
	data, err := json.MarshalIndent(requests, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("writing the requests: %w", err)
	}
	var text bytes.Buffer
	if err := subrequests.PrintDescribe(data, &text); err != nil {
		return nil, fmt.Errorf("writing the requests: %w", err)
	}
	return answer(data, text.Bytes()), nil
}

// targets lists the images as a container file's stages are listed.
func (p *planner) targets() *targets.List {
	list := &targets.List{Sources: [][]byte{p.project.source.Data}}
	for _, image := range p.project.manifest.Images {
		list.Targets = append(list.Targets, targets.Target{
			Name:        image.Name,
			Default:     image.Name == p.project.manifest.Root,
			Description: image.Context,
		})
	}
	return list
}

// graphDocument is the answer to [RequestGraph].
type graphDocument struct {
	Schema int          `json:"schema"`
	Root   string       `json:"root"`
	Images []graphImage `json:"images"` // dependencies first
}

type graphImage struct {
	Name  string   `json:"name"`
	Needs []string `json:"needs"`
}

func (p *planner) graphAnswer() (*client.Result, error) {
	doc := graphDocument{Schema: 1, Root: p.project.manifest.Root}
	var text strings.Builder
	for _, name := range p.graph.Order() {
		needs := p.graph.Needs(name)
		if needs == nil {
			needs = []string{}
		}
		doc.Images = append(doc.Images, graphImage{Name: name, Needs: needs})
		fmt.Fprintf(&text, "%s: %s\n", name, strings.Join(needs, " "))
	}
	data, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("writing the graph: %w", err)
	}
	return answer(append(data, '\n'), []byte(text.String())), nil
}

func (p *planner) unknownTarget(name string) error {
	names := p.project.manifest.ImageNames()
	return fmt.Errorf("there is no image %q in %s%s; images are %s", name, p.project.manifest.Project, didYouMean(name, names), strings.Join(names, ", "))
}
