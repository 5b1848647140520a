package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/quoitbuild/quoit/deploy/render"
)

// NotReadyError says that an object did not become ready.
type NotReadyError struct {
	Object string
	Reason string
	Log    []string // last lines of the container to blame, if they could be read
}

// Error has the reason and the last lines.
func (e *NotReadyError) Error() string {
	return fmt.Sprintf("%s is not ready: %s%s", e.Object, e.Reason, logText(e.Log))
}

// state of an object.
type state int

const (
	waiting state = iota
	ready
	failed
)

// readiness is how far an object is.
type readiness struct {
	state  state
	reason string // for people
}

// readinessOf is what kstatus says, with two differences: a Job is ready when it
// is done, not when it has begun, and replicas are counted until enough are ready.
func readinessOf(object *unstructured.Unstructured) readiness {
	result, err := status.Compute(object)
	if err != nil {
		return readiness{waiting, err.Error()}
	}
	gk := object.GroupVersionKind().GroupKind().String()
	switch result.Status {
	case status.FailedStatus:
		return readiness{failed, failureOf(object, result.Message)}
	case status.CurrentStatus:
		if gk == "Job.batch" && !hasCondition(object, "Complete") {
			return readiness{waiting, "still running"}
		}
		return readiness{ready, ""}
	}
	switch gk {
	case "Deployment.apps", "StatefulSet.apps", "ReplicaSet.apps":
		wanted, found, _ := unstructured.NestedInt64(object.Object, "spec", "replicas")
		if !found {
			wanted = 1
		}
		if have := readyReplicas(object); have < wanted {
			return readiness{waiting, fmt.Sprintf("%d of %d ready", have, wanted)}
		}
	}
	return readiness{waiting, result.Message}
}

// readyReplicas is how many replicas of a workload are ready; those that a
// Deployment is about to replace, which stay until others are, do not count.
func readyReplicas(object *unstructured.Unstructured) int64 {
	count := func(field string) int64 {
		n, _, _ := unstructured.NestedInt64(object.Object, "status", field)
		return n
	}
	if object.GetKind() != "Deployment" {
		return count("readyReplicas")
	}
	old := count("replicas") - count("updatedReplicas")
	return max(0, count("readyReplicas")-old)
}

// failureOf is the message of the condition that says that an object failed.
func failureOf(object *unstructured.Unstructured, otherwise string) string {
	for _, c := range conditions(object) {
		message, _ := c["message"].(string)
		if c["type"] == "Failed" && c["status"] == "True" && message != "" {
			return message
		}
	}
	return otherwise
}

func hasCondition(object *unstructured.Unstructured, kind string) bool {
	return slices.ContainsFunc(conditions(object), func(c map[string]any) bool { return c["type"] == kind && c["status"] == "True" })
}

func conditions(object *unstructured.Unstructured) []map[string]any {
	list, _, _ := unstructured.NestedSlice(object.Object, "status", "conditions")
	var all []map[string]any
	for _, item := range list {
		if fields, ok := item.(map[string]any); ok {
			all = append(all, fields)
		}
	}
	return all
}

// waiter waits for objects.
type waiter struct {
	*cluster
	pending []render.Ref
	told    map[render.Ref]string // what was said of an object
	reasons map[render.Ref]string // why it is still waited for
	failed  []error
	// again are workloads that were ready once. They are looked at a second
	// time: without a probe a container is ready as soon as it has begun, even
	// if it ends at once.
	again      []render.Ref
	confirming bool
}

// wait returns when all objects are ready, or when none of the others can
// become it in time: then with a [*NotReadyError] for each.
func (c *cluster) wait(ctx context.Context, objects []render.Ref) error {
	if len(objects) == 0 {
		return nil
	}
	w := &waiter{cluster: c, pending: slices.Clone(objects), told: map[render.Ref]string{}, reasons: map[render.Ref]string{}}
	begun := time.Now()
	err := wait.PollUntilContextTimeout(ctx, pollInterval, c.timeout, true, func(ctx context.Context) (bool, error) {
		return w.round(ctx, time.Since(begun))
	})
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil && !wait.Interrupted(err):
		return err
	}
	for _, r := range w.pending {
		w.fail(ctx, r, w.reasons[r]+" after "+c.timeout.String())
	}
	return errors.Join(w.failed...)
}

// round looks at every object that is not ready. It is done when all are, or as
// soon as one has failed.
func (w *waiter) round(ctx context.Context, since time.Duration) (bool, error) {
	var still []render.Ref
	for i, r := range w.pending {
		live := r.Empty()
		err := w.Get(ctx, client.ObjectKeyFromObject(live), live)
		switch {
		case apierrors.IsNotFound(err) && r.Kind == "Job":
			continue // done, and its time to live is over
		case apierrors.IsNotFound(err):
			w.reasons[r] = "somebody has deleted it"
			still = append(still, r)
			continue
		case err != nil:
			if err := w.transient(ctx, r, err); err != nil {
				return false, explain(err)
			}
			// If only the time is over, that says nothing of the object.
			if deadline, _ := ctx.Deadline(); w.reasons[r] == "" || time.Until(deadline) > pollInterval {
				w.reasons[r] = err.Error()
			}
			still = append(still, w.pending[i:]...)
			w.pending = still
			return false, nil
		}
		now := readinessOf(live)
		switch now.state {
		case ready:
			if _, hasPods, _ := unstructured.NestedMap(live.Object, "spec", "template"); hasPods && !w.confirming {
				w.again = append(w.again, r)
			}
		case failed:
			w.fail(ctx, r, now.reason)
		case waiting:
			still = append(still, r)
			w.tell(ctx, r, live, now.reason, since)
		}
	}
	w.pending = still
	switch {
	case len(w.failed) > 0:
		w.pending = nil
	case len(w.pending) == 0 && !w.confirming && len(w.again) > 0:
		w.pending, w.confirming = w.again, true
		return false, nil
	}
	return len(w.pending) == 0, nil
}

// patience is how long nothing is said of an object that is not ready: most are
// soon.
const patience = 3 * time.Second

// tell says how far an object is, whenever that changes.
func (w *waiter) tell(ctx context.Context, r render.Ref, live *unstructured.Unstructured, reason string, since time.Duration) {
	w.reasons[r] = reason
	if since < patience {
		return
	}
	line := fmt.Sprintf("waiting for %s (%s)", w.owner.name(r), reason)
	if why := w.pods.diagnose(ctx, live).reason(); why != "" {
		line += ": " + why
	}
	if line != w.told[r] {
		w.told[r] = line
		w.console.say("%s", line)
	}
}

// fail adds what can be found out about an object that is not ready.
func (w *waiter) fail(ctx context.Context, r render.Ref, reason string) {
	failure := &NotReadyError{Object: w.owner.name(r), Reason: strings.TrimSpace(reason)}
	live := r.Empty()
	if err := w.Get(ctx, client.ObjectKeyFromObject(live), live); err == nil {
		found := w.pods.diagnose(ctx, live)
		failure.Log = found.log
		if why := found.why(); why != "" {
			failure.Reason += "; " + why
		}
	}
	w.failed = append(w.failed, failure)
}
