package render

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/api/types"

	"github.com/quoitbuild/quoit/internal/diag"
)

// Bounds of what a build gives.
const (
	maxObjects = 5000
	maxObject  = 3 << 19 // bytes of one object's JSON: what etcd takes by default
)

// kustomizing is held while kustomize runs: it has global state.
var kustomizing sync.Mutex

// MissingOverlayError says that a root image does not know an environment.
type MissingOverlayError struct {
	Environment string
	Overlays    []string // that it knows, sorted
}

// Error names the overlays that are there.
func (e *MissingOverlayError) Error() string {
	text := fmt.Sprintf("the release has no overlay /overlays/%s", e.Environment)
	if near := diag.Nearest(e.Environment, e.Overlays); near != "" {
		text += fmt.Sprintf("; did you mean %q?", near)
	}
	if len(e.Overlays) == 0 {
		return text + ": it has no overlay with a kustomization.yaml at all"
	}
	return text + "; it has: " + strings.Join(e.Overlays, ", ")
}

// environmentName is what an environment may be called: one folder.
var environmentName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

// Build runs Kustomize on the overlay of an environment, and returns its objects,
// hooks included, as they are before values and images are filled in. There are
// no plugins and no charts, and nothing is fetched: whatever is not in the source
// is an error.
func (s *Source) Build(environment string) ([]*unstructured.Unstructured, error) {
	overlay := path.Join("/overlays", environment)
	if !environmentName.MatchString(environment) || kustomization(s.fs, overlay) == "" {
		return nil, &MissingOverlayError{environment, s.overlays()}
	}
	if err := survey(s.fs, overlay); err != nil {
		return nil, err
	}
	built, err := kustomize(s, overlay)
	if err != nil {
		return nil, fmt.Errorf("building %s: %w", overlay, err)
	}
	return objectsOf(built)
}

func kustomize(s *Source, overlay string) (resmap.ResMap, error) {
	kustomizing.Lock()
	defer kustomizing.Unlock()
	options := krusty.MakeDefaultOptions()
	// Bases lie beside overlays; the file system in memory is the restriction.
	options.LoadRestrictions = types.LoadRestrictionsNone
	options.PluginConfig = types.DisabledPluginConfig()
	return krusty.MakeKustomizer(options).Run(s.fs, overlay)
}

func objectsOf(built resmap.ResMap) ([]*unstructured.Unstructured, error) {
	if built.Size() > maxObjects {
		return nil, fmt.Errorf("the overlay has %d objects; the limit is %d", built.Size(), maxObjects)
	}
	var objects []*unstructured.Unstructured
	for _, resource := range built.Resources() {
		data, err := resource.MarshalJSON()
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", resource.CurId(), err)
		}
		if len(data) > maxObject {
			return nil, fmt.Errorf("%s has %d bytes; the limit is %d", resource.CurId(), len(data), maxObject)
		}
		object := &unstructured.Unstructured{}
		if err := object.UnmarshalJSON(data); err != nil {
			return nil, fmt.Errorf("reading %s: %w", resource.CurId(), err)
		}
		if object.GetName() == "" {
			return nil, errors.New("an object of kind " + object.GetKind() + " has no name")
		}
		objects = append(objects, object)
	}
	return objects, nil
}
