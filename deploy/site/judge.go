package site

import (
	"fmt"
	"slices"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/quoitbuild/quoit/internal/show"
)

// sight is what can be seen of a Job.
type sight struct {
	job    *batchv1.Job // nil: there is none any more
	pod    *corev1.Pod  // the newest one as it was seen last, nil if none was
	events []corev1.Event
}

// verdict is what that means.
type verdict struct {
	over    bool   // it has ended
	cause   Cause  // why it has not ended well, "" if it has
	started bool   // its container runs or has run
	message string // why it failed, or what it waits for
}

// judge says how a Job stands.
func judge(s sight) verdict {
	v := verdict{started: s.pod != nil && started(s.pod) || s.job != nil && hadPods(s.job)}
	if s.job == nil {
		v.over, v.cause = true, Gone
		return v
	}
	for _, c := range s.job.Status.Conditions {
		if c.Status != corev1.ConditionTrue {
			continue
		}
		switch c.Type {
		case batchv1.JobComplete:
			v.over = true
			return v
		case batchv1.JobFailed:
			v.over = true
			v.cause, v.message = failure(s, c)
			return v
		}
	}
	if s.job.DeletionTimestamp == nil && !v.started {
		v.message = waiting(s)
	}
	return v
}

// started reports whether the container of a pod runs or has run. Once it is
// true of a pod it stays so.
func started(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.ContainerStatuses, func(c corev1.ContainerStatus) bool {
		return c.State.Running != nil || c.State.Terminated != nil && c.State.Terminated.StartedAt.Unix() > 0
	})
}

// hadPods reports whether a Job has or had pods that may have run, and may be
// gone by now.
func hadPods(job *batchv1.Job) bool {
	status := job.Status
	terminating, ready := status.Terminating, status.Ready
	return status.Failed > 0 || status.Succeeded > 0 || terminating != nil && *terminating > 0 || ready != nil && *ready > 0 ||
		slices.ContainsFunc(status.Conditions, func(c batchv1.JobCondition) bool {
			return c.Status == corev1.ConditionTrue && (c.Type == batchv1.JobFailureTarget || c.Type == batchv1.JobSuccessCriteriaMet)
		})
}

func failure(s sight, condition batchv1.JobCondition) (Cause, string) {
	if condition.Reason == batchv1.JobReasonDeadlineExceeded {
		return TooLong, ""
	}
	gone := condition.Message
	if condition.Reason == batchv1.JobReasonBackoffLimitExceeded && (s.pod == nil || s.pod.Status.Phase != corev1.PodFailed) {
		gone = "its pod was deleted" // and not that the limit, of 0, was reached
	}
	if s.pod == nil {
		return Gone, gone
	}
	status := s.pod.Status
	if i := slices.IndexFunc(status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.DisruptionTarget && c.Status == corev1.ConditionTrue
	}); status.Reason == "Evicted" || i >= 0 && status.Conditions[i].Reason != "DeletionByTaintManager" {
		message := status.Message
		if message == "" && i >= 0 {
			message = status.Conditions[i].Message
		}
		return Evicted, line(message)
	}
	if s.pod.DeletionTimestamp != nil {
		return Gone, "its pod was deleted"
	}
	for _, c := range status.ContainerStatuses {
		if end := c.State.Terminated; end != nil {
			return Exited, terminated(end)
		}
	}
	if status.Message != "" {
		return Exited, line(status.Reason + ": " + status.Message)
	}
	return Gone, gone
}

func terminated(end *corev1.ContainerStateTerminated) string {
	switch {
	case end.Reason == "OOMKilled":
		return "it was killed because it used too much memory"
	case end.Reason != "" && end.Reason != "Error": // it could not be run at all
		return line(fmt.Sprintf("%s: %s", end.Reason, end.Message))
	case end.Signal != 0:
		return fmt.Sprintf("it was killed by signal %d", end.Signal)
	}
	message := strings.TrimSpace(end.Message)
	lines := strings.Split(message, "\n") // the end of its log
	last := lines[len(lines)-1]
	switch {
	case end.ExitCode == killed && last == "":
		return fmt.Sprintf("it was killed (exit code %d)", killed)
	case end.ExitCode == killed: // what it printed is not why
		return line(fmt.Sprintf("it was killed (exit code %d) after it printed: %s", killed, last))
	}
	if said, whole := strings.CutPrefix(message, "error: "); whole { // as quoit apply does
		return fmt.Sprintf("exit code %d: %s", end.ExitCode, cut(said, maxSaid))
	}
	return line(strings.TrimSpace(fmt.Sprintf("exit code %d: %s", end.ExitCode, last)))
}

const (
	maxSaid = 4 << 10 // bytes; Kubernetes keeps no more
	killed  = 128 + 9 // exit code of whom SIGKILL has ended
)

// waiting says why a Job does not run yet, "" if it is only young.
func waiting(s sight) string {
	if s.pod != nil {
		for _, c := range s.pod.Status.ContainerStatuses {
			if w := c.State.Waiting; w != nil && w.Message != "" {
				return line(w.Reason + ": " + w.Message)
			}
		}
		for _, c := range s.pod.Status.Conditions {
			if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse && c.Message != "" {
				return line(c.Reason + ": " + c.Message)
			}
		}
	}
	var newest *corev1.Event
	for i, e := range s.events {
		if e.Type == corev1.EventTypeWarning && (newest == nil || !e.LastTimestamp.Before(&newest.LastTimestamp)) {
			newest = &s.events[i]
		}
	}
	if newest == nil {
		return ""
	}
	return line(newest.Reason + ": " + newest.Message)
}

// line is what others wrote as one line of bounded length.
func line(text string) string {
	const most = 1000 // characters
	return show.Short(strings.Join(strings.Fields(text), " "), most)
}
