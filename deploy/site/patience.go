package site

import (
	"fmt"
	"slices"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
)

// patience knows when a Job must have ended. Kubernetes says that one has failed
// when all its pods have ended, which those of a dead node never do. Times are
// measured by this clock alone, from when the Job was looked at first.
type patience struct {
	begun   time.Time
	most    time.Duration // that the Job gives itself
	failing time.Time     // since when it only waits for its pods
}

// judge says how a Job stands, and that it is over if it must be.
func (p *patience) judge(s sight, now time.Time) verdict {
	v := judge(s)
	if !v.over && p.over(s.job, now) {
		v.over, v.cause, v.message = true, TooLong, unended(s.pod)
	}
	return v
}

// over reports whether the Job is not to be waited for any more.
func (p *patience) over(job *batchv1.Job, now time.Time) bool {
	failing := slices.ContainsFunc(job.Status.Conditions, func(c batchv1.JobCondition) bool {
		return c.Type == batchv1.JobFailureTarget && c.Status == corev1.ConditionTrue
	})
	if failing && p.failing.IsZero() {
		p.failing = now
	}
	return failing && now.Sub(p.failing) > removal || now.Sub(p.begun) > p.most+removal
}

// deadline is how long the Job may be active, which whoever started it chose.
func (r *run) deadline() time.Duration {
	if seconds := r.job.Spec.ActiveDeadlineSeconds; seconds != nil {
		return time.Duration(*seconds) * time.Second
	}
	return r.task.Timeout + r.task.Start
}

// unended says of a Job that must have ended what keeps it, and what to do.
func unended(pod *corev1.Pod) string {
	if pod == nil {
		return "its Job has not ended, although it has no pod: look at the cluster's Job controller"
	}
	return fmt.Sprintf("pod %s/%s has not ended on node %s: if that node is dead, delete it from the cluster: its pod goes with it",
		pod.Namespace, pod.Name, pod.Spec.NodeName)
}
