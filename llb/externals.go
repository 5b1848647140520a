package llb

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/distribution/reference"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/containerd/platforms"

	"github.com/quoitbuild/quoit/labels"
)

// Externals looks up images that the project does not build, each reference and
// platform once however many images use it. A reference has one digest, whatever
// the platform. It is safe for concurrent use.
type Externals struct {
	configs sourceresolver.ImageMetaResolver
	pins    map[string]string
	mu      sync.Mutex
	found   map[string]*lookup
	names   map[string]*named
}

// named is what a reference names, on all platforms.
type named struct {
	mu     sync.Mutex // held by the first that asks
	digest digest.Digest
}

type lookup struct {
	once   sync.Once
	digest digest.Digest
	config []byte
	err    error
}

// NewExternals returns a resolver that asks for configs, a BuildKit or the registries.
// Pins, by reference with tag, are used instead of what a tag says now.
func NewExternals(configs sourceresolver.ImageMetaResolver, pins map[string]string) *Externals {
	return &Externals{configs: configs, pins: pins, found: map[string]*lookup{}, names: map[string]*named{}}
}

// Resolve returns the digest and the config of an image without the labels that
// Quoit reserves, so that they do not pass from one project to another.
func (e *Externals) Resolve(ctx context.Context, ref string, opt sourceresolver.Opt) (digest.Digest, []byte, error) {
	key := ref
	if opt.ImageOpt != nil && opt.ImageOpt.Platform != nil {
		key += " " + platforms.FormatAll(*opt.ImageOpt.Platform)
	}
	e.mu.Lock()
	l, ok := e.found[key]
	if !ok {
		l = &lookup{}
		e.found[key] = l
	}
	e.mu.Unlock()
	l.once.Do(func() { l.digest, l.config, l.err = e.lookUp(ctx, ref, opt) })
	return l.digest, l.config, l.err
}

// Digest returns the digest that a reference has now, or is pinned to.
func (e *Externals) Digest(ctx context.Context, ref string, platform ocispecs.Platform) (digest.Digest, error) {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return "", fmt.Errorf("reading reference %q: %w", ref, err)
	}
	ref = reference.TagNameOnly(named).String()
	dgst, _, err := e.Resolve(ctx, ref, sourceresolver.Opt{
		LogName:  "[internal] load metadata for " + ref,
		ImageOpt: &sourceresolver.ResolveImageOpt{Platform: &platform},
	})
	return dgst, err
}

// lookUp asks for a tag once and then for its digest, so that all platforms are of
// one image even if the tag moves meanwhile.
func (e *Externals) lookUp(ctx context.Context, ref string, opt sourceresolver.Opt) (digest.Digest, []byte, error) {
	named := e.named(ref)
	named.mu.Lock()
	if named.digest == "" {
		defer named.mu.Unlock()
		dgst, config, err := e.ask(ctx, ref, opt)
		named.digest = dgst
		return dgst, config, err
	}
	named.mu.Unlock()
	wanted, err := withDigest(ref, named.digest)
	if err != nil {
		return "", nil, err
	}
	return e.ask(ctx, wanted, opt)
}

func (e *Externals) named(ref string) *named {
	e.mu.Lock()
	defer e.mu.Unlock()
	n, ok := e.names[ref]
	if !ok {
		n = &named{digest: digest.Digest(e.pins[ref])}
		e.names[ref] = n
	}
	return n
}

func (e *Externals) ask(ctx context.Context, ref string, opt sourceresolver.Opt) (digest.Digest, []byte, error) {
	_, dgst, config, err := e.configs.ResolveImageConfig(ctx, ref, opt)
	if err != nil {
		return "", nil, err
	}
	config, err = withoutReserved(config)
	return dgst, config, err
}

// withDigest pins a reference. Images of which BuildKit knows no digest, as it has
// them from nowhere, stay as they are.
func withDigest(ref string, dgst digest.Digest) (string, error) {
	if dgst == "" {
		return ref, nil
	}
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return "", fmt.Errorf("reading reference %q: %w", ref, err)
	}
	pinned, err := reference.WithDigest(named, dgst)
	if err != nil {
		return "", fmt.Errorf("pinning %q: %w", ref, err)
	}
	return pinned.String(), nil
}

// withoutReserved takes Quoit's own labels out of an image config and leaves
// every other byte's meaning as it is.
func withoutReserved(config []byte) ([]byte, error) {
	var image map[string]json.RawMessage
	if err := json.Unmarshal(config, &image); err != nil {
		return nil, fmt.Errorf("reading image config: %w", err)
	}
	var inner map[string]json.RawMessage
	if raw, ok := image["config"]; !ok || json.Unmarshal(raw, &inner) != nil {
		return config, nil
	}
	var values map[string]string
	if raw, ok := inner["Labels"]; !ok || json.Unmarshal(raw, &values) != nil || len(labels.Strip(values)) == 0 {
		return config, nil
	}
	return replaced(image, "config", inner, "Labels", values)
}

func replaced(image map[string]json.RawMessage, outer string, inner map[string]json.RawMessage, key string, values map[string]string) ([]byte, error) {
	raw, err := json.Marshal(values)
	if err != nil {
		return nil, fmt.Errorf("writing image config: %w", err)
	}
	inner[key] = raw
	if raw, err = json.Marshal(inner); err != nil {
		return nil, fmt.Errorf("writing image config: %w", err)
	}
	image[outer] = raw
	return json.Marshal(image)
}
