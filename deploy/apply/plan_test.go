package apply

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/quoitbuild/quoit/deploy"
	"github.com/quoitbuild/quoit/versioning"
)

func mapper() meta.RESTMapper {
	m := meta.NewDefaultRESTMapper(nil)
	m.Add(schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}, meta.RESTScopeNamespace)
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
	if got := names(empties(inDeleteOrder(refsOf(objects)))); got != strings.Join(order, " ") {
		t.Errorf("deleted: %s", got)
	}
}

func empties(refs []ref) (objects []*unstructured.Unstructured) {
	for _, r := range refs {
		objects = append(objects, r.empty())
	}
	return objects
}

const hooked = `{apiVersion: batch/v1, kind: Job, metadata: {name: b, annotations: {quoit.build/hook: "pre-install, pre-upgrade"}}}
---
{apiVersion: batch/v1, kind: Job, metadata: {name: last, annotations: {quoit.build/hook: pre-upgrade, quoit.build/hook-weight: "10"}}}
---
{apiVersion: batch/v1, kind: Job, metadata: {name: a, annotations: {quoit.build/hook: pre-upgrade}}}
---
{apiVersion: batch/v1, kind: Job, metadata: {name: first, annotations: {quoit.build/hook: pre-upgrade, quoit.build/hook-weight: "-5"}}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: settings, annotations: {quoit.build/hook: "pre-upgrade,post-upgrade"}}}
---
{apiVersion: v1, kind: ServiceAccount, metadata: {name: account, annotations: {quoit.build/hook: pre-upgrade}}}
---
{apiVersion: batch/v1, kind: Job, metadata: {name: plain}}`

func TestHooksRunByWeightThenName(t *testing.T) {
	plain, hooks, err := splitHooks(parse(t, hooked))
	if err != nil {
		t.Fatal(err)
	}
	if got := names(plain); got != "Job/plain" {
		t.Errorf("plain: %s", got)
	}
	for point, want := range map[string]string{
		"pre-upgrade":  "ServiceAccount/account ConfigMap/settings: Job/first Job/a Job/b Job/last",
		"pre-install":  ": Job/b",
		"post-upgrade": "ConfigMap/settings: ",
		"pre-restore":  ": ",
	} {
		needs, jobs := at(hooks, point)
		if got := names(needs) + ": " + names(jobs); got != want {
			t.Errorf("%s: got %q, want %q", point, got, want)
		}
	}
}

func TestWrongHooksAreNamedAtOnce(t *testing.T) {
	_, _, err := splitHooks(parse(t, `{apiVersion: batch/v1, kind: Job, metadata: {name: a, annotations: {quoit.build/hook: pre-upgrad}}}
---
{apiVersion: batch/v1, kind: Job, metadata: {name: b, annotations: {quoit.build/hook: "pre-install,", quoit.build/hook-weight: high}}}`))
	mustFail(t, err, `Job/a: annotation quoit.build/hook: there is no point "pre-upgrad", maybe you mean pre-upgrade`, `Job/b: annotation quoit.build/hook: there is no point ""`, `"high" is not a whole number`)
}

func TestAHookJobIsToldWhatHappens(t *testing.T) {
	job := parse(t, `{apiVersion: batch/v1, kind: Job, metadata: {name: migrate}, spec: {template: {spec: {
  initContainers: [{name: i}], containers: [{name: c, env: [{name: A, value: b}, {name: QUOIT_ACTION, value: mine}]}]}}}}`)[0]
	request := Request{Site: "eu", Ring: "users", Action: deploy.Upgrade, To: versioning.Version{Major: 1, Minor: 2}}
	prepared, err := prepareJob(job, request.environment(), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	env := "[{name: QUOIT_ACTION, value: upgrade}, {name: QUOIT_FROM_VERSION, value: ''}, {name: QUOIT_RING, value: users}, {name: QUOIT_SITE, value: eu}, {name: QUOIT_TO_VERSION, value: 1.2.0}]"
	want := parse(t, fmt.Sprintf(`{apiVersion: batch/v1, kind: Job, metadata: {name: migrate}, spec: {backoffLimit: 0, activeDeadlineSeconds: 90, template: {spec: {
  initContainers: [{name: i, env: %s}], containers: [{name: c, env: [{name: A, value: b}, %s}]}}}}`, env, env[1:]))[0]
	if diff := cmp.Diff(want.Object, prepared.Object); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	own := parse(t, `{apiVersion: batch/v1, kind: Job, metadata: {name: migrate}, spec: {backoffLimit: 3, activeDeadlineSeconds: 5}}`)[0]
	prepared, err = prepareJob(own, nil, time.Minute)
	if diff := cmp.Diff(own.Object, prepared.Object); diff != "" || err != nil {
		t.Errorf("%v -want +got:\n%s", err, diff)
	}
	_, err = prepareJob(parse(t, `{apiVersion: batch/v1, kind: Job, metadata: {name: migrate}, spec: 1}`)[0], nil, time.Minute)
	mustFail(t, err, "Job/migrate has no spec")
}

func TestHookFilesAreExecutablesOfTheRoot(t *testing.T) {
	root := folder(t, map[string]string{"hooks/pre-install": "#!", "hooks/pre-install.d/20": "#!", "hooks/pre-install.d/10": "#!",
		"hooks/post-install": "not executable", "hooks/pre-upgrade.d/10/nested": "#!", "hooks/post-restore.d": "#!", "tool": "#!"})
	for _, name := range []string{"pre-install", "pre-install.d/20", "pre-install.d/10", "pre-upgrade.d/10/nested", "post-restore.d"} {
		if err := os.Chmod(filepath.Join(root, "hooks", name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for link, target := range map[string]string{"hooks/pre-downgrade": "../tool", "hooks/post-downgrade": "/bin/sh", "hooks/post-upgrade.d": "../../.."} {
		if err := os.Symlink(target, filepath.Join(root, link)); err != nil {
			t.Fatal(err)
		}
	}
	files, err := hookFiles(root, "pre-install")
	if diff := cmp.Diff([]string{"hooks/pre-install", "hooks/pre-install.d/10", "hooks/pre-install.d/20"}, files); diff != "" || err != nil {
		t.Errorf("%v -want +got:\n%s", err, diff)
	}
	if files, err := hookFiles(root, "pre-restore"); len(files) > 0 || err != nil {
		t.Errorf("got %v, %v", files, err)
	}
	for point, want := range map[string]string{"post-install": "/hooks/post-install", "pre-upgrade": "/hooks/pre-upgrade.d/10", "pre-downgrade": "/hooks/pre-downgrade",
		"post-downgrade": "/hooks/post-downgrade", "post-upgrade": "/hooks/post-upgrade.d", "post-restore": "/hooks/post-restore.d"} {
		_, err := hookFiles(root, point)
		mustFail(t, err, want)
	}
}

func TestInventoryIsTheUnionThenTheNew(t *testing.T) {
	r := func(name string) ref { return ref{Version: "v1", Kind: "ConfigMap", Namespace: "shop", Name: name} }
	newer := r("b")
	newer.Version = "v2"
	old, now := []ref{r("a"), r("b")}, []ref{r("c"), newer}
	if diff := cmp.Diff([]ref{r("a"), newer, r("c")}, union(old, now)); diff != "" {
		t.Errorf("union -want +got:\n%s", diff)
	}
	if diff := cmp.Diff([]ref{r("a")}, without(old, now)); diff != "" {
		t.Errorf("without -want +got:\n%s", diff)
	}
	text, err := formatInventory(union(old, now))
	if err != nil {
		t.Fatal(err)
	}
	read, err := parseInventory(text)
	if diff := cmp.Diff(union(old, now), read); diff != "" || err != nil {
		t.Errorf("%v -want +got:\n%s", err, diff)
	}
	for _, broken := range []string{"", "{", "{}", `[{"kind":"ConfigMap","version":"v1"}]`, `[{"kind":"ConfigMap","name":"a"}]`, "[" + strings.Repeat(" ", maxInventory) + "]"} {
		if objects, err := parseInventory(broken); err == nil {
			t.Errorf("%.20q gives %v", broken, objects)
		}
	}
}

func TestErrorsOfTheServerSayWhatToDo(t *testing.T) {
	deployments := schema.GroupResource{Group: "apps", Resource: "deployments"}
	t.Run("a missing rule as a line of a role", func(t *testing.T) {
		err := explain(fmt.Errorf("around: %w", apierrors.NewForbidden(deployments, "api",
			errors.New(`User "system:serviceaccount:shop:quoit-eu" cannot patch resource "deployments" in API group "apps" in the namespace "shop"`))))
		mustFail(t, err, "the Role in namespace shop lacks", `- {apiGroups: ["apps"], resources: ["deployments"], verbs: ["patch"]}`)
	})
	t.Run("a rule for the cluster", func(t *testing.T) {
		err := explain(apierrors.NewForbidden(schema.GroupResource{Resource: "namespaces"}, "x", errors.New(`User "u" cannot get resource "namespaces" in API group "" at the cluster scope`)))
		mustFail(t, err, "the ClusterRole lacks", `- {apiGroups: [""], resources: ["namespaces"], verbs: ["get"]}`)
	})
	t.Run("a quota is no missing rule", func(t *testing.T) {
		original := apierrors.NewForbidden(deployments, "api", errors.New("exceeded quota: small"))
		if err := explain(original); !errors.Is(err, original) || strings.Contains(err.Error(), "lacks") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("fields of others", func(t *testing.T) {
		got := conflict("Deployment/api", apierrors.NewApplyConflict([]metav1.StatusCause{
			{Type: metav1.CauseTypeFieldManagerConflict, Field: ".spec.replicas", Message: `conflict with "kubectl" using apps/v1`},
		}, "1 conflict"))
		mustFail(t, got, "Deployment/api has fields", ".spec.replicas belongs to kubectl", "--adopt")
	})
	t.Run("another conflict is not one", func(t *testing.T) {
		if got := conflict("x", apierrors.NewConflict(deployments, "api", errors.New("changed meanwhile"))); got != nil {
			t.Errorf("got %v", got)
		}
	})
	t.Run("only what cannot be changed is immutable", func(t *testing.T) {
		invalid := func(message string) error {
			return &apierrors.StatusError{ErrStatus: metav1.Status{Reason: metav1.StatusReasonInvalid, Message: message,
				Details: &metav1.StatusDetails{Causes: []metav1.StatusCause{{Field: "spec.selector", Message: message}}}}}
		}
		mustFail(t, immutable("Deployment/api", invalid("Invalid value: field is immutable")), "field spec.selector", "quoit.build/force: enabled")
		if got := immutable("Deployment/api", invalid("must be greater than 0")); got != nil {
			t.Errorf("got %v", got)
		}
	})
}

func TestLabelsHoldLongProjects(t *testing.T) {
	long := strings.Repeat("a/", 60) + "b"
	if got := labelValue("acme/shop"); got != "acme.shop" {
		t.Errorf("got %q", got)
	}
	if got, other := labelValue(long), labelValue(long+"c"); len(got) != 63 || got == other {
		t.Errorf("got %q and %q", got, other)
	}
}
