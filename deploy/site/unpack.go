package site

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"path"
	"strings"
	"time"

	"github.com/containerd/containerd/v2/pkg/archive"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/quoitbuild/quoit/registry"
)

// Bounds of a root image that is unpacked.
const (
	maxUnpacked = 1 << 30 // bytes of all layers, uncompressed, and of all files
	maxFiles    = 100_000
	maxLayers   = 128
)

// Unpack pulls an image by its digest and unpacks its files into an empty
// folder. Nothing is written outside of it, but links in it may lead anywhere:
// mind that when reading the files. Device files and the like are left out,
// and owners are not kept. Foreign is the platform of an image whose programs are
// not for this machine, where an index has no other one, else "". A registry that stands
// still is waited for a minute.
func Unpack(ctx context.Context, reference, folder string, options registry.Options) (foreign string, err error) {
	doing := "unpacking " + reference
	digest, err := name.NewDigest(reference)
	if err == nil && loopback(digest.RegistryStr()) {
		digest, err = name.NewDigest(reference, name.Insecure)
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w", doing, err)
	}
	image, foreign, err := pull(digest, remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain),
		remote.WithTransport(options.Carrier()), remote.WithRetryBackoff(remote.Backoff{Duration: time.Second, Factor: 3, Steps: 2}))
	if err != nil {
		return "", fmt.Errorf("%s: %w", doing, err)
	}
	layers, err := image.Layers()
	if err != nil {
		return "", fmt.Errorf("%s: %w", doing, err)
	}
	if err := unpack(ctx, layers, folder); err != nil {
		return "", fmt.Errorf("%s: %w", doing, err)
	}
	return foreign, nil
}

func unpack(ctx context.Context, layers []v1.Layer, folder string) error {
	if len(layers) > maxLayers {
		return fmt.Errorf("it has %d layers; the limit is %d", len(layers), maxLayers)
	}
	left := &bounds{read: maxUnpacked, written: maxUnpacked, files: maxFiles}
	for i, layer := range layers {
		if err := unpackLayer(ctx, layer, folder, left); err != nil {
			return fmt.Errorf("layer %d: %w", i+1, err)
		}
	}
	return nil
}

// bounds are what is left of them. An archive may be larger than its files, or,
// where these have holes, far smaller.
type bounds struct {
	read, written int64 // bytes
	files         int
}

// take counts a file before it is written, holes and all.
func (b *bounds) take(h *tar.Header) error {
	if b.files--; b.files < 0 {
		return fmt.Errorf("it has more than %d files", maxFiles)
	}
	if b.written -= h.Size; b.written < 0 {
		return errTooBig
	}
	return nil
}

func unpackLayer(ctx context.Context, layer v1.Layer, folder string, left *bounds) error {
	content, err := layer.Uncompressed()
	if err != nil {
		return err
	}
	defer content.Close()
	bounded := &budget{content, &left.read}
	_, err = archive.Apply(ctx, folder, bounded, archive.WithNoSameOwner(), archive.WithFilter(func(h *tar.Header) (bool, error) {
		if err := left.take(h); err != nil {
			return false, err
		}
		return ordinary(h)
	}))
	if err == nil {
		_, err = io.Copy(io.Discard, bounded) // to the end, where the digest is checked
	}
	return err
}

// ordinary reports whether an entry is unpacked. What names a place outside is
// no mistake that anybody makes.
func ordinary(h *tar.Header) (bool, error) {
	if outside(h.Name) || h.Typeflag == tar.TypeLink && outside(h.Linkname) {
		return false, fmt.Errorf("%q leads out of the image", h.Name)
	}
	h.Mode &^= 0o6000 // nobody becomes somebody else by a file of an image
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeDir, tar.TypeSymlink, tar.TypeLink:
		return true, nil
	}
	return false, nil
}

func outside(file string) bool {
	return strings.HasPrefix(path.Clean(strings.TrimLeft(file, "/"))+"/", "../")
}

// budget reads as long as something is left.
type budget struct {
	from io.Reader
	left *int64
}

func (b *budget) Read(p []byte) (int, error) {
	n, err := b.from.Read(p)
	if *b.left -= int64(n); *b.left < 0 {
		return 0, errTooBig
	}
	return n, err
}

var errTooBig = errors.New("the image has more than a gigabyte of files")

func loopback(host string) bool {
	if bare, _, err := net.SplitHostPort(host); err == nil {
		host = bare
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
