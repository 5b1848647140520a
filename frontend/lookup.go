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
	"google.golang.org/grpc/codes"

	"github.com/quoitbuild/quoit/store/records"
)

// maxParallelLookups bounds the questions to registries at one time.
const maxParallelLookups = 32

// lookup reads images of the project's registry through BuildKit. Each reference is
// asked for once.
type lookup struct {
	gateway client.Client

	mu    sync.Mutex
	found map[string]*published
}

// published is an image in the registry; nil stands for one that is not there.
type published struct {
	digest string
	labels map[string]string

	parse  sync.Once // of a record, which may be asked for each image
	record records.Record
	err    error
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
func (l *lookup) read(ctx context.Context, ref string, platforms []ocispecs.Platform, what string) (*published, error) {
	l.mu.Lock()
	image, ok := l.found[ref]
	l.mu.Unlock()
	if ok {
		return image, nil
	}
	var err error
	for _, platform := range slices.Concat(platforms, otherPlatforms) {
		image, err = l.resolve(ctx, ref, &platform, what)
		if err == nil || !isOtherPlatform(err) {
			break
		}
	}
	if err != nil {
		return nil, lookingUp(ref, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.found == nil {
		l.found = map[string]*published{}
	}
	l.found[ref] = image
	return image, nil
}

func (l *lookup) resolve(ctx context.Context, ref string, platform *ocispecs.Platform, what string) (*published, error) {
	meta, err := l.ask(ctx, ref, what, sourceresolver.ResolveImageOpt{Platform: platform})
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
func (l *lookup) ask(ctx context.Context, ref, what string, opt sourceresolver.ResolveImageOpt) (*sourceresolver.MetaResponse, error) {
	opt.ResolveMode = "pull"
	meta, err := l.gateway.ResolveSourceMetadata(ctx, &pb.SourceOp{Identifier: "docker-image://" + ref}, sourceresolver.Opt{
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
