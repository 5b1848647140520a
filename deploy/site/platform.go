package site

import (
	"errors"
	"runtime"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// machine is what programs that run here are for, in an image.
var machine = v1.Platform{OS: "linux", Architecture: runtime.GOARCH}

// pull finds an image, of an index the one for this machine or else the first:
// most of a root image is read and not run. Foreign is then what that is for.
func pull(digest name.Digest, options ...remote.Option) (image v1.Image, foreign string, err error) {
	found, err := remote.Get(digest, options...)
	if err != nil {
		return nil, "", err
	}
	if !found.MediaType.IsIndex() {
		image, err = found.Image()
		return image, "", err
	}
	index, err := found.ImageIndex()
	if err != nil {
		return nil, "", err
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return nil, "", err
	}
	chosen, foreign, err := choose(manifest.Manifests)
	if err != nil {
		return nil, "", err
	}
	image, err = index.Image(chosen)
	return image, foreign, err
}

// choose is pull for what an index lists. Attestations are no images that run.
func choose(listed []v1.Descriptor) (chosen v1.Hash, foreign string, err error) {
	for _, d := range listed {
		if _, attests := d.Annotations["vnd.docker.reference.type"]; attests || !d.MediaType.IsImage() {
			continue
		}
		platform := v1.Platform{OS: "linux", Architecture: "amd64"} // as everybody takes it where it is left out
		if d.Platform != nil {
			platform = *d.Platform
		}
		if platform.Satisfies(machine) {
			return d.Digest, "", nil
		}
		if foreign == "" {
			chosen, foreign = d.Digest, platform.String()
		}
	}
	if foreign == "" {
		return v1.Hash{}, "", errors.New("its index has no image")
	}
	return chosen, foreign, nil
}
