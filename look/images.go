package look

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/containerd/platforms"
	"github.com/distribution/reference"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quoitbuild/quoit/account"
	"github.com/quoitbuild/quoit/frontend"
	"github.com/quoitbuild/quoit/frontend/rings"
	"github.com/quoitbuild/quoit/llb"
	"github.com/quoitbuild/quoit/registry"
)

// patience is how long another registry than the project's may take, as a builder can be
// asked instead.
const patience = 15 * time.Second

// images asks registries for images.
type images struct {
	at    registry.Namespace // of the project
	cache Contents
}

// found is what a reference names.
type found struct {
	registry.Manifest
	from registry.Repository
}

// ResolveImageConfig implements [sourceresolver.ImageMetaResolver]: digest and config of a
// reference for a platform.
func (i images) ResolveImageConfig(ctx context.Context, ref string, opt sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	top, err := i.find(ctx, ref)
	if err == nil && top == nil {
		err = &frontend.AbsentError{Reference: ref}
	}
	if err != nil {
		return "", "", nil, err
	}
	var wanted []ocispecs.Platform
	if opt.ImageOpt != nil && opt.ImageOpt.Platform != nil {
		wanted = append(wanted, *opt.ImageOpt.Platform)
	}
	image, err := top.choose(wanted)
	if err != nil {
		return "", "", nil, fmt.Errorf("reading %s: %w", ref, err)
	}
	config, err := i.config(ctx, top, image)
	return ref, digest.Digest(top.Digest), config, err
}

// Image implements [rings.Images].
func (i images) Image(ctx context.Context, ref, _ string, wanted []ocispecs.Platform) (*rings.Image, error) {
	top, err := i.find(ctx, ref)
	if err != nil || top == nil {
		return nil, err
	}
	image, err := top.choose(wanted)
	if err != nil {
		image, err = top.first()
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", ref, err)
	}
	data, err := i.config(ctx, top, image)
	if err != nil {
		return nil, err
	}
	var config ocispecs.Image
	if err := json.Unmarshal(data, &config); err != nil {
		return nil, fmt.Errorf("reading the config of %s: %w", ref, err)
	}
	return &rings.Image{Digest: top.Digest, Labels: config.Config.Labels}, nil
}

// find returns what a reference names, nil if the registry does not have it.
func (i images) find(ctx context.Context, ref string) (*found, error) {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return nil, fmt.Errorf("reading reference %q: %w", ref, err)
	}
	identifier := "latest"
	if tagged, ok := named.(reference.Tagged); ok {
		identifier = tagged.Tag()
	}
	if digested, ok := named.(reference.Digested); ok {
		identifier = digested.Digest().String()
	}
	if name, ours := strings.CutPrefix(named.Name(), i.at.String()+"/"); ours {
		return i.get(ctx, i.at.Repository(name), identifier)
	}
	from, err := i.at.Elsewhere(named.Name())
	if err != nil {
		return nil, err
	}
	if from == nil {
		return nil, &llb.BuilderError{Why: "may reach " + named.Name()}
	}
	// A builder may have images of its own, other mirrors and other credentials.
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	top, err := i.get(limited, from, identifier)
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil:
		return nil, fmt.Errorf("%w: %w", &llb.BuilderError{Why: "may reach " + reference.Domain(named)}, err)
	case top == nil:
		return nil, fmt.Errorf("%w: %w", &llb.BuilderError{Why: "may have what a registry has not"}, &frontend.AbsentError{Reference: ref})
	}
	return top, nil
}

// get returns what a tag or digest of a repository names, nil if it is not there. Of a tag
// that was asked for before only the digest is, as registries count what is pulled.
func (i images) get(ctx context.Context, from registry.Repository, identifier string) (*found, error) {
	if !registry.IsDigest(identifier) && i.keeps(from.Reference(identifier)) {
		digest, there, err := from.Head(ctx, identifier)
		if err != nil || !there {
			return nil, err
		}
		identifier = digest
	}
	if mediaType, data, ok := i.cache.get(identifier); ok {
		return &found{registry.NewManifest(mediaType, data), from}, nil
	}
	manifest, there, err := from.Get(ctx, identifier)
	if err != nil || !there {
		return nil, err
	}
	i.cache.put(manifest.Digest, manifest.MediaType, manifest.Bytes)
	if !registry.IsDigest(identifier) {
		i.cache.remember(validated{Address: from.Reference(identifier), Digest: manifest.Digest})
	}
	return &found{manifest, from}, nil
}

// keeps reports whether what a tag once named is kept.
func (i images) keeps(tag string) bool {
	_, kept := i.cache.Blob(i.cache.validated(tag).Digest)
	return kept
}

// choose returns the digest of the image for the first of the platforms that there is one
// for; for no platform, of any.
func (f *found) choose(wanted []ocispecs.Platform) (string, error) {
	if !f.IsIndex() {
		return f.Digest, nil
	}
	if len(wanted) == 0 {
		return f.first()
	}
	var index ocispecs.Index
	if err := json.Unmarshal(f.Bytes, &index); err != nil {
		return "", fmt.Errorf("its index is broken: %w", err)
	}
	for _, platform := range wanted {
		matcher := platforms.Only(platform)
		var fitting []ocispecs.Descriptor
		for _, image := range index.Manifests {
			if image.Platform != nil && matcher.Match(*image.Platform) {
				fitting = append(fitting, image)
			}
		}
		slices.SortStableFunc(fitting, func(a, b ocispecs.Descriptor) int {
			switch {
			case matcher.Less(*a.Platform, *b.Platform):
				return -1
			case matcher.Less(*b.Platform, *a.Platform):
				return 1
			}
			return 0
		})
		if len(fitting) > 0 {
			return fitting[0].Digest.String(), nil
		}
	}
	return "", fmt.Errorf("no match for platform %s in its index: the image is not made for a platform of the manifest, see its platforms", platforms.FormatAll(wanted[0]))
}

// first returns the digest of an image for any platform.
func (f *found) first() (string, error) {
	if !f.IsIndex() {
		return f.Digest, nil
	}
	return f.Manifest.Image()
}

// config returns the config of an image that an index names, or which it is itself.
func (i images) config(ctx context.Context, top *found, image string) ([]byte, error) {
	manifest := top.Manifest
	if image != top.Digest {
		below, err := i.get(ctx, top.from, image)
		if err == nil && below == nil {
			err = fmt.Errorf("%s: the registry lost a part of the image, push it again", top.from.Reference(image))
		}
		if err != nil {
			return nil, err
		}
		manifest = below.Manifest
	}
	config, err := manifest.Config()
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", top.from.Reference(image), err)
	}
	if _, data, ok := i.cache.get(config.Digest); ok {
		return data, nil
	}
	data, err := top.from.Blob(ctx, config)
	if err != nil {
		return nil, err
	}
	i.cache.put(config.Digest, config.MediaType, data)
	return data, nil
}

// accounts reads those of the project's images from what a reference names.
func (i images) accounts(ctx context.Context, ref string, names []string) (map[string][]byte, error) {
	top, err := i.find(ctx, ref)
	if err == nil && top == nil {
		err = errors.New("it is gone")
	}
	if err != nil {
		return nil, err
	}
	digest, size, err := account.LayerOf(top.Bytes)
	if err != nil {
		return nil, err
	}
	layer, known := i.cache.Blob(digest)
	if !known {
		if layer, err = top.from.Blob(ctx, registry.Descriptor{Digest: digest, Size: size}); err != nil {
			return nil, err
		}
		i.cache.Keep(digest, layer)
	}
	return account.Find(layer, names...)
}
