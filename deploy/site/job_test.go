package site

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/quoitbuild/quoit/deploy"
	"github.com/quoitbuild/quoit/manifest"
	"github.com/quoitbuild/quoit/versioning"
)

func someTask() Task {
	root := "registry.example.com/acme/shop/deploy@sha256:" + strings.Repeat("1", 64)
	return Task{
		Site: Site{Project: "acme/shop", Site: manifest.Site{Name: "eu", Environment: "prod", Ring: "users", Namespace: "shop", Scope: manifest.ScopeNamespace}},
		Step: deploy.Step{Action: deploy.Upgrade, Run: deploy.Release{Version: versioning.Version{Minor: 2}, Digest: "sha256:" + strings.Repeat("1", 64)},
			From: versioning.Version{Minor: 1}, To: versioning.Version{Minor: 2}},
		Images:  Images{Root: root, All: map[string]string{"deploy": root, "postgres": "docker.io/library/postgres@sha256:2"}},
		Timeout: time.Minute, Start: time.Minute, Attempt: "1",
	}
}

func TestVariables(t *testing.T) {
	var got []string
	step := someTask().Step
	step.From = versioning.Version{}
	for _, v := range Variables(someTask().Site, step, true) {
		got = append(got, v.Name+"="+v.Value)
	}
	want := []string{"QUOIT_PROJECT=acme/shop", "QUOIT_SITE=eu", "QUOIT_ENVIRONMENT=prod", "QUOIT_RING=users", "QUOIT_NAMESPACE=shop", "QUOIT_SCOPE=namespace",
		"QUOIT_ACTION=upgrade", "QUOIT_FROM_VERSION=", "QUOIT_TO_VERSION=0.2.0", "QUOIT_RELEASE=/run/quoit/release.json", "QUOIT_ADOPT=1"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestJobNames: a Job of the same name does the same, and for the same attempt.
func TestJobNames(t *testing.T) {
	names := map[string]string{}
	for what, change := range map[string]func(*Task){
		"nothing":       func(*Task) {},
		"the attempt":   func(t *Task) { t.Attempt = "2" },
		"the step":      func(t *Task) { t.Step.Action = deploy.Install },
		"the version":   func(t *Task) { t.Step.From = versioning.Version{} },
		"the site":      func(t *Task) { t.Site.Name = "us" },
		"the overlay":   func(t *Task) { t.Site.Environment = "test" },
		"the scope":     func(t *Task) { t.Site.Scope = manifest.ScopeCluster },
		"the root":      func(t *Task) { t.Images.Root += "1" },
		"another image": func(t *Task) { t.Images.All = map[string]string{"deploy": "x"} },
		"taking over":   func(t *Task) { t.TakeOver = true },
	} {
		task := someTask()
		change(&task)
		if other, taken := names[task.name()]; taken {
			t.Errorf("%s and %s make the same name", what, other)
		}
		names[task.name()] = what
	}
	patient := someTask()
	patient.Timeout *= 2
	if names[patient.name()] != "nothing" {
		t.Error("another timeout makes another Job, so a deploy that was stopped is not gone on with")
	}
	long := someTask()
	long.Site.Name = strings.Repeat("s", 40)
	if len(long.name()) > 63 {
		t.Errorf("the name has %d characters", len(long.name()))
	}
}

// TestJobsFitUnderAQuota: a quota on limits refuses a pod that has none, and a
// LimitRange one whose limits are too many times its requests.
func TestJobsFitUnderAQuota(t *testing.T) {
	const most = 50
	pod := someTask().job().Spec.Template.Spec
	for _, c := range slices.Concat(pod.InitContainers, pod.Containers) {
		for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
			request, limit := c.Resources.Requests[name], c.Resources.Limits[name]
			if request.Sign() <= 0 || limit.Cmp(request) < 0 || limit.MilliValue() > most*request.MilliValue() {
				t.Errorf("container %s requests %s of %s, its limit is %s", c.Name, request.String(), name, limit.String())
			}
		}
	}
}

func TestAReleaseThatNoConfigMapTakes(t *testing.T) {
	task := someTask()
	for i := range 6000 {
		task.Images.All[fmt.Sprint(i)] = "registry.example.com/acme/shop/image@sha256:" + strings.Repeat("1", 128)
	}
	if _, err := task.files(task.job()); err == nil || !strings.Contains(err.Error(), "6002 images") {
		t.Errorf("error %v", err)
	}
}
