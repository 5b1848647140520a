package apply

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/quoitbuild/quoit/deploy"
	"github.com/quoitbuild/quoit/deploy/render"
)

const leftJobs = `{apiVersion: batch/v1, kind: Job, metadata: {name: runs, namespace: shop, labels: {quoit.build/site: eu, quoit.build/project: acme.shop}, annotations: {quoit.build/hook: pre-upgrade}}, status: {active: 1}}
---
{apiVersion: batch/v1, kind: Job, metadata: {name: done, namespace: shop, labels: {quoit.build/site: eu, quoit.build/project: acme.shop}, annotations: {quoit.build/hook: pre-upgrade}}, status: {conditions: [{type: Complete, status: 'True'}]}}
---
{apiVersion: batch/v1, kind: Job, metadata: {name: failed, namespace: shop, labels: {quoit.build/site: eu, quoit.build/project: acme.shop}, annotations: {quoit.build/hook: pre-upgrade}}, status: {conditions: [{type: Failed, status: 'True'}]}}
---
{apiVersion: batch/v1, kind: Job, metadata: {name: ends, namespace: shop, labels: {quoit.build/site: eu, quoit.build/project: acme.shop}, annotations: {quoit.build/hook: pre-upgrade}}, status: {conditions: [{type: FailureTarget, status: 'True'}]}}
---
{apiVersion: batch/v1, kind: Job, metadata: {name: plain, namespace: shop, labels: {quoit.build/site: eu, quoit.build/project: acme.shop}}, status: {active: 1}}
---
{apiVersion: batch/v1, kind: Job, metadata: {name: theirs, namespace: shop, labels: {quoit.build/site: us, quoit.build/project: acme.shop}, annotations: {quoit.build/hook: pre-upgrade}}, status: {active: 1}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: needed, namespace: shop, annotations: {quoit.build/hook: pre-upgrade}}}`

// TestHooksOfADeadRunEndBeforeTheNextOnes: whatever is done next.
func TestHooksOfADeadRunEndBeforeTheNextOnes(t *testing.T) {
	for _, action := range []deploy.Action{deploy.Install, deploy.Upgrade, deploy.Downgrade, deploy.Restore, deploy.Uninstall} {
		t.Run(string(action), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(parse(t, leftJobs)...)
				s := f.session(t, action)
				s.held.objects = append(s.held.objects, render.Ref{Group: "batch", Version: "v1", Kind: "Job", Namespace: "shop", Name: "gone"})
				next := parse(t, `{apiVersion: batch/v1, kind: Job, metadata: {name: next}}`)[0]
				s.objects.Hooks = []render.Hook{{Object: next, Points: []string{render.Pre(action)}}}
				mustFail(t, s.change(t.Context()), "Job/next has no spec") // so nothing comes after it
				want := []string{"apply ConfigMap/quoit-eu-inventory",
					"delete Job/ends (Foreground)", "Job/ends is gone", "delete Job/runs (Foreground)", "Job/runs is gone"}
				if diff := cmp.Diff(want, f.writes); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
			})
		})
	}
	t.Run("in a dry run", func(t *testing.T) {
		f := newFake(parse(t, leftJobs)...)
		s := f.sessionFor(t, Request{Target: render.Target{Project: "acme/shop", Site: "eu", Namespace: "shop", Action: deploy.Downgrade}, DryRun: true})
		if err := s.change(t.Context()); err != nil || len(f.writes) > 0 {
			t.Errorf("%v, it writes %q", err, f.writes)
		}
	})
}

// TestAHookThatTakesTooLongIsGoneThen: with its pods.
func TestAHookThatTakesTooLongIsGoneThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		s := f.session(t, deploy.Upgrade)
		job := parse(t, `{apiVersion: batch/v1, kind: Job, metadata: {name: migrate, namespace: shop}, spec: {template: {}}}`)[0]
		begun := time.Now()
		err := s.hooks.runJob(t.Context(), "pre-upgrade", job)
		if took := time.Since(begun); took < DefaultTimeout || took > DefaultTimeout+10*pollInterval {
			t.Errorf("it took %s", took)
		}
		var failure *HookError
		if !errors.As(err, &failure) {
			t.Fatalf("got %v", err)
		}
		mustFail(t, err, "pre-upgrade hook Job/migrate: did not end within 5m0s")
		want := []string{"create Job/migrate", "delete Job/migrate (Foreground)", "Job/migrate is gone"}
		if diff := cmp.Diff(want, f.writes); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	})
}
