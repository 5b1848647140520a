package apply

import (
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/quoitbuild/quoit/deploy/render"
)

func TestObjectsAreAppliedInTheOrderInWhichTheyNeedEachOther(t *testing.T) {
	var documents []string
	for _, kind := range []string{"Cart", "Deployment", "Service", "Secret", "Namespace", "CustomResourceDefinition", "Role"} {
		documents = append(documents, "{apiVersion: v1, kind: "+kind+", metadata: {name: b}}", "{apiVersion: v1, kind: "+kind+", metadata: {name: a}}")
	}
	want := "CustomResourceDefinition/a CustomResourceDefinition/b Namespace/a Namespace/b Role/a Role/b Secret/a Secret/b " +
		"Service/a Service/b Deployment/a Deployment/b Cart/a Cart/b"
	objects := inApplyOrder(parse(t, strings.Join(documents, "\n---\n")))
	if got := names(objects); got != want {
		t.Errorf("got %s", got)
	}
	order := strings.Fields(want)
	slices.Reverse(order)
	if got := names(empties(inDeleteOrder(render.Refs(objects)))); got != strings.Join(order, " ") {
		t.Errorf("deleted: %s", got)
	}
}

func empties(refs []render.Ref) (objects []*unstructured.Unstructured) {
	for _, r := range refs {
		objects = append(objects, r.Empty())
	}
	return objects
}
