package site

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/kustomize/kyaml/openapi"
	"sigs.k8s.io/kustomize/kyaml/yaml"

	"github.com/quoitbuild/quoit/deploy/apply"
	"github.com/quoitbuild/quoit/deploy/render"
	"github.com/quoitbuild/quoit/manifest"
)

// Rule is one rule of a Role, with a word about what it is for.
type Rule struct {
	Why       string
	Groups    []string
	Resources []string
	Names     []string // none: all of that resource
	Verbs     []string
}

// Rules are the rights that a site needs.
type Rules struct {
	Account  []Rule // of the account that root images run as, in the namespace
	Cluster  []Rule // of the same in the whole cluster; none unless the scope is cluster
	Deployer []Rule // of whoever deploys, in the namespace
}

const (
	rbacGroup = "rbac.authorization.k8s.io"
	crdKind   = "CustomResourceDefinition"
)

// RulesFor are the least rights for objects that a release's overlay builds.
// Without any one of them something fails and names it, or, where the rule's
// word begins with "to see", is done and not seen.
func RulesFor(s Site, objects []*unstructured.Unstructured) (Rules, error) {
	used, err := render.ValueNames(objects)
	if err != nil {
		return Rules{}, err
	}
	values := len(used) > 0
	account, cluster := newRoleOf(), newRoleOf()
	account.add(Rule{"the inventory: what was applied", []string{""}, []string{"configmaps"}, []string{s.Object() + "-inventory"}, []string{"get", "create", "patch", "delete"}})
	if values {
		account.add(Rule{"the site's values", []string{""}, []string{"configmaps"}, []string{render.ValuesObject}, []string{"get"}})
		account.add(Rule{"the site's secret values", []string{""}, []string{"secrets"}, []string{render.ValuesObject}, []string{"get"}})
	}
	for _, object := range objects {
		k := kindOf(object, objects)
		inNamespace, inCluster := s.places(object, k)
		if inNamespace {
			account.object(object, k)
		}
		if inCluster {
			cluster.object(object, k)
		}
	}
	for _, object := range objects {
		more := account
		if inNamespace, _ := s.places(object, kindOf(object, objects)); !inNamespace {
			more = cluster
		}
		if runsPods(object) {
			more.add(Rule{"to see why what was applied does not become ready", []string{""}, []string{"pods"}, nil, []string{"list"}})
			more.add(Rule{"to see the output of hooks", []string{""}, []string{"pods/log"}, nil, []string{"get"}})
		}
		more.grants(object, objects)
	}
	return Rules{Account: least(account.rules), Cluster: least(cluster.rules), Deployer: deployerRules(s, values)}, nil
}

func deployerRules(s Site, values bool) []Rule {
	rules := []Rule{
		{"the site's record", []string{""}, []string{"configmaps"}, []string{s.Object()}, []string{"get", "update", "delete"}},
		{"to create it, and the file that lists a release's images", []string{""}, []string{"configmaps"}, nil, []string{"create"}},
		{"the lease of whoever deploys", []string{"coordination.k8s.io"}, []string{"leases"}, []string{s.Object()}, []string{"get", "update"}},
		{"to create it", []string{"coordination.k8s.io"}, []string{"leases"}, nil, []string{"create"}},
		{"one Job per step", []string{"batch"}, []string{"jobs"}, nil, []string{"get", "list", "create", "delete"}},
		{"how the Job stands", []string{""}, []string{"pods"}, nil, []string{"list", "watch"}},
		{"to see what it prints", []string{""}, []string{"pods/log"}, nil, []string{"get"}},
		{"to see what happened, and why it does not start", []string{""}, []string{"events"}, nil, []string{"create", "list"}},
		{"to tell whether a value has changed", []string{""}, []string{"configmaps"}, []string{s.Object() + "-inventory"}, []string{"get"}},
	}
	if values {
		rules = append(rules, Rule{"likewise", []string{""}, []string{"configmaps", "secrets"}, []string{render.ValuesObject}, []string{"get"}})
	}
	return rules
}

// least leaves out what other rules allow too.
func least(rules []Rule) []Rule {
	var kept []Rule
	for i, r := range rules {
		if !slices.ContainsFunc(rules[:i], r.within) && !slices.ContainsFunc(rules[i+1:], func(other Rule) bool { return r.within(other) && !other.within(r) }) {
			kept = append(kept, r)
		}
	}
	return kept
}

// within reports whether another rule allows all that r does.
func (r Rule) within(other Rule) bool {
	in := func(these, those []string) bool {
		return !slices.ContainsFunc(these, func(one string) bool { return !slices.Contains(those, one) })
	}
	named := len(other.Names) == 0 || len(r.Names) > 0 && in(r.Names, other.Names)
	return named && in(r.Groups, other.Groups) && in(r.Resources, other.Resources) && in(r.Verbs, other.Verbs)
}

// roleOf collects rules, one for each resource.
type roleOf struct {
	rules []Rule
	known map[string]int // where they are
}

func newRoleOf() *roleOf { return &roleOf{known: map[string]int{}} }

func (r *roleOf) add(rule Rule) {
	key := strings.Join(slices.Concat(rule.Groups, []string{"|"}, rule.Resources, []string{"|"}, rule.Names), ",")
	at, known := r.known[key]
	if !known {
		r.known[key] = len(r.rules)
		r.rules = append(r.rules, rule)
		return
	}
	for _, verb := range rule.Verbs {
		if !slices.Contains(r.rules[at].Verbs, verb) {
			r.rules[at].Verbs = append(r.rules[at].Verbs, verb)
		}
	}
}

// object adds what applying, waiting for and pruning an object needs.
func (r *roleOf) object(object *unstructured.Unstructured, k kind) {
	why := object.GetKind() + " in the release"
	if k.scope == guessed {
		why += "; a guess: kubectl api-resources tells its name, and whether it is namespaced"
	}
	r.add(Rule{why, []string{object.GroupVersionKind().Group}, []string{k.plural}, nil, apply.Verbs(object)})
}

// grants adds what Kubernetes wants to be held by whoever gives it to others.
func (r *roleOf) grants(object *unstructured.Unstructured, all []*unstructured.Unstructured) {
	if object.GroupVersionKind().Group != rbacGroup {
		return
	}
	switch object.GetKind() {
	case "Role", "ClusterRole":
		given, _, _ := unstructured.NestedSlice(object.Object, "rules")
		for _, one := range given {
			fields, ok := one.(map[string]any)
			if !ok {
				continue
			}
			if _, urls := fields["nonResourceURLs"]; urls {
				r.add(Rule{"granted to others by " + object.GetKind() + " " + object.GetName(), []string{rbacGroup}, []string{"clusterroles"}, []string{object.GetName()}, []string{"escalate"}})
				continue
			}
			list := func(key string) []string { l, _, _ := unstructured.NestedStringSlice(fields, key); return l }
			r.rules = append(r.rules, Rule{"granted to others by " + object.GetKind() + " " + object.GetName(), list("apiGroups"), list("resources"), list("resourceNames"), list("verbs")})
		}
	case "RoleBinding", "ClusterRoleBinding":
		name, _, _ := unstructured.NestedString(object.Object, "roleRef", "name")
		kind, _, _ := unstructured.NestedString(object.Object, "roleRef", "kind")
		if !slices.ContainsFunc(all, func(o *unstructured.Unstructured) bool { return o.GetKind() == kind && o.GetName() == name }) {
			r.add(Rule{"bound by " + object.GetKind() + " " + object.GetName(), []string{rbacGroup}, []string{strings.ToLower(kind) + "s"}, []string{name}, []string{"bind"}})
		}
	}
}

// kind is what rules have to say of a kind of object.
type kind struct {
	plural string
	scope  scope
}

type scope int

const (
	guessed scope = iota // neither Kubernetes nor the release defines it
	namespaced
	clusterWide
)

// kindOf is what the objects themselves define, what Kubernetes does, or else a
// guess.
func kindOf(object *unstructured.Unstructured, all []*unstructured.Unstructured) kind {
	for _, definition := range all {
		in, _, _ := unstructured.NestedString(definition.Object, "spec", "group")
		defined, _, _ := unstructured.NestedString(definition.Object, "spec", "names", "kind")
		if definition.GetKind() != crdKind || in != object.GroupVersionKind().Group || defined != object.GetKind() {
			continue
		}
		plural, _, _ := unstructured.NestedString(definition.Object, "spec", "names", "plural")
		if scope, _, _ := unstructured.NestedString(definition.Object, "spec", "scope"); scope == "Cluster" {
			return kind{plural, clusterWide}
		}
		return kind{plural, namespaced}
	}
	gvk := object.GroupVersionKind()
	return kind{guessPlural(gvk), scopeOf(gvk)}
}

// scopeOf is what kustomize knows of a kind in the version that is given, or in
// any other: it does not have them all.
func scopeOf(gvk schema.GroupVersionKind) scope {
	for _, version := range append(scheme.Scheme.VersionsForGroupKind(gvk.GroupKind()), gvk.GroupVersion()) {
		inNamespaces, known := openapi.IsNamespaceScoped(yaml.TypeMeta{APIVersion: version.String(), Kind: gvk.Kind})
		switch {
		case known && inNamespaces:
			return namespaced
		case known:
			return clusterWide
		}
	}
	return guessed
}

// guessPlural is right for the kinds of Kubernetes and most others.
func guessPlural(gvk schema.GroupVersionKind) string {
	if singular := strings.ToLower(gvk.Kind); vowelThenY.MatchString(singular) {
		return singular + "s" // gateways
	}
	resource, _ := meta.UnsafeGuessKindToResource(gvk)
	return resource.Resource
}

var vowelThenY = regexp.MustCompile(`[aeiou]y$`)

// places are where an object needs its rule: in the site's namespace, in the
// whole cluster, or, if that is not known, in both.
func (s Site) places(object *unstructured.Unstructured, k kind) (inNamespace, inCluster bool) {
	elsewhere := object.GetNamespace() != "" && object.GetNamespace() != s.Namespace
	switch {
	case s.Scope != manifest.ScopeCluster:
		return true, false
	case elsewhere || k.scope == clusterWide:
		return false, true
	}
	return true, k.scope == guessed
}

func runsPods(object *unstructured.Unstructured) bool {
	return cmp.Or(object.GroupVersionKind().Group, "core") == "apps" || object.GetKind() == "Job" || object.GetKind() == "CronJob" || object.GetKind() == "Pod"
}
