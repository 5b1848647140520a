package apply

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/quoitbuild/quoit/deploy/render"
)

// runJob deletes the earlier Job of that name, creates it, and waits for its
// end.
func (h *hookRunner) runJob(ctx context.Context, point string, job *unstructured.Unstructured) error {
	r := render.RefOf(job)
	prepared, err := prepareJob(job, h.request.environment(), h.request.Timeout)
	if err != nil {
		return err
	}
	earlier := r.Empty()
	err = h.Get(ctx, client.ObjectKeyFromObject(earlier), earlier)
	switch {
	case err == nil:
		if owned := h.owner.mayChange(earlier); owned != nil {
			return owned
		}
		if err := h.deleteAndWait(ctx, earlier); err != nil {
			return err
		}
	case !apierrors.IsNotFound(err):
		return fmt.Errorf("reading %s: %w", h.owner.name(r), explain(err))
	}
	if err := h.Create(ctx, prepared, client.FieldOwner(fieldManager)); err != nil {
		return fmt.Errorf("creating %s: %w", h.owner.name(r), explain(err))
	}
	return h.waitJob(ctx, point, prepared)
}

// waitJob returns when the Job has ended, with a [*HookError] if not well. One
// that does not end in time is deleted, and gone with its pods: nothing of it may
// run on while somebody deploys something else.
func (h *hookRunner) waitJob(ctx context.Context, point string, job *unstructured.Unstructured) error {
	r := render.RefOf(job)
	told := ""
	var ended readiness
	err := wait.PollUntilContextTimeout(ctx, pollInterval, h.request.Timeout, true, func(ctx context.Context) (bool, error) {
		live := r.Empty()
		if err := h.Get(ctx, client.ObjectKeyFromObject(live), live); err != nil {
			return false, h.transient(ctx, r, err)
		}
		if live.GetUID() != job.GetUID() {
			return false, errors.New("somebody has replaced it")
		}
		ended = readinessOf(live)
		if ended.state == waiting {
			ended.reason = h.pods.diagnose(ctx, live).reason()
		}
		if ended.reason != "" && ended.reason != told && ended.state == waiting {
			told = ended.reason
			h.console.say("waiting for %s: %s", h.owner.name(r), told)
		}
		return ended.state != waiting, nil
	})
	failure := &HookError{Point: point, Name: h.owner.name(r), Reason: ended.reason}
	switch {
	case err == nil && ended.state == ready:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case wait.Interrupted(err):
		failure.Reason = strings.TrimSuffix("did not end within "+h.request.Timeout.String()+": "+ended.reason, ": ")
	case err != nil:
		return fmt.Errorf("waiting for %s: %w", h.owner.name(r), explain(err))
	}
	found := h.pods.diagnose(ctx, job)
	failure.Log = found.log
	if detail := found.why(); detail != "" && !strings.Contains(failure.Reason, detail) {
		failure.Reason += "; " + detail
	}
	if wait.Interrupted(err) {
		return errors.Join(failure, h.deleteAndWait(ctx, job))
	}
	return failure
}

// jobDeadline is how much longer than a run waits a Job may go on, if the run
// has died and no other one comes to end it.
const jobDeadline = 30 * time.Second

// prepareJob returns the Job as it is run: it is told what happens, is not tried
// again unless it says so, and ends.
func prepareJob(job *unstructured.Unstructured, environment map[string]string, timeout time.Duration) (*unstructured.Unstructured, error) {
	job = job.DeepCopy()
	spec, found, err := unstructured.NestedMap(job.Object, "spec")
	if err != nil || !found {
		return nil, fmt.Errorf("%s has no spec", render.RefOf(job))
	}
	if _, set := spec["backoffLimit"]; !set {
		spec["backoffLimit"] = int64(0)
	}
	if _, set := spec["activeDeadlineSeconds"]; !set {
		spec["activeDeadlineSeconds"] = int64((timeout + jobDeadline).Seconds())
	}
	job.Object["spec"] = spec
	for _, container := range render.Containers(job) {
		container["env"] = withEnvironment(container["env"], environment)
	}
	return job, nil
}

// withEnvironment puts the variables in the place of those with their names.
func withEnvironment(env any, environment map[string]string) []any {
	own, _ := env.([]any)
	all := slices.DeleteFunc(slices.Clone(own), func(variable any) bool {
		fields, ok := variable.(map[string]any)
		name, _ := fields["name"].(string)
		_, ours := environment[name]
		return ours || !ok
	})
	for _, name := range slices.Sorted(maps.Keys(environment)) {
		all = append(all, map[string]any{"name": name, "value": environment[name]})
	}
	return all
}
