package frontend

import (
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// overlays are a project whose root image has an overlay with these files.
func overlays(files map[string]string) map[string]string {
	all := maps.Clone(shop)
	all["deploy/Dockerfile"] = "FROM scratch\nCOPY overlays /overlays\n"
	all["deploy/overlays/prod/kustomization.yaml"] = "resources: [d.yaml]\n"
	for name, text := range files {
		all["deploy/overlays/prod/"+name] = text
	}
	return all
}

// pod is a file with a container that has an image; that is in its line 4.
func pod(image string) string {
	return "kind: Deployment\nspec:\n  containers:\n  - image: " + image + "\n"
}

// What the project has is right however it is written, and so is what is somebody else's.
func TestOverlaysThatAreRight(t *testing.T) {
	var text strings.Builder
	for _, image := range []string{
		"api", "web:1.2", "base@sha256:" + strings.Repeat("1", 64), "acme/shop/api", "registry.example.com/acme/shop/api:latest", "mirror.example.com:5000/x/acme/shop/web",
		"nginx", "nginx:1.27", "postgres:17", "redis", "busybox:latest", "grafana/grafana", "other/acme/shop/nothing", "docker.io/library/app", "${IMAGE}", "\"{{ .Values.image }}\"",
	} {
		text.WriteString(pod(image) + "---\n")
	}
	w := newWorld(t, overlays(map[string]string{"d.yaml": text.String()}))
	if plan := w.publish(Options{}); len(plan.Warnings) > 0 {
		t.Errorf("warnings %q", plan.Warnings)
	}
}

func TestOverlaysThatNameNoImageOfTheRelease(t *testing.T) {
	const at = "deploy/overlays/prod/"
	retired := `the image "web" is not in the release, 0.1.0 was its last version`
	for _, test := range []struct {
		name   string
		files  map[string]string
		places []string
		words  []string
	}{
		{"a container", map[string]string{"d.yaml": pod("web")}, []string{at + "d.yaml:4:12"}, []string{retired, "docker.io/library/web:latest"}},
		{"with a tag", map[string]string{"d.yaml": pod("web:0.1.0")}, []string{at + "d.yaml:4:12"}, []string{`the image "web:0.1.0" is not in the release`}},
		{"an init container beside one that is right", map[string]string{"d.yaml": "initContainers: [{name: i, image: web}]\n" + pod("api")}, []string{at + "d.yaml:1:35"}, []string{retired}},
		{"by its repository", map[string]string{"d.yaml": pod("registry.example.com/acme/shop/web:1")}, []string{at + "d.yaml:4:12"}, []string{"is not in the release, 0.1.0 was its last version"}},
		{"of the project, and never there", map[string]string{"d.yaml": pod("acme/shop/ap")}, []string{at + "d.yaml:4:12"}, []string{`the image "acme/shop/ap" is not in the release`, `did you mean "api"?`}},
		{"a kustomization's new name", map[string]string{"kustomization.yaml": "images:\n- name: x\n  newName: web\n"}, []string{at + "kustomization.yaml:3:12"}, []string{retired}},
		{"a resource of another kind", map[string]string{"cr.yaml": "kind: Database\nspec: {image: web}\n"}, []string{at + "cr.yaml:2:15"}, []string{retired}},
		{"a patch", map[string]string{"p.json": `[{"op": "replace", "path": "/spec/containers/0/image", "value": "web"}]`}, []string{at + "p.json:1:66"}, []string{retired}},
		{"two files", map[string]string{"a.yaml": pod("web"), "b.yaml": pod("web")}, []string{at + "a.yaml:4:12", at + "b.yaml:4:12"}, []string{retired}},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, shop)
			w.publish(Options{})
			for name, text := range overlays(test.files) {
				w.write(name, text)
			}
			w.write("quoit.yaml", strings.Replace(shop["quoit.yaml"], "  web: {context: web, depends: [api]}\n", "", 1))
			err := w.fails(Options{Request: RequestPlan}, test.words...)
			if diff := cmp.Diff(test.places, excerpts(t, err)); diff != "" {
				t.Errorf("error %v\nplaces (-want +got):\n%s", err, diff)
			}
		})
	}
}

// A kustomization may give the name of an image that was there another one.
func TestOverlaysThatReplaceANameThatIsGone(t *testing.T) {
	w := newWorld(t, shop)
	w.publish(Options{})
	for name, text := range overlays(map[string]string{"d.yaml": pod("web"), "kustomization.yaml": "images: [{name: web, newName: api}]\n"}) {
		w.write(name, text)
	}
	w.write("quoit.yaml", strings.Replace(shop["quoit.yaml"], "  web: {context: web, depends: [api]}\n", "", 1))
	if plan := w.publish(Options{}); len(plan.Warnings) > 0 {
		t.Errorf("warnings %q", plan.Warnings)
	}
}

// What is one letter off may be somebody else's image.
func TestOverlaysThatAreOneLetterOff(t *testing.T) {
	w := newWorld(t, overlays(map[string]string{"d.yaml": pod("apii") + "---\n" + pod("bsae:1") + "---\n" + pod("apache")}))
	want := []string{
		`deploy/overlays/prod/d.yaml:4: the image "apii" is not in the release; did you mean "api"? As it stands it is docker.io/library/apii:latest`,
		`deploy/overlays/prod/d.yaml:9: the image "bsae:1" is not in the release; did you mean "base"? As it stands it is docker.io/library/bsae:1`,
	}
	for range 2 { // also when there is nothing to do
		if diff := cmp.Diff(want, w.publish(Options{}).Warnings); diff != "" {
			t.Errorf("warnings (-want +got):\n%s", diff)
		}
	}
}
