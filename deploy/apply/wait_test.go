package apply

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quoitbuild/quoit/deploy"
	"github.com/quoitbuild/quoit/deploy/render"
)

const (
	readyDeployment = `{apiVersion: apps/v1, kind: Deployment, metadata: {name: api, namespace: shop, generation: 1}, spec: {replicas: 1, template: {}}, status: {observedGeneration: 1, replicas: 1, updatedReplicas: 1, readyReplicas: 1, availableReplicas: 1, conditions: [{type: Available, status: 'True'}]}}`
	newDeployment   = `{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: shop, generation: 1}, spec: {replicas: 2, template: {}}, status: {observedGeneration: 1, replicas: 2, updatedReplicas: 2, readyReplicas: 1}}`
	failedJob       = `{apiVersion: batch/v1, kind: Job, metadata: {name: seed, namespace: shop}, status: {conditions: [{type: Failed, status: 'True', message: too slow}]}}`
	settings        = `{apiVersion: v1, kind: ConfigMap, metadata: {name: settings, namespace: shop}}`
)

func TestTheWaitEndsWhenAllIsReadyOrOneHasFailed(t *testing.T) {
	for name, c := range map[string]struct {
		there, applied string // objects, with --- between them
		took           time.Duration
		wants          []string // of the error, none if all is ready
		says           string
	}{
		"nothing to wait for":  {settings, "", 0, nil, ""},
		"all is ready":         {settings + "\n---\n" + readyDeployment, settings + "\n---\n" + readyDeployment, pollInterval, nil, ""},
		"a Job that is gone":   {settings, settings + "\n---\n" + failedJob, 0, nil, ""},
		"one has failed":       {newDeployment + "\n---\n" + failedJob, newDeployment + "\n---\n" + failedJob, 0, []string{"Job/seed is not ready: too slow"}, ""},
		"one is never ready":   {newDeployment, newDeployment, DefaultTimeout, []string{"Deployment/web is not ready: 1 of 2 ready after 5m0s"}, "waiting for Deployment/web (1 of 2 ready)\n"},
		"one that was deleted": {settings, settings + "\n---\n" + readyDeployment, DefaultTimeout, []string{"Deployment/api is not ready: somebody has deleted it after 5m0s"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFake(parse(t, c.there)...).session(t, deploy.Upgrade)
				var out strings.Builder
				s.report.console.out = &out
				var applied []render.Ref
				if c.applied != "" {
					applied = render.Refs(parse(t, c.applied))
				}
				begun := time.Now()
				err := s.cluster.wait(t.Context(), applied)
				if took := time.Since(begun); took < c.took || took > c.took+2*pollInterval {
					t.Errorf("it took %s", took)
				}
				if out.String() != c.says {
					t.Errorf("it says %q", out.String())
				}
				var notReady *NotReadyError
				if (err != nil) != (len(c.wants) > 0) || err != nil && !errors.As(err, &notReady) {
					t.Fatalf("got %v", err)
				}
				for _, want := range c.wants {
					mustFail(t, err, want)
				}
			})
		})
	}
}

// TestAWorkloadThatEndsAtOnceIsNotReady: it is looked at twice.
func TestAWorkloadThatEndsAtOnceIsNotReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(parse(t, readyDeployment)...)
		s := f.session(t, deploy.Upgrade)
		f.looked = func() {
			object := parse(t, readyDeployment)[0]
			status := object.Object["status"].(map[string]any)
			status["readyReplicas"], status["availableReplicas"] = int64(0), int64(0)
			f.add(object)
		}
		err := s.cluster.wait(t.Context(), render.Refs(parse(t, readyDeployment)))
		mustFail(t, err, "Deployment/api is not ready: 0 of 1 ready after 5m0s")
	})
}

func TestReadinessCountsReplicasAndWaitsForJobs(t *testing.T) {
	for text, want := range map[string]readiness{
		"{apiVersion: v1, kind: ConfigMap, metadata: {name: c}}": {ready, ""},
		"{apiVersion: apps/v1, kind: Deployment, metadata: {name: d, generation: 1}, spec: {replicas: 2}, status: {observedGeneration: 1, replicas: 2, updatedReplicas: 2, readyReplicas: 1}}":                            {waiting, "1 of 2 ready"},
		"{apiVersion: apps/v1, kind: Deployment, metadata: {name: d, generation: 2}, spec: {replicas: 1}, status: {observedGeneration: 1, replicas: 1, readyReplicas: 1}}":                                                {waiting, "0 of 1 ready"},
		"{apiVersion: apps/v1, kind: Deployment, metadata: {name: d, generation: 2}, spec: {replicas: 1}, status: {observedGeneration: 2, replicas: 2, updatedReplicas: 1, readyReplicas: 1}}":                            {waiting, "0 of 1 ready"},
		"{apiVersion: apps/v1, kind: Deployment, metadata: {name: d, generation: 2}, spec: {replicas: 3}, status: {observedGeneration: 2, replicas: 4, updatedReplicas: 2, readyReplicas: 3}}":                            {waiting, "1 of 3 ready"},
		"{apiVersion: apps/v1, kind: Deployment, metadata: {name: d, generation: 2}, spec: {replicas: 1}, status: {observedGeneration: 2, replicas: 2, updatedReplicas: 1, readyReplicas: 2}}":                            {waiting, "Pending termination: 1"},
		"{apiVersion: apps/v1, kind: ReplicaSet, metadata: {name: d, generation: 2}, spec: {replicas: 2}, status: {observedGeneration: 2, replicas: 2, fullyLabeledReplicas: 2, readyReplicas: 1, availableReplicas: 1}}": {waiting, "1 of 2 ready"},
		"{apiVersion: batch/v1, kind: Job, metadata: {name: j}, status: {startTime: now}}":                                                                                                                                {waiting, "still running"},
		"{apiVersion: batch/v1, kind: Job, metadata: {name: j}, status: {conditions: [{type: Complete, status: 'True'}]}}":                                                                                                {ready, ""},
		"{apiVersion: batch/v1, kind: Job, metadata: {name: j}, status: {conditions: [{type: Failed, status: 'True', message: too slow}]}}":                                                                               {failed, "too slow"},
	} {
		if got := readinessOf(parse(t, text)[0]); got != want {
			t.Errorf("%s: got %+v, want %+v", text, got, want)
		}
	}
}
