package apply

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/quoitbuild/quoit/deploy"
	"github.com/quoitbuild/quoit/deploy/render"
	"github.com/quoitbuild/quoit/versioning"
)

func TestAHookJobIsToldWhatHappens(t *testing.T) {
	job := parse(t, `{apiVersion: batch/v1, kind: Job, metadata: {name: migrate}, spec: {template: {spec: {
  initContainers: [{name: i}], containers: [{name: c, env: [{name: A, value: b}, {name: QUOIT_ACTION, value: mine}]}]}}}}`)[0]
	request := Request{Target: render.Target{Site: "eu", Ring: "users", Action: deploy.Upgrade, To: versioning.Version{Major: 1, Minor: 2}}}
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

// TestWhatHooksNeedIsAppliedInOrder: whatever the names are.
func TestWhatHooksNeedIsAppliedInOrder(t *testing.T) {
	f := newFake()
	s := f.session(t, deploy.Upgrade)
	for _, object := range parse(t, `{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: shop}}
---
{apiVersion: v1, kind: ServiceAccount, metadata: {name: b, namespace: shop}}`) {
		s.objects.Hooks = append(s.objects.Hooks, render.Hook{Object: object, Points: []string{"pre-upgrade"}})
	}
	if err := s.runHooks(t.Context(), "pre-upgrade"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"apply ServiceAccount/b", "apply ConfigMap/a"}, f.writes); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
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
