//go:build stack

package integration

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/rest"

	"github.com/quoitbuild/quoit/deploy"
	"github.com/quoitbuild/quoit/deploy/apply"
)

// configMap is one with data, and annotations as key: value.
func configMap(name, data string, annotations ...string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s, annotations: {%s}}\ndata: {%s}\n", name, strings.Join(annotations, ", "), data)
}

// hookJob is a Job that runs a line of shell at a point.
func hookJob(name, point, script string) string {
	return fmt.Sprintf(`apiVersion: batch/v1
kind: Job
metadata: {name: %s, annotations: {quoit.build/hook: "%s"}}
spec:
  template:
    spec:
      restartPolicy: Never
      terminationGracePeriodSeconds: 0
      containers: [{name: run, image: api, command: [sh, -c, %q]}]
`, name, point, script)
}

func deployment(name, image string, annotations ...string) string {
	return fmt.Sprintf(`apiVersion: apps/v1
kind: Deployment
metadata: {name: %s, annotations: {%s}}
spec:
  selector: {matchLabels: {app: %[1]s}}
  template:
    metadata: {labels: {app: %[1]s}}
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{name: run, image: %[3]q, command: [sleep, "3600"]}]
`, name, strings.Join(annotations, ", "), image)
}

func TestApplyInstallsUpgradesAndUninstalls(t *testing.T) {
	a := newApplied(t, map[string]string{
		"api.yaml":     deployment("api", "registry.example.com/acme/shop/api:0"),
		"old.yaml":     configMap("old", "a: b"),
		"keep.yaml":    configMap("keep", "a: b", "quoit.build/prune: disabled"),
		"greet.yaml":   configMap("greeting", `text: "${GREETING}, ${WHO:-world} at ${QUOIT_SITE}"`),
		"migrate.yaml": hookJob("migrate", "pre-install,pre-upgrade", `test "$QUOIT_ACTION/$QUOIT_SITE/$QUOIT_RING" = "install/eu/users"`),
	})
	a.kubectl("", "create", "configmap", "quoit-site", "--from-literal=GREETING=hello: {", "--from-literal=WHO=")
	first := a.mustRun(deploy.Install)
	if got := a.objects("deployment", "{..image} {..readyReplicas}"); got != a.request.Images["api"]+" 1" {
		t.Errorf("the deployment is %q", got)
	}
	if got := a.kubectl("", "get", "configmap", "greeting", "-o", "jsonpath={.data.text}"); got != "hello: {, world at eu" {
		t.Errorf("greeting %q", got)
	}
	if got, want := a.inventory(), "ConfigMap/greeting ConfigMap/keep ConfigMap/old Deployment/api Job/migrate"; got != want {
		t.Errorf("the inventory is %q", got)
	}
	if diff := cmp.Diff([]apply.Hook{{Point: "pre-install", Name: "Job/migrate"}}, first.Hooks); diff != "" {
		t.Errorf("hooks -want +got:\n%s", diff)
	}

	a.files(map[string]string{"api.yaml": deployment("api", "api"), "new.yaml": configMap("new", "a: b")})
	changes := a.mustRun(deploy.Upgrade).Changes
	want := []apply.Change{{Object: "ConfigMap/new", Action: "created"}, {Object: "Deployment/api", Action: "unchanged"},
		{Object: "Job/migrate", Action: "deleted"}, {Object: "ConfigMap/old", Action: "deleted"},
		{Object: "ConfigMap/keep", Action: "kept"}, {Object: "ConfigMap/greeting", Action: "deleted"}}
	if diff := cmp.Diff(want, changes); diff != "" {
		t.Errorf("changes -want +got:\n%s", diff)
	}
	if got := a.inventory(); got != "ConfigMap/new Deployment/api" {
		t.Errorf("the inventory is %q", got)
	}

	a.files(map[string]string{"bye.yaml": hookJob("bye", "post-uninstall", "true")})
	a.mustRun(deploy.Uninstall)
	if got := a.objects("configmap,deployment,job", "{..metadata.name}"); got != "keep" {
		t.Errorf("left: %q", got)
	}
}

func TestApplyStopsAtFieldsOfOthers(t *testing.T) {
	a := newApplied(t, map[string]string{"a.yaml": configMap("settings", "a: ours"), "b.yaml": configMap("another", "a: new")})
	theirs := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {a: theirs}\n"
	a.kubectl(theirs, "apply", "--server-side", "--field-manager=somebody", "-f", "-")
	_, err := a.run(deploy.Install)
	var conflict *apply.ConflictError
	if !errors.As(err, &conflict) {
		t.Fatalf("got %v", err)
	}
	if diff := cmp.Diff(&apply.ConflictError{Object: "ConfigMap/settings", Fields: []apply.FieldOwner{{Field: ".data.a", Owner: "somebody"}}}, conflict); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got := a.objects("configmap", "{..metadata.name}"); got != "" {
		t.Errorf("written before the conflict was found: %q", got)
	}
	a.request.TakeOver = true
	a.mustRun(deploy.Install)
	if got := a.kubectl("", "get", "configmap", "settings", "-o", "jsonpath={.data.a}"); got != "ours" {
		t.Errorf("settings are %q", got)
	}
}

func TestApplyRefusesBeforeTheFirstWrite(t *testing.T) {
	a := newApplied(t, nil)
	for name, c := range map[string]struct {
		object string
		want   []string
	}{
		"a value that is missing":  {configMap("a", `x: "${NOWHERE}"`), []string{"NOWHERE (ConfigMap/a)", "quoit-site in namespace " + a.request.Namespace}},
		"another namespace":        {strings.Replace(configMap("a", "x: y"), "{name: a,", "{name: a, namespace: default,", 1), []string{"ConfigMap/default/a", "scope: cluster"}},
		"a cluster-scoped object":  {"apiVersion: v1\nkind: Namespace\nmetadata: {name: more}\n", []string{"Namespace/more (cluster-scoped)"}},
		"a kind that is not known": {"apiVersion: acme.com/v1\nkind: Cart\nmetadata: {name: cart}\n", []string{"Cart/cart (acme.com/v1)"}},
		"an image that is unknown": {deployment("web", "acme/shop/apu"), []string{"Deployment/web, container run", `did you mean "api"?`}},
		"what the server refuses":  {configMap("a", "'not a key': y"), []string{"ConfigMap/a", "not a key"}},
	} {
		t.Run(name, func(t *testing.T) {
			a.files(map[string]string{"a.yaml": c.object})
			_, err := a.run(deploy.Install)
			if err == nil {
				t.Fatal("no error")
			}
			for _, text := range c.want {
				if !strings.Contains(err.Error(), text) {
					t.Errorf("error %v\nlacks %q", err, text)
				}
			}
		})
	}
	if got := a.objects("all,configmap", "{..metadata.name}"); got != "" {
		t.Errorf("something was written: %s", got)
	}
}

func TestApplyStopsAtAHookThatFails(t *testing.T) {
	a := newApplied(t, map[string]string{"a.yaml": configMap("settings", "a: b"), "fail.yaml": hookJob("fail", "pre-install", "echo no column named total; exit 3")})
	var failure *apply.HookError
	if _, err := a.run(deploy.Install); !errors.As(err, &failure) {
		t.Fatalf("got %v", err)
	}
	if failure.Name != "Job/fail" || !strings.Contains(failure.Reason, "exit code 3") || !cmp.Equal(failure.Log, []string{"no column named total"}) {
		t.Errorf("got %q", failure)
	}
	a.file("hooks/pre-upgrade", "#!/bin/sh\necho $QUOIT_ACTION >&2; exit 4\n")
	if err := os.Chmod(filepath.Join(a.request.Root, "hooks/pre-upgrade"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := a.run(deploy.Upgrade); !errors.As(err, &failure) || failure.Name != "/hooks/pre-upgrade" || failure.Reason != "exit status 4" {
		t.Errorf("got %v", err)
	}
	if got := a.kubectl("", "get", "configmap", "settings", "--ignore-not-found"); got != "" {
		t.Errorf("the objects were applied: %s", got)
	}
}

func TestADowngradeChangesNoObject(t *testing.T) {
	a := newApplied(t, map[string]string{"a.yaml": configMap("settings", "a: old")})
	a.mustRun(deploy.Install)
	a.files(map[string]string{"a.yaml": configMap("settings", `a: "${MISSING}"`), "b.yaml": configMap("more", "a: b"),
		"down.yaml": hookJob("down", "pre-downgrade", `test "$QUOIT_ACTION" = downgrade`)})
	if got := a.mustRun(deploy.Downgrade); len(got.Hooks) != 1 || len(got.Changes) > 0 {
		t.Errorf("got %v", got)
	}
	if got := a.objects("configmap,job", "{..metadata.name}"); got != "down quoit-eu-inventory settings" {
		t.Errorf("there is %s", got)
	}
}

func TestApplyNamesWhatIsNotReady(t *testing.T) {
	a := newApplied(t, map[string]string{"a.yaml": deployment("web", stack.Ref("library/nothing:1")), "b.yaml": strings.Replace(
		deployment("broken", "api"), `[sleep, "3600"]`, `[sh, -c, "echo cannot open the database; exit 7"], readinessProbe: {exec: {command: ["true"]}}`, 1)})
	a.request.Timeout = 12 * time.Second
	_, err := a.run(deploy.Install)
	var notReady *apply.NotReadyError
	if !errors.As(err, &notReady) {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{"Deployment/web is not ready: 0 of 1 ready", "ImagePull", "library/nothing:1", "Deployment/broken", "exit code 7", "cannot open the database"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %v\nlacks %q", err, want)
		}
	}
}

func TestApplyRecreatesOnlyWhereItIsAskedTo(t *testing.T) {
	job := func(annotation, command string) map[string]string {
		return map[string]string{"a.yaml": strings.NewReplacer("quoit.build/hook: \"no\"", annotation).Replace(hookJob("once", "no", command))}
	}
	a := newApplied(t, job("", "true"))
	a.mustRun(deploy.Install)
	a.files(job("", "true && true"))
	var immutable *apply.ImmutableError
	if _, err := a.run(deploy.Upgrade); !errors.As(err, &immutable) || immutable.Object != "Job/once" || immutable.Field != "spec.template" {
		t.Fatalf("got %v", err)
	}
	a.files(job("quoit.build/force: enabled", "true && true"))
	want := []apply.Change{{Object: "Job/once", Action: "recreated"}}
	if diff := cmp.Diff(want, a.mustRun(deploy.Upgrade).Changes); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestApplySaysWhichRuleIsMissing(t *testing.T) {
	a := newApplied(t, map[string]string{"a.yaml": configMap("settings", "a: b")})
	a.config.Impersonate = rest.ImpersonationConfig{UserName: "nobody", Groups: []string{"system:authenticated"}}
	for _, verb := range []string{"get", "patch", "create"} {
		var forbidden *apply.ForbiddenError
		if _, err := a.run(deploy.Install); !errors.As(err, &forbidden) {
			t.Fatalf("%s: got %v", verb, err)
		}
		want := apply.ForbiddenError{Verb: verb, Resource: "configmaps", Namespace: a.request.Namespace, Err: forbidden.Err}
		if *forbidden != want {
			t.Errorf("got %+v, want %+v", forbidden, want)
		}
		a.kubectl("", "create", "role", verb, "--verb="+verb, "--resource=configmaps")
		a.kubectl("", "create", "rolebinding", verb, "--role="+verb, "--user=nobody")
	}
	a.mustRun(deploy.Install)
}

func TestAnotherSitesObjectsStay(t *testing.T) {
	a := newApplied(t, map[string]string{"a.yaml": configMap("settings", "a: b")})
	a.mustRun(deploy.Install)
	a.request.Site = "us"
	var owned *apply.OwnedError
	if _, err := a.run(deploy.Install); !errors.As(err, &owned) || owned.Site != "eu" || owned.Object != "ConfigMap/settings" {
		t.Fatalf("got %v", err)
	}
}

func TestWithScopeClusterKindsAndNamespacesComeFirst(t *testing.T) {
	a := newApplied(t, nil)
	name := strings.TrimPrefix(a.request.Namespace, "apply-")
	a.files(map[string]string{
		"a.yaml": "apiVersion: " + name + ".example.com/v1\nkind: Cart\nmetadata: {name: cart}\nspec: {size: 3}\n",
		"b.yaml": strings.Replace(configMap("there", "a: b"), "{name: there,", "{name: there, namespace: "+name+",", 1),
		"c.yaml": "apiVersion: v1\nkind: Namespace\nmetadata: {name: " + name + "}\n",
		"d.yaml": fmt.Sprintf(`apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: carts.%[1]s.example.com}
spec:
  group: %[1]s.example.com
  scope: Namespaced
  names: {kind: Cart, plural: carts, singular: cart}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]
`, name),
	})
	t.Cleanup(func() {
		for _, object := range []string{"namespace/" + name, "crd/carts." + name + ".example.com"} {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			if out, err := stack.Command(ctx, "kubectl", "delete", "--wait=false", object).CombinedOutput(); err != nil {
				t.Errorf("deleting %s: %v\n%s", object, err, out)
			}
		}
	})
	a.request.Cluster = true
	var order []string
	for _, change := range a.mustRun(deploy.Install).Changes {
		order = append(order, change.Object)
	}
	want := []string{"CustomResourceDefinition/carts." + name + ".example.com", "Namespace/" + name, "ConfigMap/" + name + "/there", "Cart/cart"}
	if diff := cmp.Diff(want, order); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	a.mustRun(deploy.Uninstall)
	if got := a.kubectl("", "get", "crd,namespace", "-l", "quoit.build/site=eu,quoit.build/project=acme.shop", "-o", "jsonpath={..metadata.name}"); !strings.Contains(got, name+" ") && !strings.HasSuffix(got, name) {
		t.Errorf("definition or namespace were deleted: %s", got)
	}
	if got := a.kubectl("", "get", "configmap", "-n", name, "there", "--ignore-not-found"); got != "" {
		t.Errorf("left: %s", got)
	}
}

func TestAChangedValueIsSeenAndASecretOneIsNotShown(t *testing.T) {
	a := newApplied(t, map[string]string{"a.yaml": configMap("settings", `a: "${PASSWORD} ${HOST}"`)})
	changed := func() bool {
		t.Helper()
		is, err := apply.ValuesChanged(t.Context(), a.config, a.request.Namespace, a.request.Site)
		if err != nil {
			t.Fatal(err)
		}
		return is
	}
	a.kubectl("", "create", "secret", "generic", "quoit-site", "--from-literal=PASSWORD=hunter22")
	a.kubectl("", "create", "configmap", "quoit-site", "--from-literal=HOST=example.com", "--from-literal=OTHER=1")
	if changed() {
		t.Error("changed before anything was applied")
	}
	a.mustRun(deploy.Install)
	for _, step := range []struct {
		kind, patch string
		want        bool
	}{
		{"configmap", `{"data":{"OTHER":"2"}}`, false},
		{"configmap", `{"data":{"HOST":"example.org"}}`, true},
		{"configmap", `{"data":{"HOST":"example.com"}}`, false},
		{"secret", `{"stringData":{"PASSWORD":"hunter23"}}`, true},
	} {
		a.kubectl("", "patch", step.kind, "quoit-site", "-p", step.patch)
		if got := changed(); got != step.want {
			t.Errorf("%s %s: changed %v", step.kind, step.patch, got)
		}
	}
	a.files(map[string]string{"a.yaml": "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {clusterIP: '${PASSWORD}', ports: [{port: 80}]}\n"})
	_, err := a.run(deploy.Upgrade)
	if err == nil || strings.Contains(err.Error(), "hunter") || !strings.Contains(err.Error(), "***") {
		t.Errorf("got %v", err)
	}
}

func TestADryRunWritesNothing(t *testing.T) {
	a := newApplied(t, map[string]string{"a.yaml": configMap("settings", "a: b"), "migrate.yaml": hookJob("migrate", "pre-install", "true")})
	stdout, stderr, code := quoit(t, a.request.Root, "apply", "--dry-run", "--root", ".", "--kubeconfig", stack.Cluster().Kubeconfig,
		"--site", "eu", "--environment", "prod", "--namespace", a.request.Namespace, "--registry", "localhost:1")
	want := "pre-install hook Job/migrate would be run\nConfigMap/settings would be created\ninstall eu: 1 of 1 objects would be changed\n"
	if code != 0 || stdout != want {
		t.Errorf("exit code %d\n%s\n%s", code, stdout, stderr)
	}
	if got := a.objects("configmap,job", "{..metadata.name}"); got != "" {
		t.Errorf("there is %s", got)
	}
}
