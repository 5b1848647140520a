package site

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func ended(kind batchv1.JobConditionType, reason string) *batchv1.Job {
	return &batchv1.Job{Status: batchv1.JobStatus{Conditions: []batchv1.JobCondition{
		{Type: batchv1.JobSuspended, Status: corev1.ConditionFalse},
		{Type: kind, Status: corev1.ConditionTrue, Reason: reason, Message: "the Job says"},
	}}}
}

func podWith(state corev1.ContainerState) *corev1.Pod {
	return &corev1.Pod{Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{State: state}}}}
}

func TestJudge(t *testing.T) {
	young, some := &batchv1.Job{}, metav1.NewTime(time.Unix(1_700_000_000, 0))
	exit := func(code int32, reason, message string) *corev1.Pod {
		return podWith(corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: code, Reason: reason, Message: message, StartedAt: some}})
	}
	evicted := exit(137, "Error", "")
	evicted.Status.Reason, evicted.Status.Message = "Evicted", "The node was low on resource: memory."
	drained := exit(143, "Error", "")
	drained.Status.Conditions = []corev1.PodCondition{{Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue, Reason: "EvictionByEvictionAPI", Message: "drained"}}
	killed := exit(137, "Error", "")
	killed.DeletionTimestamp = &some
	unplaced := &corev1.Pod{Status: corev1.PodStatus{Conditions: []corev1.PodCondition{
		{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: "Unschedulable", Message: "0/1 nodes are available"}}}}
	refused := &corev1.Pod{Status: corev1.PodStatus{Phase: corev1.PodFailed, Reason: "OutOfmemory", Message: "the node has no memory"}}
	events := []corev1.Event{
		{Type: corev1.EventTypeWarning, Reason: "FailedCreate", Message: "exceeded quota:\n pods", LastTimestamp: some},
		{Type: corev1.EventTypeNormal, Reason: "Created", Message: "of no interest", LastTimestamp: metav1.NewTime(some.Add(time.Hour))},
	}
	for _, test := range []struct {
		name string
		sight
		want verdict
	}{
		{"it is young", sight{job: young}, verdict{}},
		{"no pod may be made", sight{job: young, events: events}, verdict{message: "FailedCreate: exceeded quota: pods"}},
		{"no node takes it", sight{job: young, pod: unplaced}, verdict{message: "Unschedulable: 0/1 nodes are available"}},
		{"its image cannot be pulled", sight{job: young, events: events, pod: podWith(corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ErrImagePull", Message: "not found"}})},
			verdict{message: "ErrImagePull: not found"}},
		{"it is created", sight{job: young, pod: podWith(corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ContainerCreating"}})}, verdict{}},
		{"it runs", sight{job: young, pod: podWith(corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: some}})}, verdict{started: true}},
		{"it has ended, and its Job does not know yet", sight{job: young, pod: exit(0, "Completed", "")}, verdict{started: true}},
		{"its time is over, and its pod is gone already", sight{job: ended(batchv1.JobFailureTarget, "DeadlineExceeded")}, verdict{started: true}},
		{"it had a pod", sight{job: &batchv1.Job{Status: batchv1.JobStatus{Terminating: new(int32(1))}}}, verdict{started: true}},
		{"it was done", sight{job: ended(batchv1.JobComplete, "CompletionsReached"), pod: exit(0, "Completed", "")}, verdict{over: true, started: true}},
		{"it was done, and its pod is gone", sight{job: ended(batchv1.JobComplete, "")}, verdict{over: true}},
		{"it failed", sight{job: ended(batchv1.JobFailed, "BackoffLimitExceeded"), pod: exit(3, "Error", "first\nmigration 7 is broken\n")},
			verdict{over: true, started: true, cause: Exited, message: "exit code 3: migration 7 is broken"}},
		{"it says why it failed", sight{job: ended(batchv1.JobFailed, "BackoffLimitExceeded"), pod: exit(1, "Error", "error: something is forbidden\nthis rule is missing:\n- {verbs: [get]}\n")},
			verdict{over: true, started: true, cause: Exited, message: "exit code 1: something is forbidden\nthis rule is missing:\n- {verbs: [get]}"}},
		{"it has no such program", sight{job: ended(batchv1.JobFailed, "BackoffLimitExceeded"),
			pod: podWith(corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 128, Reason: "StartError", Message: "exec: no such file", StartedAt: metav1.Unix(0, 0)}})},
			verdict{over: true, cause: Exited, message: "StartError: exec: no such file"}},
		{"it took too much memory", sight{job: ended(batchv1.JobFailed, ""), pod: exit(137, "OOMKilled", "")},
			verdict{over: true, started: true, cause: Exited, message: "it was killed because it used too much memory"}},
		{"it took too long", sight{job: ended(batchv1.JobFailed, "DeadlineExceeded"), pod: killed}, verdict{over: true, started: true, cause: TooLong}},
		{"its node made room", sight{job: ended(batchv1.JobFailed, ""), pod: evicted},
			verdict{over: true, started: true, cause: Evicted, message: "The node was low on resource: memory."}},
		{"its node was drained", sight{job: ended(batchv1.JobFailed, ""), pod: drained}, verdict{over: true, started: true, cause: Evicted, message: "drained"}},
		{"its node does not take it after all", sight{job: ended(batchv1.JobFailed, ""), pod: refused},
			verdict{over: true, cause: Exited, message: "OutOfmemory: the node has no memory"}},
		{"its pod was deleted", sight{job: ended(batchv1.JobFailed, ""), pod: killed}, verdict{over: true, started: true, cause: Gone, message: "its pod was deleted"}},
		{"its process was killed", sight{job: ended(batchv1.JobFailed, "BackoffLimitExceeded"), pod: exit(137, "Error", "first\nrunning migration 7\n")},
			verdict{over: true, started: true, cause: Exited, message: "it was killed (exit code 137) after it printed: running migration 7"}},
		{"its process was killed before it printed anything", sight{job: ended(batchv1.JobFailed, "BackoffLimitExceeded"), pod: exit(137, "Error", "")},
			verdict{over: true, started: true, cause: Exited, message: "it was killed (exit code 137)"}},
		{"its pod was deleted and is gone", sight{job: ended(batchv1.JobFailed, "BackoffLimitExceeded")}, verdict{over: true, cause: Gone, message: "its pod was deleted"}},
		{"its pod ran when it was last seen, and is gone", sight{job: ended(batchv1.JobFailed, "BackoffLimitExceeded"), pod: podWith(corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: some}})},
			verdict{over: true, started: true, cause: Gone, message: "its pod was deleted"}},
		{"its pod is gone", sight{job: ended(batchv1.JobFailed, "")}, verdict{over: true, cause: Gone, message: "the Job says"}},
		{"the Job is gone", sight{}, verdict{over: true, cause: Gone}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, judge(test.sight), cmp.AllowUnexported(verdict{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
