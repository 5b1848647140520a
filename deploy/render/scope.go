package render

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// OutsideError says that a release has objects outside of its site's namespace.
type OutsideError struct {
	Namespace string
	Objects   []string
}

// Error lists the objects.
func (e *OutsideError) Error() string {
	return fmt.Sprintf("these objects are not in the site's namespace %s; leave them out, or set `scope: cluster` for the site:\n  %s",
		e.Namespace, strings.Join(e.Objects, "\n  "))
}

// UnknownKindError says that the cluster does not know a kind of object.
type UnknownKindError struct {
	Objects []string
}

// Error lists the objects with their kinds.
func (e *UnknownKindError) Error() string {
	return "the cluster does not know the kinds of these objects; install what defines them, or correct apiVersion and kind:\n  " +
		strings.Join(e.Objects, "\n  ")
}

// place gives every object its namespace, and refuses those that are outside of
// the site's, all at once, unless the site's scope is the cluster. Kinds that the
// objects themselves define count as known.
func place(objects []*unstructured.Unstructured, mapper meta.RESTMapper, namespace string, clusterWide bool) error {
	defined := definedKinds(objects)
	outside, unknown := &OutsideError{Namespace: namespace}, &UnknownKindError{}
	for _, object := range objects {
		namespaced, known := defined[object.GroupVersionKind().GroupKind()]
		if !known {
			mapping, err := mapper.RESTMapping(object.GroupVersionKind().GroupKind(), object.GroupVersionKind().Version)
			if meta.IsNoMatchError(err) {
				unknown.Objects = append(unknown.Objects, RefOf(object).String()+" ("+object.GetAPIVersion()+")")
				continue
			}
			if err != nil {
				return fmt.Errorf("asking the cluster for its kinds: %w", err)
			}
			namespaced = mapping.Scope.Name() == meta.RESTScopeNameNamespace
		}
		switch {
		case !namespaced:
			object.SetNamespace("")
			outside.Objects = append(outside.Objects, RefOf(object).String()+" (cluster-scoped)")
		case object.GetNamespace() == "":
			object.SetNamespace(namespace)
		case object.GetNamespace() != namespace:
			outside.Objects = append(outside.Objects, RefOf(object).In(namespace))
		}
	}
	if len(outside.Objects) > 0 && !clusterWide {
		return outside
	}
	if len(unknown.Objects) > 0 {
		return unknown
	}
	return nil
}

// definedKinds are the kinds that the objects define, and whether their objects
// are in namespaces.
func definedKinds(objects []*unstructured.Unstructured) map[schema.GroupKind]bool {
	kinds := map[schema.GroupKind]bool{}
	for _, object := range objects {
		if object.GetKind() != "CustomResourceDefinition" || object.GroupVersionKind().Group != "apiextensions.k8s.io" {
			continue
		}
		group, _, _ := unstructured.NestedString(object.Object, "spec", "group")
		kind, _, _ := unstructured.NestedString(object.Object, "spec", "names", "kind")
		scope, _, _ := unstructured.NestedString(object.Object, "spec", "scope")
		kinds[schema.GroupKind{Group: group, Kind: kind}] = scope == "Namespaced"
	}
	return kinds
}
