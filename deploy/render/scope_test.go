package render

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func mapper() meta.RESTMapper {
	m := meta.NewDefaultRESTMapper(nil)
	for _, kind := range []schema.GroupVersionKind{{Version: "v1", Kind: "ConfigMap"}, {Version: "v1", Kind: "ServiceAccount"}, {Group: "batch", Version: "v1", Kind: "Job"}} {
		m.Add(kind, meta.RESTScopeNamespace)
	}
	m.Add(schema.GroupVersionKind{Version: "v1", Kind: "Namespace"}, meta.RESTScopeRoot)
	m.Add(schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"}, meta.RESTScopeRoot)
	return m
}

const mixed = `{apiVersion: v1, kind: ConfigMap, metadata: {name: own}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: same, namespace: shop}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: other, namespace: kube-system}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: new, namespace: odd}}
---
{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: carts.shop}, spec: {group: shop, scope: Namespaced, names: {kind: Cart}}}
---
{apiVersion: shop/v1, kind: Cart, metadata: {name: cart}}`

func TestObjectsOutsideOfTheNamespaceAreRefusedAtOnce(t *testing.T) {
	err := place(parse(t, mixed), mapper(), "shop", false)
	var outside *OutsideError
	if !errors.As(err, &outside) {
		t.Fatal(err)
	}
	want := []string{"ConfigMap/kube-system/other", "Namespace/new (cluster-scoped)", "CustomResourceDefinition/carts.shop (cluster-scoped)"}
	if diff := cmp.Diff(want, outside.Objects); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	mustFail(t, err, "scope: cluster", "namespace shop")
}

func TestScopeClusterAllowsThem(t *testing.T) {
	objects := parse(t, mixed)
	if err := place(objects, mapper(), "shop", true); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, object := range objects {
		got = append(got, object.GetName()+"@"+object.GetNamespace())
	}
	if diff := cmp.Diff("own@shop same@shop other@kube-system new@ carts.shop@ cart@shop", strings.Join(got, " ")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestKindsThatTheClusterDoesNotKnowAreNamed(t *testing.T) {
	err := place(parse(t, `{apiVersion: shop/v1, kind: Cart, metadata: {name: cart}}`), mapper(), "shop", true)
	mustFail(t, err, "Cart/cart (shop/v1)")
}
