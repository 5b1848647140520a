package render

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/quoitbuild/quoit/deploy"
	"github.com/quoitbuild/quoit/versioning"
)

var eu = Target{Project: "acme/shop", Site: "eu", Environment: "prod", Ring: "users", Namespace: "shop", Action: deploy.Upgrade,
	To: versioning.Version{Major: 1, Minor: 2}, Images: map[string]string{"api": "r.io/acme/shop/api@" + digestA}}

// rendered is what an overlay with the resources gives for a target; asked are
// the values that were asked for.
func rendered(t *testing.T, target Target, values map[string]string, resources string) (o Objects, asked []string, err error) {
	t.Helper()
	source, err := Files(map[string]string{"overlays/prod/kustomization.yaml": "resources: [all.yaml]\n", "overlays/prod/all.yaml": resources, "bin/quoit": ""})
	if err != nil {
		t.Fatal(err)
	}
	o, err = source.Render(target, Lookups{Kinds: mapper(), Values: func(names []string) (map[string]string, error) {
		asked = names
		if values == nil {
			return nil, errors.New("the cluster is away")
		}
		return values, nil
	}})
	return o, asked, err
}

func TestRenderAsksForTheSitesOwnValuesOnly(t *testing.T) {
	own := `{apiVersion: v1, kind: ConfigMap, metadata: {name: c}, data: {site: "${QUOIT_SITE} ${QUOIT_RING} ${QUOIT_NAMESPACE} ${QUOIT_VERSION}", host: "${HOST}", port: "${PORT:-80}"}}`
	o, asked, err := rendered(t, eu, map[string]string{"HOST": "example.com", "QUOIT_SITE": "us"}, own)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"HOST", "PORT"}, asked); diff != "" {
		t.Errorf("asked -want +got:\n%s", diff)
	}
	want := map[string]any{"site": "eu users shop 1.2.0", "host": "example.com", "port": "80"}
	if diff := cmp.Diff(want, o.Plain[0].Object["data"]); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	_, _, err = rendered(t, eu, nil, own)
	mustFail(t, err, "the cluster is away")
	_, _, err = rendered(t, eu, map[string]string{}, own)
	mustFail(t, err, "HOST (ConfigMap/c)")
	site := `{apiVersion: v1, kind: ConfigMap, metadata: {name: c}, data: {version: "${QUOIT_VERSION}"}}`
	if _, asked, err := rendered(t, Target{Project: "acme/shop", Environment: "prod", Action: deploy.Install, Images: eu.Images}, nil, site); err != nil || asked != nil {
		t.Errorf("asked for %q, %v", asked, err)
	}
	names, err := ValueNames(parse(t, own+"\n---\n"+site))
	if diff := cmp.Diff([]string{"HOST", "PORT"}, names); diff != "" || err != nil {
		t.Errorf("%v -want +got:\n%s", err, diff)
	}
}

func TestRenderStopsAtWhatIsWrong(t *testing.T) {
	for name, c := range map[string]struct{ resources, want string }{
		"a hook's point":       {`{apiVersion: v1, kind: ConfigMap, metadata: {name: a, annotations: {quoit.build/hook: never}}}`, `unknown point "never"`},
		"an expression":        {`{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {x: "${"}}`, "ConfigMap/a: data: x"},
		"an image":             {`{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, spec: {containers: [{image: acme/shop/ap}]}}`, `did you mean "api"?`},
		"a kind":               {`{apiVersion: shop/v1, kind: Cart, metadata: {name: a}}`, "Cart/a (shop/v1)"},
		"another's namespace":  {`{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: other}}`, "ConfigMap/other/a"},
		"a name there twice":   {"{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: '${A}'}}", "there are two objects ConfigMap/a"},
		"an environment of no": {``, "kustomization"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := rendered(t, eu, map[string]string{"A": "a"}, c.resources)
			if c.resources == "" {
				us := eu
				us.Environment = "dev"
				_, _, err = rendered(t, us, nil, settings)
				c.want = "/overlays/dev"
			}
			mustFail(t, err, c.want)
		})
	}
}

// TestWhatDoesNotInstallHasHooksOnly: a downgrade is not stopped by an object
// that it would not apply.
func TestWhatDoesNotInstallHasHooksOnly(t *testing.T) {
	all := hooked + `
---
{apiVersion: batch/v1, kind: Job, metadata: {name: down, annotations: {quoit.build/hook: pre-downgrade}}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: needed, annotations: {quoit.build/hook: "post-downgrade, post-uninstall"}}}
---
{apiVersion: shop/v1, kind: Cart, metadata: {name: unknown}}`
	for _, action := range deploy.Actions() {
		target := eu
		target.Action = action
		o, _, err := rendered(t, target, nil, all)
		if action.Installs() {
			mustFail(t, err, "Cart/unknown")
			continue
		}
		want := map[deploy.Action]string{deploy.Downgrade: "Job/down ConfigMap/needed", deploy.Uninstall: "ConfigMap/needed"}[action]
		if got := names(o.Of(action)); got != want || err != nil || len(o.Plain) > 0 || names(o.All()) != want {
			t.Errorf("%s: got %q, %v, all %q", action, got, err, names(o.All()))
		}
	}
}

func TestARunWritesPlainObjectsAndItsOwnHooks(t *testing.T) {
	o, _, err := rendered(t, eu, nil, hooked)
	if err != nil {
		t.Fatal(err)
	}
	for action, want := range map[deploy.Action]string{
		deploy.Install: "Job/plain Job/b",
		deploy.Restore: "Job/plain",
		deploy.Upgrade: "Job/plain ServiceAccount/account ConfigMap/settings Job/first Job/a Job/b Job/last ConfigMap/settings",
	} {
		if got := names(o.Of(action)); got != want {
			t.Errorf("%s: got %q", action, got)
		}
	}
	if got := len(o.All()); got != 7 {
		t.Errorf("all are %d", got)
	}
	for _, object := range o.All() {
		if diff := cmp.Diff(Labels("acme/shop", "eu"), object.GetLabels()); diff != "" || object.GetNamespace() != "shop" {
			t.Errorf("%s in %s -want +got:\n%s", RefOf(object), object.GetNamespace(), diff)
		}
	}
}

func TestLabelsAreAddedToAnObjectsOwn(t *testing.T) {
	o, _, err := rendered(t, eu, nil, `{apiVersion: v1, kind: ConfigMap, metadata: {name: a, labels: {app: a, quoit.build/site: us}}}`)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"app": "a", LabelSite: "eu", LabelProject: "acme.shop"}
	if diff := cmp.Diff(want, o.Plain[0].GetLabels()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestANameIsTheSameInEveryVersion(t *testing.T) {
	one := parse(t, `{apiVersion: apps/v1, kind: Deployment, metadata: {name: api, namespace: shop}}`)[0]
	other := parse(t, `{apiVersion: apps/v1beta1, kind: Deployment, metadata: {name: api, namespace: shop}, spec: {}}`)[0]
	if refs := Refs([]*unstructured.Unstructured{one, other}); refs[0] == refs[1] || refs[0].Key() != refs[1].Key() {
		t.Errorf("got %v", refs)
	}
	if diff := cmp.Diff(one.Object, RefOf(one).Empty().Object); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for namespace, want := range map[string]string{"shop": "Deployment/api", "": "Deployment/shop/api", "other": "Deployment/shop/api"} {
		if got := RefOf(one).In(namespace); got != want {
			t.Errorf("in %q: got %q", namespace, got)
		}
	}
}

func TestContainersAreThoseOfEveryPod(t *testing.T) {
	cron := parse(t, `{apiVersion: batch/v1, kind: CronJob, metadata: {name: c}, spec: {jobTemplate: {spec: {template: {spec: {
  initContainers: [{name: i}], containers: [{name: a}, {name: b}], ephemeralContainers: [{name: e}]}}}}}}`)[0]
	var got []string
	for _, container := range Containers(cron) {
		got = append(got, container["name"].(string))
		container["image"] = "x"
	}
	if want := []string{"i", "a", "b"}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	if Containers(cron)[2]["image"] != "x" {
		t.Error("a change is not one of the object")
	}
}

func TestFilesAreBoundedAsFoldersAre(t *testing.T) {
	_, err := Files(map[string]string{"overlays/prod/large": string(make([]byte, maxSourceBytes+1))})
	mustFail(t, err, "/overlays/prod/large", "32 MiB")
	s, err := Files(map[string]string{"quoit/release.json": "{"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Render(eu, Lookups{})
	mustFail(t, err, "reading the release in the root image")
}
