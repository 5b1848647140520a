package frontend

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/grpcerrors"
	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc/codes"

	"github.com/quoitbuild/quoit/labels"
	"github.com/quoitbuild/quoit/manifest"
	"github.com/quoitbuild/quoit/versioning"
)

// store reads the project's state from its registry, through BuildKit. Each
// reference is asked for once.
type store struct {
	gateway  client.Client
	manifest *manifest.Manifest
	root     []ocispecs.Platform // the root image's platforms
	first    bool                // stated: nothing is there yet

	mu    sync.Mutex
	found map[string]*published
}

// published is an image in the registry; nil stands for one that is not there.
type published struct {
	digest string
	labels map[string]string
}

// state reads the ring and the next one; if the next one is empty the later ones too,
// and if the ring is as well, all.
func (s *store) state(ctx context.Context, ring string) (versioning.State, error) {
	rings := s.manifest.RingOrder()
	placed := map[string]*versioning.Placed{}
	for {
		unread, err := versioning.Unread(rings, ring, placed)
		if err != nil {
			return versioning.State{}, err
		}
		if len(unread) == 0 {
			return versioning.Select(rings, ring, placed)
		}
		if err := s.readRings(ctx, unread, placed); err != nil {
			return versioning.State{}, err
		}
	}
}

// merged reads the releases that a build is said to contain.
func (s *store) merged(ctx context.Context, rings []string) ([]versioning.Placed, error) {
	order := s.manifest.RingOrder()
	for _, ring := range rings {
		if !slices.Contains(order, ring) {
			return nil, fmt.Errorf("%s: %w", ArgMerge, &versioning.RingError{Ring: ring, Rings: order})
		}
	}
	placed := map[string]*versioning.Placed{}
	if err := s.readRings(ctx, rings, placed); err != nil {
		return nil, err
	}
	var merged []versioning.Placed
	for _, ring := range rings {
		if placed[ring] == nil {
			return nil, fmt.Errorf("%s names %s, which has no release: leave it out", ArgMerge, ring)
		}
		merged = append(merged, *placed[ring])
	}
	return merged, nil
}

func (s *store) readRings(ctx context.Context, rings []string, placed map[string]*versioning.Placed) error {
	results := make([]*versioning.Placed, len(rings))
	eg, ctx := errgroup.WithContext(ctx)
	for i, ring := range rings {
		eg.Go(func() (err error) {
			results[i], err = s.ring(ctx, ring)
			return err
		})
	}
	if err := eg.Wait(); err != nil {
		return err
	}
	for i, ring := range rings {
		placed[ring] = results[i]
	}
	return nil
}

// ring reads the release that a ring's tag names, nil for an empty ring.
func (s *store) ring(ctx context.Context, ring string) (*versioning.Placed, error) {
	if s.first {
		return nil, nil
	}
	ref := s.manifest.Repository(s.manifest.Root) + ":" + ring
	image, err := s.read(ctx, ref, s.root, "release in ring "+ring+" (an empty ring is no error)")
	if err != nil || image == nil {
		return nil, err
	}
	release, err := labels.Parse(image.labels)
	if errors.Is(err, labels.ErrEmpty) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("ring %s (%s): %w", ring, ref, err)
	}
	return &versioning.Placed{Ring: ring, Digest: image.digest, Release: release}, nil
}

// version looks a version up, nil if it is free.
func (s *store) version(ctx context.Context, image string, version versioning.Version, platforms []ocispecs.Platform) (*published, error) {
	if s.first {
		return nil, nil
	}
	return s.read(ctx, s.reference(image, version), platforms, image+" "+version.String()+" (a free version is no error)")
}

func (s *store) reference(image string, version versioning.Version) string {
	return s.manifest.Repository(image) + ":" + version.String()
}

// otherPlatforms are tried for an image that was made for none of those that the
// manifest has now: its labels say the same for each.
var otherPlatforms = []ocispecs.Platform{
	{OS: "linux", Architecture: "amd64"}, {OS: "linux", Architecture: "arm64"},
	{OS: "linux", Architecture: "arm", Variant: "v7"}, {OS: "linux", Architecture: "riscv64"},
	{OS: "linux", Architecture: "ppc64le"}, {OS: "linux", Architecture: "s390x"}, {OS: "linux", Architecture: "386"},
}

// read resolves a reference and its config for the first of the platforms that
// it has.
func (s *store) read(ctx context.Context, ref string, platforms []ocispecs.Platform, what string) (*published, error) {
	s.mu.Lock()
	image, ok := s.found[ref]
	s.mu.Unlock()
	if ok {
		return image, nil
	}
	var err error
	for _, platform := range slices.Concat(platforms, otherPlatforms) {
		image, err = s.resolve(ctx, ref, &platform, what)
		if err == nil || !isOtherPlatform(err) {
			break
		}
	}
	if err != nil {
		return nil, lookingUp(ref, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.found == nil {
		s.found = map[string]*published{}
	}
	s.found[ref] = image
	return image, nil
}

func (s *store) resolve(ctx context.Context, ref string, platform *ocispecs.Platform, what string) (*published, error) {
	meta, err := s.ask(ctx, ref, what, sourceresolver.ResolveImageOpt{Platform: platform})
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
	return &published{digest: meta.Image.Digest.String(), labels: config.Config.Labels}, nil
}

// ask resolves a reference anew, whatever BuildKit knows of its tag.
func (s *store) ask(ctx context.Context, ref, what string, opt sourceresolver.ResolveImageOpt) (*sourceresolver.MetaResponse, error) {
	opt.ResolveMode = "pull"
	meta, err := s.gateway.ResolveSourceMetadata(ctx, &pb.SourceOp{Identifier: "docker-image://" + ref}, sourceresolver.Opt{
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
	if err == nil {
		return false
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

// isNotFound tells whether a file is not there.
func isNotFound(err error) bool {
	if err == nil {
		return false
	}
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, os.ErrNotExist) || grpcerrors.Code(err) == codes.NotFound ||
		strings.Contains(err.Error(), "no such file or directory") || strings.Contains(err.Error(), "not a directory")
}

// digest returns the digest of a version that has to be there.
func (s *store) digest(ctx context.Context, image string, version versioning.Version, platforms []ocispecs.Platform) (string, error) {
	ref := s.reference(image, version)
	found, err := s.read(ctx, ref, platforms, image+" "+version.String())
	if err != nil {
		return "", err
	}
	if found == nil {
		return "", fmt.Errorf("%s is missing, although a release names it: restore it, or build it again with %s=%s", ref, ArgRebuild, image)
	}
	return found.digest, nil
}

// identity is what the image's label says, "" for one that is not ours.
func (p *published) identity() string { return p.labels[labels.Identity] }
