package render

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/distribution/reference"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/quoitbuild/quoit/internal/diag"
)

// ImageError says that an object names an image of the project that the release
// does not have.
type ImageError struct {
	Object    string
	Container string
	Image     string // as the object names it
	Near      string // the name that was probably meant, "" if none is near
	Reason    string // "" if the release has no such image
}

// Error names object, container and image.
func (e *ImageError) Error() string {
	text := fmt.Sprintf("%s, %s: ", e.Object, e.Container)
	if e.Reason != "" {
		return text + fmt.Sprintf("image %q %s", e.Image, e.Reason)
	}
	text += fmt.Sprintf("image %q is not in the release", e.Image)
	if e.Near != "" {
		text += fmt.Sprintf("; did you mean %q?", e.Near)
	}
	return text
}

// pin gives every image of the project and every external of the release its
// digest, in whatever has pods. All mistakes are reported at once.
func (r *release) pin(objects []*unstructured.Unstructured) error {
	var errs []error
	for _, object := range objects {
		for _, spec := range podSpecs(object.Object) {
			for _, use := range imagesOf(spec) {
				pinned, err := r.resolve(use.image)
				if err != nil {
					err.Object, err.Container = RefOf(object).String(), use.container
					errs = append(errs, err)
					continue
				}
				use.set(pinned)
			}
		}
	}
	return errors.Join(errs...)
}

// imageUse is a place where a pod names an image.
type imageUse struct {
	container string // "container web", "volume data"
	image     string
	set       func(string)
}

// imagesOf are the images of containers, of whatever kind, and of volumes.
func imagesOf(spec map[string]any) []imageUse {
	var uses []imageUse
	add := func(what string, named, holder map[string]any, field string) {
		if image, ok := holder[field].(string); ok && image != "" {
			name, _ := named["name"].(string)
			uses = append(uses, imageUse{strings.TrimSpace(what + " " + name), image, func(pinned string) { holder[field] = pinned }})
		}
	}
	for _, list := range []string{"initContainers", "containers", "ephemeralContainers"} {
		for _, container := range mapsIn(spec[list]) {
			add("container", container, container, "image")
		}
	}
	for _, volume := range mapsIn(spec["volumes"]) {
		if source, ok := volume["image"].(map[string]any); ok {
			add("volume", volume, source, "reference")
		}
	}
	return uses
}

// resolve returns what an object's reference stands for; a reference to
// somebody else's image is returned as it is. An image of the project is
// written by its bare name, by project and name, or with any registry before
// that: the site's registry may be another one than the manifest's.
func (r *release) resolve(image string) (string, *ImageError) {
	repository, _, _ := strings.Cut(image, "@")
	if slash, colon := strings.LastIndex(repository, "/"), strings.LastIndex(repository, ":"); colon > slash {
		repository = repository[:colon]
	}
	if named, err := reference.ParseNormalizedNamed(image); err == nil {
		if pinned, ok := r.externals[reference.TagNameOnly(named).String()]; ok {
			return pinned, nil
		}
	}
	registry, name, ours := r.split(repository)
	if !ours {
		return image, nil
	}
	names := r.names()
	if !slices.Contains(names, name) {
		return "", &ImageError{Image: image, Near: diag.Nearest(name, names)}
	}
	if pinned, ok := r.images[name]; ok {
		return pinned, nil
	}
	if registry == "" {
		registry = r.registry
	}
	if registry == "" {
		return "", &ImageError{Image: image, Reason: "has no registry: write <registry>/" + r.project + "/" + name + ", or set --registry"}
	}
	return registry + "/" + r.project + "/" + name + ":" + r.versions[name].String(), nil
}

// split takes a repository apart. A bare name is only the project's if the
// release has it: else it is an image of Docker Hub.
func (r *release) split(repository string) (registry, name string, ours bool) {
	if !strings.Contains(repository, "/") {
		return "", repository, slices.Contains(r.names(), repository)
	}
	before, after, found := strings.Cut("/"+repository, "/"+r.project+"/")
	if !found || after == "" || strings.Contains(after, "/") {
		return "", "", false
	}
	registry = strings.TrimPrefix(before, "/")
	if host, _, _ := strings.Cut(registry, "/"); registry != "" && !strings.ContainsAny(host, ".:") && host != "localhost" {
		return "", "", false // another project of Docker Hub
	}
	return registry, after, true
}
