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
{apiVersion: example.com/v1, kind: Herd, metadata: {name: a}}
---
{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: herds.example.com}, spec: {group: example.com, scope: Cluster, names: {kind: Herd, plural: herds}}}
---
{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: a}}
---
{apiVersion: cert-manager.io/v1, kind: ClusterIssuer, metadata: {name: a, namespace: shop}}
---
{apiVersion: cert-manager.io/v1, kind: Certificate, metadata: {name: a, namespace: other}}
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
	rules := rulesFor(t, s, overlayObjects)
	const keep, change = " [] [get create patch]", " [] [get create patch delete]"
	want := []string{
		"[] [configmaps]" + change, "[networking.k8s.io] [ingresses]" + change, "[batch] [jobs]" + change, "[example.com] [meese]" + change,
		"[gateway.networking.k8s.io] [gateways]" + change, "[cert-manager.io] [clusterissuers]" + change,
		"[rbac.authorization.k8s.io] [roles]" + change, "[rbac.authorization.k8s.io] [rolebindings]" + change,
		"[] [pods] [] [list]", "[] [pods/log] [] [get]",
		"[] [endpoints] [] [list]", "[rbac.authorization.k8s.io] [clusterroles] [view] [bind]",
	}
	if diff := cmp.Diff(want, texts(rules.Account)); diff != "" {
		t.Errorf("in the namespace (-want +got):\n%s", diff)
	}
	want = []string{"[] [namespaces]" + keep, "[] [services]" + change, "[apiextensions.k8s.io] [customresourcedefinitions]" + keep,
		"[example.com] [herds]" + change, "[gateway.networking.k8s.io] [gateways]" + change, "[cert-manager.io] [clusterissuers]" + change, "[cert-manager.io] [certificates]" + change}
	if diff := cmp.Diff(want, texts(rules.Cluster)); diff != "" {
		t.Errorf("in the cluster (-want +got):\n%s", diff)
	}
	var guessed []string
	for _, r := range rules.Cluster {
		if strings.Contains(r.Why, "kubectl api-resources") {
			guessed = append(guessed, r.Resources...)
		}
	}
	if diff := cmp.Diff([]string{"gateways", "clusterissuers", "certificates"}, guessed); diff != "" {
		t.Errorf("what is said to be guessed (-want +got):\n%s", diff)
	}
	s.Scope = manifest.ScopeNamespace
	if rules := rulesFor(t, s, overlayObjects); len(rules.Cluster) > 0 {
		t.Errorf("a site in a namespace gets %v", rules.Cluster)
	}
}

// TestRulesOfOneObject: what it needs beside the inventory.
func TestRulesOfOneObject(t *testing.T) {
	object := func(kind, annotations, more string) string {
		return "{apiVersion: " + kind + ", metadata: {name: a, annotations: {" + annotations + "}}" + more + "}"
	}
	const (
		values  = "[] [configmaps] [quoit-site] [get]; [] [secrets] [quoit-site] [get]; "
		see     = "; [] [pods] [] [list]; [] [pods/log] [] [get]"
		claim   = "v1, kind: PersistentVolumeClaim"
		service = "v1, kind: Service"
		role    = "rbac.authorization.k8s.io/v1, kind: ClusterRole"
	)
	for _, test := range []struct{ name, object, account, cluster string }{
		{"one that is pruned", object(service, "", ""), "[] [services] [] [get create patch delete]", ""},
		{"one with a value", object(service, "a: '${HOST}'", ""), values + "[] [services] [] [get create patch delete]", ""},
		{"one with a value that every site has", object(service, "a: '${QUOIT_SITE}'", ""), "[] [services] [] [get create patch delete]", ""},
		{"one that is kept", object(service, "quoit.build/prune: disabled", ""), "[] [services] [] [get create patch]", ""},
		{"a claim", object(claim, "", ""), "[] [persistentvolumeclaims] [] [get create patch]", ""},
		{"a claim that is pruned", object(claim, "quoit.build/prune: enabled", ""), "[] [persistentvolumeclaims] [] [get create patch delete]", ""},
		{"a claim that is made anew", object(claim, "quoit.build/force: enabled", ""), "[] [persistentvolumeclaims] [] [get create patch delete]", ""},
		{"a Job", object("batch/v1, kind: Job", "", ""), "[batch] [jobs] [] [get create patch delete]" + see, ""},
		{"a hook", object("batch/v1, kind: Job", "quoit.build/hook: pre-install", ""), "[batch] [jobs] [] [get create delete]" + see, ""},
		{"what a hook needs", object(service, "quoit.build/hook: pre-install", ""), "[] [services] [] [get create patch delete]", ""},
		{"one of a kind that somebody else defines, which may run pods", object("acme.com/v1, kind: Job", "", ""), "[acme.com] [jobs] [] [get create patch delete]" + see, "[acme.com] [jobs] [] [get create patch delete]"},
		{"one of a newer version than kustomize knows", object("autoscaling/v2, kind: HorizontalPodAutoscaler", "", ""), "[autoscaling] [horizontalpodautoscalers] [] [get create patch delete]", ""},
		{"a pod", object("v1, kind: Pod", "", ""), "[] [pods] [] [get create patch delete list]; [] [pods/log] [] [get]", ""},
		{"a right in the whole cluster", object(role, "", ", rules: [{apiGroups: [''], resources: [nodes], verbs: [get]}]"), "",
			"[rbac.authorization.k8s.io] [clusterroles] [] [get create patch delete]; [] [nodes] [] [get]"},
		{"a right to ask for an address", object(role, "", ", rules: [{nonResourceURLs: [/metrics], verbs: [get]}]"), "",
			"[rbac.authorization.k8s.io] [clusterroles] [] [get create patch delete]; [rbac.authorization.k8s.io] [clusterroles] [a] [escalate]"},
		{"a role that others made, bound", object("rbac.authorization.k8s.io/v1, kind: RoleBinding", "", ", roleRef: {kind: Role, name: b}"),
			"[rbac.authorization.k8s.io] [rolebindings] [] [get create patch delete]; [rbac.authorization.k8s.io] [roles] [b] [bind]", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := someTask().Site
			s.Scope = manifest.ScopeCluster
			rules := rulesFor(t, s, test.object)
			account := "[] [configmaps] [quoit-eu-inventory] [get create patch delete]"
			if test.account != "" {
				account += "; " + test.account
			}
			if diff := cmp.Diff([]string{account, test.cluster}, []string{strings.Join(texts(rules.Account), "; "), strings.Join(texts(rules.Cluster), "; ")}); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			last := texts(rules.Deployer)[len(rules.Deployer)-1]
			if got, want := strings.Contains(last, "quoit-site"), strings.Contains(test.account, "quoit-site"); got != want {
				t.Errorf("the last rule of the deployer is %s", last)
			}
		})
	}
}

func rulesFor(t *testing.T, s Site, objects string) Rules {
	t.Helper()
	rules, err := RulesFor(s, parsed(t, objects))
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

func TestBootstrapIsYAML(t *testing.T) {
	s := someTask().Site
	s.Scope = manifest.ScopeCluster
	rules := rulesFor(t, s, overlayObjects)
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
	if got := list(Watcher{Image: "ghcr.io/quoitbuild/quoit-cli:1", Root: "registry.example.com/acme/shop/deploy"}); got != plain+
		" ServiceAccount/quoit-eu-watcher RoleBinding/quoit-eu-watcher RoleBinding/quoit-eu-watcher-drift ClusterRoleBinding/shop-quoit-eu-watcher Deployment/quoit-eu-watcher" {
		t.Errorf("with a watcher it has %s", got)
	}
}
