package apply

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"sort"
	"strings"

	"github.com/fluxcd/pkg/ssa"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Labels and annotations of objects.
const (
	prefix = "quoit.build/"

	labelProject = prefix + "project"
	labelSite    = prefix + "site"

	annotationHook       = prefix + "hook"        // points, with commas
	annotationHookWeight = prefix + "hook-weight" // an integer: lower ones run first
	annotationPrune      = prefix + "prune"       // enabled or disabled
	annotationForce      = prefix + "force"       // enabled: recreate it if a field cannot be changed
	annotationSubstitute = prefix + "substitute"  // disabled: leave ${NAME} as it is
	annotationValues     = prefix + "values"      // of the inventory: digest of the values that were used
	annotationNames      = prefix + "value-names" // of the inventory: their names
	annotationVersion    = prefix + "version"     // of the inventory: of the release

	enabled  = "enabled"
	disabled = "disabled"
)

// ref names an object, whatever version it is written in.
type ref struct {
	Group     string `json:"group,omitempty"`
	Version   string `json:"version"`
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"` // "" for a cluster-scoped one
	Name      string `json:"name"`
}

func refOf(object *unstructured.Unstructured) ref {
	gvk := object.GroupVersionKind()
	return ref{gvk.Group, gvk.Version, gvk.Kind, object.GetNamespace(), object.GetName()}
}

func (r ref) gvk() schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: r.Group, Version: r.Version, Kind: r.Kind}
}

// key is the ref without its version: objects with equal keys are one object.
func (r ref) key() ref {
	r.Version = ""
	return r
}

// empty is an object that can be asked for.
func (r ref) empty() *unstructured.Unstructured {
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(r.gvk())
	object.SetNamespace(r.Namespace)
	object.SetName(r.Name)
	return object
}

// in is the object for people in the namespace of a site: Deployment/api, and
// with its own namespace elsewhere.
func (r ref) in(namespace string) string {
	if r.Namespace == "" || r.Namespace == namespace {
		return r.Kind + "/" + r.Name
	}
	return r.Kind + "/" + r.Namespace + "/" + r.Name
}

// String names the object by kind and name.
func (r ref) String() string { return r.in(r.Namespace) }

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

// inApplyOrder sorts objects by the order in which kinds need each other.
func inApplyOrder(objects []*unstructured.Unstructured) []*unstructured.Unstructured {
	inOrder := slices.Clone(objects)
	sort.Sort(ssa.SortableUnstructureds(inOrder))
	return inOrder
}
