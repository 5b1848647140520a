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
