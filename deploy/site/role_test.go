package site

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/quoitbuild/quoit/manifest"
)

func parsed(t *testing.T, text string) []*unstructured.Unstructured {
	t.Helper()
	var all []*unstructured.Unstructured
	for decoder := yaml.NewDecoder(strings.NewReader(text)); ; {
		var object map[string]any
		err := decoder.Decode(&object)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		all = append(all, &unstructured.Unstructured{Object: object})
	}
}

const overlayObjects = `
{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: b, namespace: shop}}
---
{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: a}}
---
{apiVersion: batch/v1, kind: Job, metadata: {name: migrate}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: other}}
---
{apiVersion: v1, kind: Service, metadata: {name: a, namespace: other}}
---
{apiVersion: example.com/v1, kind: Moose, metadata: {name: a}}
---
{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: meese.example.com}, spec: {group: example.com, names: {kind: Moose, plural: meese}}}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: reader}, rules: [{apiGroups: [""], resources: [endpoints], verbs: [list]}]}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: viewer}, roleRef: {kind: ClusterRole, name: view}}
`

func texts(rules []Rule) []string {
	var all []string
	for _, r := range rules {
		all = append(all, fmt.Sprint(r.Groups, r.Resources, r.Names, r.Verbs))
	}
	return all
}

func TestRulesAreTheLeast(t *testing.T) {
	s := someTask().Site
	s.Scope = manifest.ScopeCluster
	rules := RulesFor(s, parsed(t, overlayObjects))
	const change = " [] [get create patch delete]"
	want := []string{
		"[] [configmaps] [quoit-eu-inventory] [get create patch delete]", "[] [configmaps secrets] [quoit-site] [get]",
		"[] [configmaps]" + change, "[networking.k8s.io] [ingresses]" + change, "[batch] [jobs]" + change, "[example.com] [meese]" + change,
		"[rbac.authorization.k8s.io] [roles]" + change, "[rbac.authorization.k8s.io] [rolebindings]" + change,
		"[] [pods] [] [get list]", "[] [pods/log] [] [get]",
		"[] [endpoints] [] [list]", "[rbac.authorization.k8s.io] [clusterroles] [view] [bind]",
	}
	if diff := cmp.Diff(want, texts(rules.Account)); diff != "" {
		t.Errorf("in the namespace (-want +got):\n%s", diff)
	}
	want = []string{"[] [namespaces]" + change, "[] [services]" + change, "[apiextensions.k8s.io] [customresourcedefinitions]" + change}
	if diff := cmp.Diff(want, texts(rules.Cluster)); diff != "" {
		t.Errorf("in the cluster (-want +got):\n%s", diff)
	}
	s.Scope = manifest.ScopeNamespace
	if rules := RulesFor(s, parsed(t, overlayObjects)); len(rules.Cluster) > 0 {
		t.Errorf("a site in a namespace gets %v", rules.Cluster)
	}
}

func TestBootstrapIsYAML(t *testing.T) {
	s := someTask().Site
	s.Scope = manifest.ScopeCluster
	rules := RulesFor(s, parsed(t, overlayObjects))
	list := func(w Watcher) string {
		var kinds []string
		for _, object := range parsed(t, Bootstrap(s, rules, w)) {
			kinds = append(kinds, object.GetKind()+"/"+object.GetName())
			if object.GetNamespace() != "shop" && object.GetKind() != "Namespace" && !strings.HasPrefix(object.GetKind(), "Cluster") {
				t.Errorf("%s is in namespace %q", object.GetName(), object.GetNamespace())
			}
		}
		return strings.Join(kinds, " ")
	}
	const plain = "Namespace/shop ServiceAccount/quoit-eu Role/quoit-eu RoleBinding/quoit-eu ClusterRole/shop-quoit-eu ClusterRoleBinding/shop-quoit-eu Role/quoit-eu-deployer"
	if got := list(Watcher{}); got != plain {
		t.Errorf("it has %s", got)
	}
	if got := list(Watcher{"ghcr.io/quoitbuild/quoit-cli:1", "registry.example.com/acme/shop/deploy"}); got != plain+
		" ServiceAccount/quoit-eu-watcher RoleBinding/quoit-eu-watcher RoleBinding/quoit-eu-watcher-drift ClusterRoleBinding/shop-quoit-eu-watcher Deployment/quoit-eu-watcher" {
		t.Errorf("with a watcher it has %s", got)
	}
}
