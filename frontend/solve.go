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
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	commonexptypes "github.com/moby/buildkit/exporter/exptypes"
	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/pb"
	"golang.org/x/sync/errgroup"

	"github.com/quoitbuild/quoit/frontend/attestation"
	"github.com/quoitbuild/quoit/internal/show"
	"github.com/quoitbuild/quoit/labels"
	"github.com/quoitbuild/quoit/versioning"
)

// maxParallelSolves bounds the solves that are handed to BuildKit at once.
const maxParallelSolves = 16

// solve solves definitions and returns those that are asked for.
func solve(ctx context.Context, g gateway, d definitions) (*client.Result, error) {
	if d.empty {
		return client.NewResult(), nil
	}
	refs, err := g.refs(ctx, d.images)
	if err != nil {
		return nil, err
	}
	set := newResult()
	eg, egCtx := errgroup.WithContext(ctx)
	for i, image := range d.images {
		if !image.besides {
			set.add(image, refs[i])
		} else if refs[i] != nil {
			eg.Go(func() error { return refs[i].Evaluate(egCtx) })
		}
	}
	if err := eg.Wait(); err != nil {
		return nil, err
	}
	if d.name != "" {
		set.res.AddMeta("image.name", []byte(d.name))
	}
	set.annotate(d.annotations)
	if d.several {
		set.res.AddMeta("annotation-"+oneName+".name", nil)
	}
	return set.finish(ctx, g)
}

// refs solves definitions all at once.
func (g gateway) refs(ctx context.Context, all []definition) ([]client.Reference, error) {
	record, err := g.recorder(ctx, all)
	if err != nil {
		return nil, err
	}
	refs := make([]client.Reference, len(all))
	eg, ctx := errgroup.WithContext(ctx)
	eg.SetLimit(maxParallelSolves)
	for i, d := range all {
		eg.Go(func() (err error) {
			if record != nil && d.recorded() {
				refs[i], err = record.Solve(ctx, *d.asked, d.graph)
			} else {
				refs[i], err = g.ref(ctx, d.graph)
			}
			return err
		})
	}
	return refs, eg.Wait()
}

// recorder records how images were asked for, nil if nothing is to be recorded.
func (g gateway) recorder(ctx context.Context, all []definition) (*attestation.Recorder, error) {
	var asked []attestation.Request
	for _, d := range all {
		if d.recorded() {
			asked = append(asked, *d.asked)
		}
	}
	if len(asked) == 0 || !attestation.HasProvenance(g.BuildOpts().Opts) {
		return nil, nil
	}
	return attestation.NewRecorder(ctx, g, g.ui.CacheImports, g.origin(), asked)
}

// recorded reports whether there is something to record of it.
func (d definition) recorded() bool { return d.asked != nil && d.graph != nil && !d.besides }

// origin are the options that say where the project comes from. A commit is not believed
// before it is known whether the files differ from it.
func (g gateway) origin() map[string]string {
	origin := map[string]string{}
	for key, value := range map[string]string{attrSource: g.opts.Source, attrCommit: g.opts.Commit} {
		if value != "" {
			origin[key] = value
		}
	}
	switch commit := origin[attrCommit]; {
	case g.host.Manifest == nil || commit == "": // a stock client says it with the commit
	case g.host.Dirty == nil:
		delete(origin, attrCommit)
	case *g.host.Dirty:
		origin[attrCommit] = commit + labels.Dirty
	}
	return origin
}

// ref solves a graph; nil for none.
func (g gateway) ref(ctx context.Context, graph *pb.Definition) (client.Reference, error) {
	if graph == nil {
		return nil, nil
	}
	res, err := g.Solve(ctx, client.SolveRequest{Definition: graph, CacheImports: g.ui.CacheImports})
	if err != nil {
		return nil, err
	}
	return res.SingleRef()
}

// oneName is a type of annotations that there is not: no option of an exporter reaches a
// frontend, and those that would put several images into one index, under one name, refuse
// it by printing it before they write anything. Those of files do not see it.
const oneName = "for-several-images-under-one-name-write-target-with-an-image-or-use-bake-or-quoit-build"

// resultSet collects refs with what exporters need to know of them.
type resultSet struct {
	res       *client.Result
	platforms exptypes.Platforms
	graphs    map[string]*pb.Definition // by id
}

func newResult() *resultSet {
	return &resultSet{res: client.NewResult(), graphs: map[string]*pb.Definition{}}
}

// add puts an image's ref under its id, or as the only one.
func (r *resultSet) add(d definition, ref client.Reference) {
	id, suffix := d.id, "/"+d.id
	if id == "" {
		id, suffix = platforms.FormatAll(d.platform), ""
		r.res.SetRef(ref)
	} else {
		r.res.AddRef(id, ref)
	}
	r.graphs[id] = d.graph
	r.platforms.Platforms = append(r.platforms.Platforms, exptypes.Platform{ID: id, Platform: d.platform})
	r.res.AddMeta(exptypes.ExporterImageConfigKey+suffix, d.config)
	if d.base != nil {
		r.res.AddMeta(exptypes.ExporterImageBaseConfigKey+suffix, d.base)
	}
	if d.epoch != nil {
		r.res.AddMeta(commonexptypes.ExporterEpochKey+suffix, []byte(strconv.FormatInt(d.epoch.Unix(), 10)))
	}
}

// annotate sets annotations of the image manifests.
func (r *resultSet) annotate(annotations map[string]string) {
	for _, key := range slices.Sorted(maps.Keys(annotations)) {
		r.res.AddMeta(exptypes.AnnotationManifestKey(nil, key), []byte(annotations[key]))
	}
}

// finish scans the images if an SBOM was asked for and closes the result.
func (r *resultSet) finish(ctx context.Context, by gateway) (*client.Result, error) {
	if by.ui.SBOM != nil {
		if err := attestation.AddSBOM(ctx, by, by.ui, r.graphs, r.res); err != nil {
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

// Keys of a result's metadata that clients see in the exporter's response.
const (
	// MetaPlan is the plan, base64 of its JSON.
	MetaPlan = "frontend.quoit.plan"
	// metaMessage is printed by buildx after a build.
	metaMessage = "frontend.result.inlinemessage"
)

// describe adds what people and tools read about the build to its result.
func (g gateway) describe(res *client.Result, plan versioning.Plan) error {
	data, err := json.Marshal(plan)
	if err != nil {
		return fmt.Errorf("writing the plan: %w", err)
	}
	res.AddMeta(MetaPlan, []byte(base64.StdEncoding.EncodeToString(data)))
	if !g.opts.Export {
		res.AddMeta(metaMessage, []byte(message(plan)))
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
