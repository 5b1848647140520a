package gatewaytest

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"strings"

	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

const imageScheme = "docker-image://"

// image is one in a registry.
type image struct {
	digest digest.Digest
	config []byte
}

// Push puts an image with that config into a registry, under a reference with a
// tag and its digest, which it returns.
func (g *Gateway) Push(ref string, config []byte) digest.Digest {
	g.mu.Lock()
	defer g.mu.Unlock()
	pushed := image{digest.FromBytes(config), config}
	name := ref[:strings.LastIndex(ref, ":")]
	g.pushed[ref], g.pushed[name+"@"+pushed.digest.String()] = pushed, pushed
	return pushed.digest
}

// Asked is how often each reference was looked up.
func (g *Gateway) Asked() map[string]int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return maps.Clone(g.asked)
}

// ResolveImageConfig looks an image up.
func (g *Gateway) ResolveImageConfig(_ context.Context, ref string, _ sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	found, err := g.lookUp(ref)
	return ref, found.digest, found.config, err
}

// ResolveSourceMetadata looks an image or a remote source up.
func (g *Gateway) ResolveSourceMetadata(_ context.Context, op *pb.SourceOp, _ sourceresolver.Opt) (*sourceresolver.MetaResponse, error) {
	if isRemote(op) {
		return g.lookUpRemote(op)
	}
	found, err := g.lookUp(strings.TrimPrefix(op.Identifier, imageScheme))
	if err != nil {
		return nil, err
	}
	return &sourceresolver.MetaResponse{Op: op, Image: &sourceresolver.ResolveImageResponse{Digest: found.digest, Config: found.config}}, nil
}

func (g *Gateway) lookUp(ref string) (image, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.asked[ref]++
	if g.Fail != nil {
		if err := g.Fail(ref); err != nil {
			return image{}, err
		}
	}
	if found, ok := g.pushed[ref]; ok {
		return found, nil
	}
	if g.Registry != "" && strings.HasPrefix(ref, g.Registry+"/") {
		if g.Contents != nil {
			if dgst, config := g.Contents(ref); dgst != "" {
				return image{dgst, config}, nil
			}
		}
		return image{}, errors.New(ref + ": not found")
	}
	return anyImage(ref)
}

// anyImage is what a reference names that nobody pushed.
func anyImage(ref string) (image, error) {
	config := ocispecs.Image{Platform: AMD64, RootFS: ocispecs.RootFS{Type: "layers", DiffIDs: []digest.Digest{digest.FromString(ref)}}}
	config.Config.Env = []string{"PATH=/bin"}
	raw, err := json.Marshal(config)
	dgst := digest.FromString(ref)
	if _, given, ok := strings.Cut(ref, "@"); ok {
		dgst = digest.Digest(given)
	}
	return image{dgst, raw}, err
}
