package apply

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/quoitbuild/quoit/deploy/render"
)

// Verbs are what runs do with an object of an overlay, from the first one that
// has it to the one that deletes it: the rights that they need for its kind.
func Verbs(object *unstructured.Unstructured) []string {
	_, isHook := object.GetAnnotations()[render.AnnotationHook]
	runs := isHook && render.IsJob(object) // deleted and created each time
	verbs := []string{"get", "create"}
	if !runs {
		verbs = append(verbs, "patch")
	}
	if runs || prunes(object) || object.GetAnnotations()[render.AnnotationForce] == render.Enabled {
		verbs = append(verbs, "delete")
	}
	return verbs
}
