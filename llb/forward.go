package llb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/containerd/platforms"
	bk "github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	"github.com/moby/buildkit/frontend/dockerui"
	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
	"google.golang.org/protobuf/proto"

	"github.com/quoitbuild/quoit/labels"
)

// forward compiles with the frontend that the container file's syntax line
// names. It gets the same marks, as inputs; siblings are those that the file
// mentions by name.
func (c *Compiler) forward(ctx context.Context, inner *imageClient) (*Compiled, error) {
	source, platform := inner.source, inner.unit.platform
	ref, cmdline, _ := source.Syntax()
	req := client.SolveRequest{
		Frontend:       "gateway.v0",
		FrontendOpt:    inner.BuildOpts().Opts,
		FrontendInputs: map[string]*pb.Definition{dockerui.DefaultLocalNameDockerfile: source.Files.ToPB()},
	}
	delete(req.FrontendOpt, "multi-platform")
	maps.Copy(req.FrontendOpt, map[string]string{
		"source": ref, "cmdline": cmdline, "platform": platforms.FormatAll(platform),
	})
	if err := addInput(ctx, &req, dockerui.DefaultLocalNameContext, bk.Local(dockerui.DefaultLocalNameContext)); err != nil {
		return nil, err
	}
	mentions, err := c.mentions(inner, platform)
	if err != nil {
		return nil, err
	}
	if err := addFolders(ctx, &req, source); err != nil {
		return nil, err
	}
	for _, named := range source.Contexts {
		if strings.HasPrefix(req.FrontendOpt["context:"+named.Name], imageScheme+aliasHost) {
			delete(req.FrontendOpt, "context:"+named.Name) // its mark comes as an input
		}
	}
	for _, m := range mentions {
		if source.named(m.context) != nil {
			inner.noteAlias(m.context)
		}
		if err := c.addSibling(ctx, &req, inner, m, platform); err != nil {
			return nil, err
		}
	}
	res, err := c.Gateway.Solve(ctx, req)
	if err != nil {
		return nil, fmt.Errorf("image %s: its frontend %s: %w", source.Name, ref, err)
	}
	return fromResult(ctx, res, source, inner)
}

func addInput(ctx context.Context, req *client.SolveRequest, name string, st bk.State) error {
	def, err := st.Marshal(ctx)
	if err != nil {
		return fmt.Errorf("writing input %s: %w", name, err)
	}
	req.FrontendInputs[name] = def.ToPB()
	return nil
}

// fromResult takes the graph and the config out of another frontend's result.
func fromResult(ctx context.Context, res *client.Result, source Source, inner *imageClient) (*Compiled, error) {
	ref, err := res.SingleRef()
	if err != nil {
		return nil, fmt.Errorf("image %s: %w", source.Name, err)
	}
	// Which of them are declared, only that frontend knows.
	compiled := &Compiled{Args: slices.Sorted(maps.Keys(source.Args))}
	raw, ok := res.Metadata[exptypes.ExporterImageConfigKey]
	if !ok {
		return nil, fmt.Errorf("image %s: %w", source.Name, errors.New("its frontend returned no image config"))
	}
	if err := json.Unmarshal(raw, &compiled.Config); err != nil {
		return nil, fmt.Errorf("image %s: reading its config: %w", source.Name, err)
	}
	labels.Strip(compiled.Config.Config.Labels)
	if ref == nil {
		return compiled, nil
	}
	st, err := ref.ToState()
	if err != nil {
		return nil, fmt.Errorf("image %s: reading its graph: %w", source.Name, err)
	}
	def, err := st.Marshal(ctx)
	if err != nil {
		return nil, fmt.Errorf("image %s: writing its graph: %w", source.Name, err)
	}
	compiled.Definition, err = inner.pinned(def.ToPB())
	return compiled, err
}

// pinned records the siblings and the images that a definition reads, and gives
// those without a digest the one that is recorded.
func (c *imageClient) pinned(def *pb.Definition) (*pb.Definition, error) {
	out := &pb.Definition{Metadata: map[string]*pb.OpMetadata{}, Source: &pb.Source{Locations: map[string]*pb.Locations{}}}
	if def.Source != nil {
		out.Source.Infos = def.Source.Infos
	}
	moved := map[string]output{}
	for i, raw := range def.Def {
		var op pb.Op
		if err := op.UnmarshalVT(raw); err != nil {
			return nil, fmt.Errorf("reading op %d of a definition: %w", i, err)
		}
		changed, err := c.pin(&op)
		if err != nil {
			return nil, err
		}
		old := digest.FromBytes(raw).String()
		if redirect(&op, moved) || changed {
			if raw, err = (proto.MarshalOptions{Deterministic: true}).Marshal(&op); err != nil {
				return nil, fmt.Errorf("writing op %d of a definition: %w", i, err)
			}
		}
		dgst := digest.FromBytes(raw).String()
		moved[old] = output{digest: dgst}
		out.Def = append(out.Def, raw)
		if meta, ok := def.Metadata[old]; ok {
			out.Metadata[dgst] = meta
		}
		if def.Source != nil && def.Source.Locations[old] != nil {
			out.Source.Locations[dgst] = def.Source.Locations[old]
		}
	}
	return out, nil
}

// pin records the image that an op reads, if it does; it is changed if it had no
// digest.
func (c *imageClient) pin(op *pb.Op) (changed bool, err error) {
	source := op.GetSource()
	if source == nil || !strings.HasPrefix(source.Identifier, imageScheme) {
		return false, nil
	}
	if name, ok := siblingOf(source); ok {
		c.noteSibling(name)
		return false, nil
	}
	name, dgst, err := imageName(source)
	if err != nil {
		return false, err
	}
	if dgst != "" {
		c.noteExternal(name, digest.Digest(dgst))
		return false, nil
	}
	platform := c.unit.platform
	if op.Platform != nil {
		platform = op.Platform.Spec()
	}
	found, err := c.compiler.Externals.Digest(c.ctx, name, platform)
	if err != nil {
		return false, err
	}
	ref, err := withDigest(name, found)
	if err != nil {
		return false, err
	}
	c.noteExternal(name, found)
	source.Identifier = imageScheme + ref
	return true, nil
}
