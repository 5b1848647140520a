package site

import (
	"context"
	"fmt"
	"slices"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
)

// remove deletes a Job and waits until its pods are gone. It reports whether a
// container of them may have run.
func (c *Cluster) remove(ctx context.Context, job *batchv1.Job) (ran bool, err error) {
	doing := fmt.Sprintf("deleting Job %s/%s", job.Namespace, job.Name)
	selector := batchv1.ControllerUidLabel + "=" + string(job.UID)
	pods, err := c.pods(ctx, job)
	if err != nil {
		return true, fmt.Errorf("%s: %w", doing, err)
	}
	for _, pod := range pods.Items {
		ran = ran || started(&pod)
	}
	events, err := c.api.CoreV1().Pods(job.Namespace).Watch(ctx, metav1.ListOptions{LabelSelector: selector, ResourceVersion: pods.ResourceVersion})
	if err != nil {
		return true, fmt.Errorf("%s: %w", doing, err)
	}
	defer events.Stop()
	foreground := metav1.DeletePropagationForeground
	err = c.patiently(ctx, func() error {
		return c.api.BatchV1().Jobs(job.Namespace).Delete(ctx, job.Name, metav1.DeleteOptions{
			PropagationPolicy: &foreground, Preconditions: &metav1.Preconditions{UID: &job.UID},
		})
	})
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		return true, fmt.Errorf("%s: %w", doing, err)
	}
	end := time.Now().Add(removal)
	for {
		is, err := c.api.BatchV1().Jobs(job.Namespace).Get(ctx, job.Name, metav1.GetOptions{})
		gone := apierrors.IsNotFound(err) || err == nil && is.UID != job.UID
		seen, open := drain(events.ResultChan())
		ran = ran || seen || !open
		switch {
		case gone:
			return ran, nil
		case err != nil && !passing(err):
			return true, fmt.Errorf("%s: %w", doing, err)
		case time.Now().After(end):
			return true, fmt.Errorf("%s: it still exists after %s: look at its pods", doing, removal)
		}
		if err := pause(ctx, c.times.poll); err != nil {
			return true, err
		}
	}
}

// removal is how long a Job may take to go: a pod has half a minute to end.
const removal = 2 * time.Minute

// drain reads what a watch of pods has seen so far: whether one of them ran, and
// whether the watch is still open.
func drain(events <-chan watch.Event) (ran, open bool) {
	for {
		select {
		case event, more := <-events:
			if !more {
				return ran, false
			}
			if pod, ok := event.Object.(*corev1.Pod); ok {
				ran = ran || started(pod)
			}
		default:
			return ran, true
		}
	}
}

// sweep deletes Jobs of the site that no deployer waits for any more, but not
// the one that is to be gone on with, if any.
func (c *Cluster) sweep(ctx context.Context, s Site, but string, say func(string)) error {
	jobs, err := c.api.BatchV1().Jobs(s.Namespace).List(ctx, metav1.ListOptions{LabelSelector: labelSite + "=" + s.Name + "," + labelStep})
	if err != nil {
		return explain(s, "looking for Jobs of earlier deploys", err)
	}
	for i, job := range jobs.Items {
		if job.Name == but || finished(&job) {
			continue
		}
		say(fmt.Sprintf("deleting Job %s/%s of an abandoned deploy", job.Namespace, job.Name))
		if _, err := c.remove(ctx, &jobs.Items[i]); err != nil {
			return explain(s, "ending an earlier deploy", err)
		}
	}
	return nil
}

func finished(job *batchv1.Job) bool {
	return slices.ContainsFunc(job.Status.Conditions, func(c batchv1.JobCondition) bool {
		return c.Status == corev1.ConditionTrue && (c.Type == batchv1.JobComplete || c.Type == batchv1.JobFailed)
	})
}

// pods are all of a Job's that are there.
func (c *Cluster) pods(ctx context.Context, job *batchv1.Job) (*corev1.PodList, error) {
	return c.api.CoreV1().Pods(job.Namespace).List(ctx, metav1.ListOptions{LabelSelector: batchv1.ControllerUidLabel + "=" + string(job.UID)})
}
