package render

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/quoitbuild/quoit/versioning"
)

const (
	digestA = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	digestB = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

func shop() release {
	return release{project: "acme/shop",
		images:    map[string]string{"api": "mirror.eu/acme/shop/api@" + digestA, "web": "mirror.eu/acme/shop/web@" + digestB},
		externals: map[string]string{"docker.io/library/postgres:17": "mirror.eu/postgres@" + digestB}}
}

func TestAReferenceOfTheProjectGetsItsDigest(t *testing.T) {
	api, postgres := "mirror.eu/acme/shop/api@"+digestA, "mirror.eu/postgres@"+digestB
	for image, want := range map[string]string{
		"api": api, "api:1.2.3": api, "api@" + digestB: api, "acme/shop/api": api, "acme/shop/api:latest": api,
		"registry.example.com/acme/shop/api":                     api,
		"registry.example.com:5000/acme/shop/api:0":              api,
		"localhost/acme/shop/api":                                api,
		"registry.example.com/mirror/acme/shop/api:0@" + digestB: api,
		"postgres:17": postgres, "docker.io/library/postgres:17": postgres,
		// Others' images stay.
		"postgres:16": "postgres:16", "postgres": "postgres", "redis": "redis", "docker.io/library/api": "docker.io/library/api",
		"acme/shop": "acme/shop", "acme/shop/api/debug": "acme/shop/api/debug", "acme/other/api": "acme/other/api",
		"other/acme/shop/api": "other/acme/shop/api", "example.com/bigacme/shop/api": "example.com/bigacme/shop/api",
		"": "", "//": "//", "a b": "a b", "@": "@",
	} {
		r := shop()
		got, err := r.resolve(image)
		if err != nil || got != want {
			t.Errorf("%q: got %q, %v, want %q", image, got, err, want)
		}
	}
}

func TestPinFindsImagesInEveryKind(t *testing.T) {
	pod := `{initContainers: [{name: i, image: api}], containers: [{name: c, image: web}, {name: d, image: redis}],
      ephemeralContainers: [{name: e, image: api}], volumes: [{name: v, image: {reference: web}}, {name: w, emptyDir: {}}]}`
	want := strings.NewReplacer("image: api", "image: 'mirror.eu/acme/shop/api@"+digestA+"'", "image: web", "image: 'mirror.eu/acme/shop/web@"+digestB+"'",
		"reference: web", "reference: 'mirror.eu/acme/shop/web@"+digestB+"'").Replace(pod)
	for kind, path := range map[string]string{
		"Pod": "spec: %", "Deployment": "spec: {template: {spec: %}}", "StatefulSet": "spec: {template: {spec: %}}",
		"DaemonSet": "spec: {template: {spec: %}}", "ReplicaSet": "spec: {template: {spec: %}}", "ReplicationController": "spec: {template: {spec: %}}",
		"Job": "spec: {template: {spec: %}}", "CronJob": "spec: {jobTemplate: {spec: {template: {spec: %}}}}",
		"PodTemplate": "template: {spec: %}", "DeploymentList": "items: [{spec: {template: {spec: %}}}]", "Rollout": "spec: {template: {spec: %}}",
	} {
		text := "apiVersion: x/v1\nkind: " + kind + "\nmetadata: {name: n}\n" + path + "\n"
		objects := parse(t, strings.Replace(text, "%", pod, 1))
		r := shop()
		if err := r.pin(objects); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(format(t, parse(t, strings.Replace(text, "%", want, 1))), format(t, objects)); diff != "" {
			t.Errorf("%s -want +got:\n%s", kind, diff)
		}
	}
}

func TestAnImageThatIsNotInTheReleaseIsNamedWithItsPlace(t *testing.T) {
	r := shop()
	err := r.pin(parse(t, `{apiVersion: apps/v1, kind: Deployment, metadata: {name: front}, spec: {template: {spec: {
  containers: [{name: c, image: acme/shop/wep:1}], volumes: [{name: data, image: {reference: registry.example.com/acme/shop/nothing}}]}}}}`))
	mustFail(t, err, `Deployment/front, container c: image "acme/shop/wep:1" is not in the release; did you mean "web"?`,
		`Deployment/front, volume data: image "registry.example.com/acme/shop/nothing" is not in the release`)
}

func TestPinMindsNoForm(t *testing.T) {
	r := shop()
	for _, text := range []string{"spec: 1", "spec: {containers: 1}", "spec: {containers: [1, {image: 1}, {}]}", "spec: {template: []}", "items: {}", "items: [1]",
		"spec: {volumes: [{image: api}, {image: {reference: []}}]}"} {
		if err := r.pin(parse(t, "apiVersion: v1\nkind: Odd\nmetadata: {name: n}\n"+text)); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestWithoutDigestsImagesAreNamedByVersion(t *testing.T) {
	r := release{project: "acme/shop", versions: map[string]versioning.Version{"api": {Major: 1, Minor: 2, Patch: 3}}}
	if got, err := r.resolve("registry.example.com/acme/shop/api:0"); err != nil || got != "registry.example.com/acme/shop/api:1.2.3" {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := r.resolve("api"); err == nil || !strings.Contains(err.Error(), "--registry") {
		t.Errorf("got %v", err)
	}
	r.registry = "mirror.eu"
	if got, err := r.resolve("acme/shop/api"); err != nil || got != "mirror.eu/acme/shop/api:1.2.3" {
		t.Errorf("got %q, %v", got, err)
	}
}
