package apply

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func TestPodProblemsAreNamed(t *testing.T) {
	container := func(status corev1.ContainerStatus) corev1.Pod {
		status.Name = "web"
		return corev1.Pod{Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{status}}}
	}
	waiting := func(reason string) corev1.ContainerState {
		return corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: "message"}}
	}
	ended := func(code int32) corev1.ContainerState {
		return corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: code, Reason: "Error"}}
	}
	running := corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
	for name, c := range map[string]struct {
		pod      corev1.Pod
		want     string
		previous bool
	}{
		"a pod that has just begun": {corev1.Pod{}, "", false},
		"a pod without a node": {corev1.Pod{Status: corev1.PodStatus{Conditions: []corev1.PodCondition{
			{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: "Unschedulable", Message: "0/1 nodes"}}}}, "cannot be scheduled (Unschedulable): 0/1 nodes", false},
		"an evicted pod":               {corev1.Pod{Status: corev1.PodStatus{Phase: corev1.PodFailed, Reason: "Evicted", Message: "low on memory"}}, "failed (Evicted): low on memory", false},
		"an image that is not there":   {container(corev1.ContainerStatus{State: waiting("ImagePullBackOff")}), "container web: ImagePullBackOff: message", false},
		"a container that is created":  {container(corev1.ContainerStatus{State: waiting("ContainerCreating")}), "", false},
		"a container that runs":        {container(corev1.ContainerStatus{State: running, Ready: true}), "", false},
		"one that ended":               {container(corev1.ContainerStatus{State: ended(3)}), "ended with exit code 3", false},
		"one that ended well":          {container(corev1.ContainerStatus{State: ended(0)}), "", false},
		"one that waits to begin anew": {container(corev1.ContainerStatus{RestartCount: 1, State: waiting("CrashLoopBackOff"), LastTerminationState: ended(3)}), "keeps failing with exit code 3", true},
		"one that has begun anew":      {container(corev1.ContainerStatus{RestartCount: 1, State: running, LastTerminationState: ended(3)}), "keeps failing with exit code 3", true},
		"one that ended anew":          {container(corev1.ContainerStatus{RestartCount: 1, State: ended(3), LastTerminationState: ended(3)}), "keeps failing with exit code 3", false},
		"one that is ready at last":    {container(corev1.ContainerStatus{RestartCount: 1, State: running, Ready: true, LastTerminationState: ended(3)}), "", false},
	} {
		t.Run(name, func(t *testing.T) {
			problem, _, previous := podProblem(c.pod)
			if !strings.Contains(problem, c.want) || (problem == "") != (c.want == "") || previous != c.previous {
				t.Errorf("got %q, %v", problem, previous)
			}
		})
	}
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
