package apply

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
)

// Bounds of what is looked at for people.
const (
	maxPods     = 50
	logLines    = 20
	maxLogBytes = 16 << 10
)

// podReader looks at pods to find out why something does not run.
type podReader struct {
	api     corev1client.PodsGetter
	console *console // knows what is secret
}

// diagnosis is why pods do not run as they should.
type diagnosis struct {
	problems []string // of pods, each once
	log      []string
	hidden   error // why the pods could not be seen
}

// reason is all problems in one line, "" if there are none.
func (d diagnosis) reason() string { return strings.Join(d.problems, "; ") }

// why is the reason for a failure, also if that is a right that is missing.
func (d diagnosis) why() string {
	if d.hidden != nil {
		return fmt.Sprintf("the cause cannot be seen: %v", d.hidden)
	}
	return d.reason()
}

// diagnose looks at the pods of a workload, or at a pod itself. It says as much
// as the account may know.
func (p podReader) diagnose(ctx context.Context, object *unstructured.Unstructured) diagnosis {
	var d diagnosis
	pods, err := p.podsOf(ctx, object)
	if apierrors.IsForbidden(err) {
		d.hidden = err
	}
	for _, pod := range pods {
		problem, container, previous := podProblem(pod)
		if problem == "" {
			continue
		}
		if !slices.Contains(d.problems, problem) {
			d.problems = append(d.problems, problem)
		}
		if d.log == nil && container != "" {
			d.log = p.lastLines(ctx, pod, container, previous)
		}
	}
	return d
}

func (p podReader) podsOf(ctx context.Context, object *unstructured.Unstructured) ([]corev1.Pod, error) {
	pods := p.api.Pods(object.GetNamespace())
	if object.GroupVersionKind().GroupKind().String() == "Pod" {
		pod, err := pods.Get(ctx, object.GetName(), metav1.GetOptions{})
		if err != nil {
			return nil, err
		}
		return []corev1.Pod{*pod}, nil
	}
	selector, found, err := unstructured.NestedStringMap(object.Object, "spec", "selector", "matchLabels")
	if object.GetKind() == "Job" {
		// The Job that was asked for may be our own copy, without the selector.
		selector, found, err = map[string]string{"job-name": object.GetName()}, true, nil
	}
	if err != nil || !found || len(selector) == 0 {
		return nil, err
	}
	list, err := pods.List(ctx, metav1.ListOptions{LabelSelector: labels.Set(selector).String(), Limit: maxPods})
	if err != nil {
		return nil, err
	}
	return list.Items, nil
}

// podProblem is why a pod does not run, "" if it does or may still come to it,
// and the container whose log may tell more.
func podProblem(pod corev1.Pod) (problem, container string, previous bool) {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
			return fmt.Sprintf("a pod cannot be scheduled (%s): %s", c.Reason, c.Message), "", false
		}
	}
	for _, list := range [][]corev1.ContainerStatus{pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses} {
		for _, c := range list {
			if problem, previous := containerProblem(c); problem != "" {
				return problem, c.Name, previous
			}
		}
	}
	if pod.Status.Phase == corev1.PodFailed && pod.Status.Reason != "" { // evicted, for one
		return fmt.Sprintf("a pod failed (%s): %s", pod.Status.Reason, pod.Status.Message), "", false
	}
	return "", "", false
}

func containerProblem(c corev1.ContainerStatus) (problem string, previous bool) {
	waiting, ended, before := c.State.Waiting, c.State.Terminated, c.LastTerminationState.Terminated
	switch {
	case c.RestartCount > 0 && before != nil && before.ExitCode != 0 && !c.Ready:
		// It may run just now, or wait for its next try: that is all the same.
		return fmt.Sprintf("container %s keeps failing with exit code %d (%s)", c.Name, before.ExitCode, before.Reason), ended == nil
	case waiting != nil && waiting.Reason != "" && waiting.Reason != "ContainerCreating" && waiting.Reason != "PodInitializing":
		return fmt.Sprintf("container %s: %s: %s", c.Name, waiting.Reason, waiting.Message), false
	case ended != nil && ended.ExitCode != 0:
		problem = fmt.Sprintf("container %s ended with exit code %d (%s)", c.Name, ended.ExitCode, ended.Reason)
		if ended.Message != "" {
			problem += ": " + ended.Message
		}
		return problem, false
	}
	return "", false
}

// lastLines are the end of a container's log, nothing if there is none, or which
// right is missing to read it. The container may have ended or begun again since
// its pod was read, so its log may be that of the previous one now, or no more.
func (p podReader) lastLines(ctx context.Context, pod corev1.Pod, container string, previous bool) []string {
	for _, which := range []bool{previous, !previous} {
		text, err := p.endOfLog(ctx, pod, container, which)
		if apierrors.IsForbidden(err) {
			return []string{fmt.Sprintf("(the log cannot be read: %v)", err)}
		}
		if err == nil && text != "" && !strings.HasPrefix(text, logIsGone) {
			return strings.Split(text, "\n")
		}
	}
	return nil
}

// logIsGone begins what a kubelet sends in the place of the log of a container
// that it has removed.
const logIsGone = "unable to retrieve container logs for "

func (p podReader) endOfLog(ctx context.Context, pod corev1.Pod, container string, previous bool) (string, error) {
	tail, limit := int64(logLines), int64(maxLogBytes)
	stream, err := p.api.Pods(pod.Namespace).GetLogs(pod.Name, &corev1.PodLogOptions{
		Container: container, Previous: previous, TailLines: &tail, LimitBytes: &limit,
	}).Stream(ctx)
	if err != nil {
		return "", err
	}
	defer stream.Close()
	data, err := io.ReadAll(io.LimitReader(stream, limit))
	return strings.TrimRight(p.console.values.mask(string(data)), "\n"), err
}
