package apply

import (
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Verbs are what runs do with an object of an overlay, from the first one that
// has it to the one that deletes it: the rights that they need for its kind.
func Verbs(object *unstructured.Unstructured) []string {
	_, isHook := object.GetAnnotations()[annotationHook]
	runs := isHook && isJob(object) // deleted and created each time
	verbs := []string{"get", "create"}
	if !runs {
		verbs = append(verbs, "patch")
	}
	if runs || prunes(object) || object.GetAnnotations()[annotationForce] == enabled {
		verbs = append(verbs, "delete")
	}
	return verbs
}

// UsesValues reports whether objects name a value of the site.
func UsesValues(objects []*unstructured.Unstructured) (bool, error) {
	names, err := usedNames(objects)
	own := slices.Collect(maps.Keys(Request{}.values()))
	return slices.ContainsFunc(names, func(name string) bool { return !slices.Contains(own, name) }), err
}
