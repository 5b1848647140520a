package frontend

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/grpcerrors"
	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/quoitbuild/quoit/frontend/ask"
	"github.com/quoitbuild/quoit/frontend/rings"
	"github.com/quoitbuild/quoit/internal/diag"
	"github.com/quoitbuild/quoit/llb"
	"github.com/quoitbuild/quoit/manifest"
	"github.com/quoitbuild/quoit/versioning"
)

// state is what the project's log says of the rings.
type state struct {
	versioning.State
	merged []versioning.Placed // that the build is said to contain
	log    rings.Log
}

// look reads the log, and the releases that a build for the ring has to know. All that has
// to be known for it is the manifest.
func look(ctx context.Context, r run, d declared) (state, error) {
	root, _ := d.manifest.Image(d.manifest.Root)
	platforms, err := imagePlatforms(root, r.defaultPlatform())
	if err != nil {
		return state{}, err
	}
	l, err := rings.Open(ctx, rings.Options{Images: r.images, Manifest: d.manifest, Root: platforms, Named: r.record, Known: r.known})
	if err != nil {
		return state{}, err
	}
	s := state{log: l}
	eg, ctx := errgroup.WithContext(ctx)
	eg.Go(func() (err error) {
		s.State, err = l.State(ctx, d.ring)
		return err
	})
	eg.Go(func() (err error) {
		if err := l.Check(r.opts.Merge); err != nil {
			return fmt.Errorf("%s: %w", ArgMerge, err)
		}
		s.merged, err = l.Releases(ctx, r.opts.Merge)
		return err
	})
	return s, ringProblem(eg.Wait())
}

// record says which record is the newest, as [Options.Record] does.
func (r run) record(ctx context.Context) (string, error) {
	if r.opts.First {
		return rings.NoRecord, nil
	}
	return r.newest(ctx)
}

func ringProblem(err error) error {
	var ring *versioning.RingError
	if !errors.As(err, &ring) {
		return err
	}
	if near := diag.Nearest(ring.Ring, ring.Rings); near != "" {
		return fmt.Errorf("%w; did you mean %q?", err, near)
	}
	return err
}

// maxParallelLookups bounds the questions to registries at one time.
const maxParallelLookups = 32

// gatewayImages reads images of the project's registry through BuildKit.
type gatewayImages struct{ client.Client }

// otherPlatforms are tried for an image that was made for none of those that the
// manifest has now: its labels say the same for each.
var otherPlatforms = []ocispecs.Platform{
	{OS: "linux", Architecture: "amd64"}, {OS: "linux", Architecture: "arm64"},
	{OS: "linux", Architecture: "arm", Variant: "v7"}, {OS: "linux", Architecture: "riscv64"},
	{OS: "linux", Architecture: "ppc64le"}, {OS: "linux", Architecture: "s390x"}, {OS: "linux", Architecture: "386"},
}

// Image resolves a reference and its config.
func (g gatewayImages) Image(ctx context.Context, ref, what string, platforms []ocispecs.Platform) (image *rings.Image, err error) {
	for _, platform := range slices.Concat(platforms, otherPlatforms) {
		image, err = g.resolve(ctx, ref, &platform, what)
		if err == nil || !isOtherPlatform(err) {
			break
		}
	}
	if err != nil {
		return nil, ask.LookingUp(ref, err)
	}
	return image, nil
}

func (g gatewayImages) resolve(ctx context.Context, ref string, platform *ocispecs.Platform, what string) (*rings.Image, error) {
	meta, err := g.ask(ctx, ref, what, sourceresolver.ResolveImageOpt{Platform: platform})
	if isAbsent(err, ref) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var config dockerspec.DockerOCIImage
	if err := json.Unmarshal(meta.Image.Config, &config); err != nil {
		return nil, fmt.Errorf("reading its config: %w", err)
	}
	return &rings.Image{Digest: meta.Image.Digest.String(), Labels: config.Config.Labels}, nil
}

// ask resolves a reference anew, whatever BuildKit knows of its tag.
func (g gatewayImages) ask(ctx context.Context, ref, what string, opt sourceresolver.ResolveImageOpt) (*sourceresolver.MetaResponse, error) {
	opt.ResolveMode = "pull"
	meta, err := g.ResolveSourceMetadata(ctx, &pb.SourceOp{Identifier: "docker-image://" + ref}, sourceresolver.Opt{
		LogName: "[quoit] " + what, ImageOpt: &opt,
	})
	if err == nil && meta.Image == nil {
		return nil, errors.New("the answer is not an image")
	}
	return meta, err
}

// isAbsent tells whether a look-up says, without any doubt, that the reference
// does not exist. Other texts that end in "not found" speak of a platform or a
// blob of an image that is there.
func isAbsent(err error, ref string) bool {
	if err == nil || isAbsentError(err) {
		return err != nil
	}
	text := err.Error()
	if status, ok := grpcerrors.AsGRPCStatus(err); ok {
		text = status.Message()
	}
	return text == ref+": not found"
}

func isOtherPlatform(err error) bool {
	return strings.Contains(err.Error(), "no match for platform")
}

// externals resolves those that the manifest names, all at once. One that is not
// there is a mistake in the manifest.
func (p project) externals(ctx context.Context, resolver *llb.Externals) (map[string]versioning.External, error) {
	all := p.manifest.Externals
	platform := p.images[p.manifest.Root].Platforms[0]
	digests := make([]digest.Digest, len(all))
	absent := make([]bool, len(all))
	eg, ctx := errgroup.WithContext(ctx)
	eg.SetLimit(maxParallelLookups)
	for i, external := range all {
		eg.Go(func() (err error) {
			digests[i], err = resolver.Digest(ctx, external.Reference, platform)
			if absent[i] = isAbsent(err, external.Reference); err != nil && !absent[i] {
				return fmt.Errorf("external %s: %w", external.Name, err)
			}
			return nil
		})
	}
	if err := eg.Wait(); err != nil {
		return nil, err
	}
	var mistakes diag.List
	found := map[string]versioning.External{}
	for i, external := range all {
		if absent[i] {
			mistakes.Add(p.absentExternal(external))
		}
		found[external.Name] = versioning.External{Reference: external.Reference, Digest: digests[i].String()}
	}
	return found, inManifest(mistakes.Err(), p.source.SourceMap)
}

func (p project) absentExternal(external manifest.External) diag.Diagnostic {
	return p.mistake(external.Value, "check its name and tag, or push it there first",
		"external %s: the registry has no %s", external.Name, external.Reference)
}
