package builder

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	controlapi "github.com/moby/buildkit/api/services/control"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quoitbuild/quoit/frontend"
	"github.com/quoitbuild/quoit/labels"
	"github.com/quoitbuild/quoit/manifest"
	"github.com/quoitbuild/quoit/versioning"
)

// someManifest has the images api and deploy.
func someManifest(t *testing.T) *manifest.Manifest {
	t.Helper()
	m, err := manifest.Parse("quoit.yaml", []byte("project: acme/shop\nregistry: registry.example.com\nroot: deploy\nimages: {api: api, deploy: deploy}\n"))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// somePlan builds both images, the root image last.
func somePlan() versioning.Plan {
	one := versioning.Version{Minor: 1}
	return versioning.Plan{
		Schema: versioning.PlanSchema, Project: "acme/shop", Registry: "registry.example.com", Ring: "developers", Root: "deploy",
		Images: []versioning.ImagePlan{
			{Name: "api", Version: one, Revision: digest.FromString("api").String(), Changed: true},
			{Name: "deploy", Version: one, Revision: digest.FromString("deploy").String(), Changed: true, Dependencies: map[string]versioning.Version{"api": one}},
		},
	}
}

// someResult is a frontend's result for that plan.
func someResult(t *testing.T, plan versioning.Plan, platforms ...string) map[string][]byte {
	t.Helper()
	encode := func(value any) []byte {
		data, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	var all exptypes.Platforms
	var config dockerspec.DockerOCIImage
	config.Config.Labels = map[string]string{labels.Version: "0.1.0", "colour": "red"}
	meta := map[string][]byte{frontend.MetaPlan: []byte(base64.StdEncoding.EncodeToString(encode(plan)))}
	for _, id := range platforms {
		all.Platforms = append(all.Platforms, exptypes.Platform{ID: id, Platform: ocispecs.Platform{OS: "linux", Architecture: "amd64"}})
		meta[exptypes.ExporterImageConfigKey+"/"+id] = encode(config)
	}
	meta[exptypes.ExporterPlatformsKey] = encode(all)
	return meta
}

func TestEachImageHasItsOwnExporter(t *testing.T) {
	e := &exporters{manifest: someManifest(t), epoch: "7"}
	requests, err := e.answer(someResult(t, somePlan(), "api/linux/amd64", "api/linux/arm64", "deploy"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"api", "deploy"}, e.images); diff != "" {
		t.Errorf("images (-want +got):\n%s", diff)
	}
	attrs := requests[0].Attrs
	var own exptypes.Platforms
	if err := json.Unmarshal([]byte(attrs[exptypes.ExporterPlatformsKey]), &own); err != nil || len(own.Platforms) != 2 || own.Platforms[0].ID != "api/linux/amd64" {
		t.Errorf("platforms %v, %v", own, err)
	}
	want := map[string]string{"name": "registry.example.com/acme/shop/api", "push": "true", "push-by-digest": "true", "store": "false", "oci-mediatypes": "true",
		"source-date-epoch": "7", "rewrite-timestamp": "true", "annotation-manifest." + labels.Version: "0.1.0"}
	delete(attrs, exptypes.ExporterPlatformsKey)
	if diff := cmp.Diff(want, attrs); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
	if requests[1].Attrs["name"] != "registry.example.com/acme/shop/deploy" {
		t.Errorf("the second exporter is %v", requests[1].Attrs)
	}
}

func TestResultsThatCannotBeExported(t *testing.T) {
	plan := somePlan()
	other := plan
	other.Project = "acme/other"
	noPlan, noPlatforms, noConfig := someResult(t, plan, "api", "deploy"), someResult(t, plan), someResult(t, plan, "api", "deploy")
	noPlan[frontend.MetaPlan] = []byte("!")
	noPlatforms[exptypes.ExporterPlatformsKey] = nil
	noConfig[exptypes.ExporterImageConfigKey+"/api"] = []byte("[")
	for want, meta := range map[string]map[string][]byte{
		"reading the frontend's plan":         noPlan,
		"the manifest says":                   someResult(t, other, "api", "deploy"),
		"reading the result's platforms":      noPlatforms,
		"the result lacks image deploy":       someResult(t, plan, "api"),
		"reading the config of image api: un": noConfig,
	} {
		if _, err := (&exporters{manifest: someManifest(t)}).answer(meta); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestImagesSayThatTheirSourcesDifferFromTheCommit(t *testing.T) {
	res := gateway.NewResult()
	config := `{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":null},"config":{"Labels":{"` + labels.Commit + `":%q}}}`
	for key, commit := range map[string]string{"": "c0ffee", "/api/linux/amd64": "c0ffee", "/stock": "c0ffee-dirty", "/none": ""} {
		res.AddMeta(exptypes.ExporterImageConfigKey+key, fmt.Appendf(nil, config, commit))
	}
	res.AddMeta(exptypes.ExporterImageBaseConfigKey+"/api", []byte("no JSON"))
	if err := markDirty(res); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{"": "c0ffee-dirty", "/api/linux/amd64": "c0ffee-dirty", "/stock": "c0ffee-dirty", "/none": ""} {
		var got dockerspec.DockerOCIImage
		if err := json.Unmarshal(res.Metadata[exptypes.ExporterImageConfigKey+key], &got); err != nil || got.Config.Labels[labels.Commit] != want || got.Architecture != "amd64" {
			t.Errorf("%q: error %v, config %+v", key, err, got)
		}
	}
	res.AddMeta(exptypes.ExporterImageConfigKey, []byte("no JSON"))
	if err := markDirty(res); err == nil {
		t.Error("a config that is none is read")
	}
}

func TestDigestsAreInTheOrderOfTheExporters(t *testing.T) {
	e := &exporters{images: []string{"api", "deploy"}}
	results := map[int64]*controlapi.Descriptor{0: {Digest: "sha256:a"}, 1: {Digest: "sha256:d"}}
	digests, err := e.match(results)
	if err != nil || !maps.Equal(digests, map[string]string{"api": "sha256:a", "deploy": "sha256:d"}) {
		t.Errorf("%v, %v", digests, err)
	}
	delete(results, 1)
	if _, err := e.match(results); err == nil || !strings.Contains(err.Error(), "lacks the digest of image deploy: it has [0]") {
		t.Error(err)
	}
}

func TestAnswersAreReadFromTheResult(t *testing.T) {
	var a answer
	res := gateway.NewResult()
	res.Metadata = someResult(t, somePlan(), "api", "deploy")
	res.AddMeta("result.json", []byte("{}"))
	if err := a.take(res); err != nil || string(a.json) != "{}" || !slices.Equal(a.plan.PublishOrder(), []string{"api", "deploy"}) {
		t.Errorf("%v, %v", a, err)
	}
	res.AddMeta(frontend.MetaPlan, []byte(base64.StdEncoding.EncodeToString([]byte("{}"))))
	if err := a.take(res); err == nil {
		t.Error("a plan without a schema is read")
	}
}
