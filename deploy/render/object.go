package render

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Labels and annotations of objects.
const (
	// Prefix begins all of Quoit's own.
	Prefix = "quoit.build/"

	LabelProject = Prefix + "project" // see [Labels]
	LabelSite    = Prefix + "site"

	AnnotationHook  = Prefix + "hook"  // points, with commas
	AnnotationPrune = Prefix + "prune" // enabled or disabled
	AnnotationForce = Prefix + "force" // enabled: recreate it if a field cannot be changed

	annotationWeight     = Prefix + "hook-weight" // an integer: lower ones run first
	annotationSubstitute = Prefix + "substitute"  // disabled: leave ${NAME} as it is

	Enabled  = "enabled"  // a value of annotations
	Disabled = "disabled" // likewise
)

// Labels are what all objects of a site carry.
func Labels(project, site string) map[string]string {
	return map[string]string{LabelProject: labelValue(project), LabelSite: labelValue(site)}
}

// labelValue is a project or site as the value of a label. A project has
// slashes and may be longer than a label.
func labelValue(name string) string {
	const longest = 63
	value := strings.ReplaceAll(name, "/", ".")
	if len(value) <= longest {
		return value
	}
	sum := sha256.Sum256([]byte(name))
	return value[:longest-9] + "-" + hex.EncodeToString(sum[:4])
}

// Ref names an object, whatever version it is written in.
type Ref struct {
	Group     string `json:"group,omitempty"`
	Version   string `json:"version"`
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"` // "" for a cluster-scoped one
	Name      string `json:"name"`
}

// RefOf is the name of an object.
func RefOf(object *unstructured.Unstructured) Ref {
	gvk := object.GroupVersionKind()
	return Ref{gvk.Group, gvk.Version, gvk.Kind, object.GetNamespace(), object.GetName()}
}

// Refs are the names of objects, in their order.
func Refs(objects []*unstructured.Unstructured) []Ref {
	refs := make([]Ref, len(objects))
	for i, object := range objects {
		refs[i] = RefOf(object)
	}
	return refs
}

// Key is the name without its version: objects with equal keys are one object.
func (r Ref) Key() Ref {
	r.Version = ""
	return r
}

// Empty is an object of that name without anything else, to ask for it.
func (r Ref) Empty() *unstructured.Unstructured {
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(schema.GroupVersionKind{Group: r.Group, Version: r.Version, Kind: r.Kind})
	object.SetNamespace(r.Namespace)
	object.SetName(r.Name)
	return object
}

// In is the object for people in the namespace of a site: Deployment/api, and
// with its own namespace elsewhere.
func (r Ref) In(namespace string) string {
	if r.Namespace == "" || r.Namespace == namespace {
		return r.Kind + "/" + r.Name
	}
	return r.Kind + "/" + r.Namespace + "/" + r.Name
}

// String names the object by kind and name.
func (r Ref) String() string { return r.In(r.Namespace) }

// IsJob reports whether an object is a Job, which as a hook is run.
func IsJob(object *unstructured.Unstructured) bool {
	return object.GroupVersionKind().GroupKind().String() == "Job.batch"
}

// Containers are those of the pods that an object describes, init containers too.
// Changing them changes the object.
func Containers(object *unstructured.Unstructured) []map[string]any {
	var all []map[string]any
	for _, pod := range podSpecs(object.Object) {
		all = slices.Concat(all, mapsIn(pod["initContainers"]), mapsIn(pod["containers"]))
	}
	return all
}

// podSpecs are the pod specifications in an object: of a pod, of a CronJob, and
// of everything that has a pod template where Deployment and Job have it.
func podSpecs(object map[string]any) []map[string]any {
	var specs []map[string]any
	for _, path := range [][]string{{"spec"}, {"spec", "template", "spec"}, {"spec", "jobTemplate", "spec", "template", "spec"}, {"template", "spec"}} {
		spec, _, err := unstructured.NestedFieldNoCopy(object, path...)
		if spec, ok := spec.(map[string]any); ok && err == nil {
			specs = append(specs, spec)
		}
	}
	items, _, _ := unstructured.NestedFieldNoCopy(object, "items")
	for _, item := range mapsIn(items) {
		specs = append(specs, podSpecs(item)...)
	}
	return specs
}

func mapsIn(value any) []map[string]any {
	list, _ := value.([]any)
	var found []map[string]any
	for _, item := range list {
		if item, ok := item.(map[string]any); ok {
			found = append(found, item)
		}
	}
	return found
}
