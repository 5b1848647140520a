package attestation

import (
	"context"
	"maps"
	"slices"

	bk "github.com/moby/buildkit/client/llb"

	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/attestations/sbom"
	"github.com/moby/buildkit/frontend/dockerui"
	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/solver/result"
)

// AddSBOM adds to a result what its scanner finds in each image, by the images' graphs; nil
// is one without layers. Both are by the result's ids.
func AddSBOM(ctx context.Context, c client.Client, ui *dockerui.Client, graphs map[string]*pb.Definition, to *client.Result) error {
	platform := ui.BuildPlatforms[0]
	scanner, err := sbom.CreateSBOMScanner(ctx, c, ui.SBOM.Generator, platform, sourceresolver.Opt{
		ImageOpt: &sourceresolver.ResolveImageOpt{Platform: &platform, ResolveMode: c.BuildOpts().Opts["image-resolve-mode"]},
	}, ui.SBOM.Parameters)
	if err != nil {
		return err
	}
	for _, id := range slices.Sorted(maps.Keys(graphs)) {
		core, err := coreState(graphs[id])
		if err != nil {
			return err
		}
		found, err := scanner(ctx, id, core, nil)
		if err != nil {
			return err
		}
		solved, err := result.ConvertAttestation(&found, func(st *bk.State) (client.Reference, error) {
			def, err := st.Marshal(ctx)
			if err != nil {
				return nil, err
			}
			res, err := c.Solve(ctx, client.SolveRequest{Definition: def.ToPB(), CacheImports: ui.CacheImports})
			if err != nil {
				return nil, err
			}
			return res.SingleRef()
		})
		if err != nil {
			return err
		}
		to.AddAttestation(id, *solved)
	}
	return nil
}

func coreState(def *pb.Definition) (bk.State, error) {
	if def == nil {
		return bk.Scratch(), nil
	}
	op, err := bk.NewDefinitionOp(def)
	if err != nil {
		return bk.State{}, err
	}
	return bk.NewState(op), nil
}
