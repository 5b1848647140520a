package frontend

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/containerd/platforms"
	bk "github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	commonexptypes "github.com/moby/buildkit/exporter/exptypes"
	"github.com/moby/buildkit/frontend/attestations/sbom"
	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/solver/result"

	"github.com/quoitbuild/quoit/internal/show"
	"github.com/quoitbuild/quoit/versioning"
)

// resultSet collects refs with what exporters need to know of them.
type resultSet struct {
	res       *client.Result
	platforms exptypes.Platforms
	images    map[string]built // by id
}

func newResult() *resultSet {
	return &resultSet{res: client.NewResult(), images: map[string]built{}}
}

// add puts an image under an id of its own.
func (r *resultSet) add(id string, b built) {
	r.res.AddRef(id, b.ref)
	r.describe(id, "/"+id, b)
}

// addPlatform puts one platform of the only image: by itself, or as one of
// several.
func (r *resultSet) addPlatform(b built, multi bool) {
	id := platforms.FormatAll(b.platform)
	if multi {
		r.add(id, b)
		return
	}
	r.res.SetRef(b.ref)
	r.describe(id, "", b)
}

func (r *resultSet) describe(id, suffix string, b built) {
	r.images[id] = b
	r.platforms.Platforms = append(r.platforms.Platforms, exptypes.Platform{ID: id, Platform: b.platform})
	r.res.AddMeta(exptypes.ExporterImageConfigKey+suffix, b.config)
	if b.base != nil {
		r.res.AddMeta(exptypes.ExporterImageBaseConfigKey+suffix, b.base)
	}
	if b.epoch != nil {
		r.res.AddMeta(commonexptypes.ExporterEpochKey+suffix, []byte(strconv.FormatInt(b.epoch.Unix(), 10)))
	}
}

// annotate sets annotations of the image manifests.
func (r *resultSet) annotate(annotations map[string]string) {
	for _, key := range slices.Sorted(maps.Keys(annotations)) {
		r.res.AddMeta(exptypes.AnnotationManifestKey(nil, key), []byte(annotations[key]))
	}
}

// finish scans the images if an SBOM was asked for and closes the result.
func (r *resultSet) finish(ctx context.Context, s *solver) (*client.Result, error) {
	if s.ui.SBOM != nil {
		if err := r.scan(ctx, s); err != nil {
			return nil, fmt.Errorf("making the SBOM: %w", err)
		}
	}
	data, err := json.Marshal(r.platforms)
	if err != nil {
		return nil, fmt.Errorf("writing the result's platforms: %w", err)
	}
	r.res.AddMeta(exptypes.ExporterPlatformsKey, data)
	return r.res, nil
}

func (r *resultSet) scan(ctx context.Context, s *solver) error {
	platform := s.ui.BuildPlatforms[0]
	scanner, err := sbom.CreateSBOMScanner(ctx, s.client, s.ui.SBOM.Generator, platform, sourceresolver.Opt{
		ImageOpt: &sourceresolver.ResolveImageOpt{Platform: &platform, ResolveMode: s.client.BuildOpts().Opts["image-resolve-mode"]},
	}, s.ui.SBOM.Parameters)
	if err != nil {
		return err
	}
	for _, id := range slices.Sorted(maps.Keys(r.images)) {
		core, err := coreState(r.images[id].def)
		if err != nil {
			return err
		}
		attestation, err := scanner(ctx, id, core, nil)
		if err != nil {
			return err
		}
		solved, err := result.ConvertAttestation(&attestation, func(st *bk.State) (client.Reference, error) {
			def, err := st.Marshal(ctx)
			if err != nil {
				return nil, err
			}
			return s.solveDefinition(ctx, def.ToPB())
		})
		if err != nil {
			return err
		}
		r.res.AddAttestation(id, *solved)
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

// Keys of a result's metadata that clients see in the exporter's response.
const (
	// MetaPlan is the plan, base64 of its JSON.
	MetaPlan = "frontend.quoit.plan"
	// metaMessage is printed by buildx after a build.
	metaMessage = "frontend.result.inlinemessage"
)

// describe adds what people and tools read about the build to its result.
func (p *planner) describe(res *client.Result) error {
	data, err := json.Marshal(p.plan)
	if err != nil {
		return fmt.Errorf("writing the plan: %w", err)
	}
	res.AddMeta(MetaPlan, []byte(base64.StdEncoding.EncodeToString(data)))
	if !p.opts.Export {
		res.AddMeta(metaMessage, []byte(message(p.plan)))
	}
	return nil
}

// message is what a stock client prints after a build.
func message(plan versioning.Plan) string {
	text := show.Block(strings.TrimSuffix(plan.String(), "\n"))
	if plan.Ring == versioning.None || len(plan.PublishOrder()) == 0 {
		return text + "\n"
	}
	return text + "\nVersions are a forecast until `quoit build --push` publishes them.\n"
}
