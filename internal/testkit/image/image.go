// Package image makes images of files without a builder: the base images of a
// stack, and small ones with one program. What is equal going in has equal digests.
//
//	layer, err := image.Layer(file, func(t *image.Tree) error { return t.File("bin/pause", "/pause", 0o755) })
//	img, err := image.New(image.Config(v1.Config{Entrypoint: []string{"/pause"}}), layer)
package image

import (
	"compress/gzip"
	"runtime"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// DefaultPath is the PATH of images, as Debian has it.
const DefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// CABundle is where the machine and the images keep the certificates they trust.
const CABundle = "/etc/ssl/certs/ca-certificates.crt"

// New is an image of a configuration and layers, lowest first.
func New(config *v1.ConfigFile, layers ...v1.Layer) (v1.Image, error) {
	base := mutate.MediaType(empty.Image, types.OCIManifestSchema1)
	base = mutate.ConfigMediaType(base, types.OCIConfigJSON)
	image, err := mutate.ConfigFile(base, config)
	if err != nil {
		return nil, err
	}
	return mutate.AppendLayers(image, layers...)
}

// Config is an image configuration for this machine's platform.
func Config(config v1.Config) *v1.ConfigFile {
	file := &v1.ConfigFile{
		OS:           "linux",
		Architecture: runtime.GOARCH,
		Config:       config,
		RootFS:       v1.RootFS{Type: "layers"},
	}
	if strings.HasPrefix(runtime.GOARCH, "arm64") {
		file.Variant = "v8"
	}
	return file
}

// FileLayer is a layer of a tar file, which must stay as long as the layer is used.
func FileLayer(file string) (v1.Layer, error) {
	return tarball.LayerFromFile(file, tarball.WithCompressionLevel(gzip.BestSpeed), tarball.WithMediaType(types.OCILayer))
}
