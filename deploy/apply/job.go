package apply

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// HookError says that a hook did not end well.
type HookError struct {
	Point  string
	Name   string // Job/migrate, or /hooks/pre-install
	Reason string
	Log    []string // its last lines, if they could be read
}

// Error has the reason and the last lines.
func (e *HookError) Error() string {
	return fmt.Sprintf("%s hook %s: %s%s", e.Point, e.Name, e.Reason, logText(e.Log))
}

func logText(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	return "\nits last lines:\n  " + strings.Join(lines, "\n  ")
}

// endHooks deletes the Jobs of hooks that run on although their own run is over,
// and returns when they are gone with their pods: nothing of them may come after
// what the hooks of this run do.
func (s *session) endHooks(ctx context.Context) error {
	for _, r := range s.held.objects {
		live := r.empty()
		if !isJob(live) {
			continue
		}
		err := s.cluster.Get(ctx, client.ObjectKeyFromObject(live), live)
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return fmt.Errorf("reading %s: %w", s.name(r), explain(err))
		}
		_, isHook := live.GetAnnotations()[annotationHook]
		if !isHook || s.ownedByOther(live) != nil || hasCondition(live, "Complete") || hasCondition(live, "Failed") {
			continue
		}
		s.say("ending %s of an earlier run", s.name(r))
		if err := s.deleteAndWait(ctx, live); err != nil {
			return err
		}
	}
	return nil
}

// runHooks runs what belongs to a point: first the root image's executables,
// then the Jobs, after what they need. The first that fails ends it.
func (s *session) runHooks(ctx context.Context, point string) error {
	files, err := hookFiles(s.request.Root, point)
	if err != nil {
		return fmt.Errorf("looking for %s hooks: %w", point, err)
	}
	needs, jobs := at(s.hooks, point)
	for _, name := range files {
		if err := s.runHook(point, "/"+name, func() error { return s.runFile(ctx, point, name) }); err != nil {
			return err
		}
	}
	if !s.request.DryRun {
		if err := s.applyEach(ctx, needs); err != nil {
			return fmt.Errorf("applying what %s hooks need: %w", point, err)
		}
	}
	for _, job := range jobs {
		if err := s.runHook(point, s.name(refOf(job)), func() error { return s.runJob(ctx, point, job) }); err != nil {
			return err
		}
	}
	return nil
}

// runHook adds a hook to the result, and runs it unless nothing is to be done.
func (s *session) runHook(point, name string, run func() error) error {
	s.result.Hooks = append(s.result.Hooks, Hook{point, name})
	if s.request.DryRun {
		return nil
	}
	s.say("running %s hook %s", point, name)
	return run()
}

// runJob deletes the earlier Job of that name, creates it, and waits for its
// end.
func (s *session) runJob(ctx context.Context, point string, job *unstructured.Unstructured) error {
	r := refOf(job)
	prepared, err := prepareJob(job, s.request.environment(), s.request.Timeout)
	if err != nil {
		return err
	}
	earlier := r.empty()
	err = s.cluster.Get(ctx, client.ObjectKeyFromObject(earlier), earlier)
	switch {
	case err == nil:
		if owned := s.ownedByOther(earlier); owned != nil {
			return owned
		}
		if err := s.deleteAndWait(ctx, earlier); err != nil {
			return err
		}
	case !apierrors.IsNotFound(err):
		return fmt.Errorf("reading %s: %w", s.name(r), explain(err))
	}
	if err := s.cluster.Create(ctx, prepared, client.FieldOwner(fieldManager)); err != nil {
		return fmt.Errorf("creating %s: %w", s.name(r), explain(err))
	}
	return s.waitJob(ctx, point, prepared)
}

// waitJob returns when the Job has ended, with a [*HookError] if not well. One
// that does not end in time is deleted, and gone with its pods: nothing of it may
// run on while somebody deploys something else.
func (s *session) waitJob(ctx context.Context, point string, job *unstructured.Unstructured) error {
	r := refOf(job)
	told := ""
	var ended readiness
	err := wait.PollUntilContextTimeout(ctx, pollInterval, s.request.Timeout, true, func(ctx context.Context) (bool, error) {
		live := r.empty()
		if err := s.cluster.Get(ctx, client.ObjectKeyFromObject(live), live); err != nil {
			return false, s.transient(ctx, r, err)
		}
		if live.GetUID() != job.GetUID() {
			return false, errors.New("somebody has replaced it")
		}
		ended = readinessOf(live)
		if ended.state == waiting {
			ended.reason = s.diagnose(ctx, live).reason()
		}
		if ended.reason != "" && ended.reason != told && ended.state == waiting {
			told = ended.reason
			s.say("waiting for %s: %s", s.name(r), told)
		}
		return ended.state != waiting, nil
	})
	failure := &HookError{Point: point, Name: s.name(r), Reason: ended.reason}
	switch {
	case err == nil && ended.state == ready:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case wait.Interrupted(err):
		failure.Reason = strings.TrimSuffix("did not end within "+s.request.Timeout.String()+": "+ended.reason, ": ")
	case err != nil:
		return fmt.Errorf("waiting for %s: %w", s.name(r), explain(err))
	}
	found := s.diagnose(ctx, job)
	failure.Log = found.log
	if detail := found.why(); detail != "" && !strings.Contains(failure.Reason, detail) {
		failure.Reason += "; " + detail
	}
	if wait.Interrupted(err) {
		return errors.Join(failure, s.deleteAndWait(ctx, job))
	}
	return failure
}

// transient returns an error that ends a wait, nil for one that may pass: a
// server that is away for a moment is no reason to stop waiting.
func (s *session) transient(ctx context.Context, r ref, err error) error {
	var status apierrors.APIStatus
	if ctx.Err() != nil {
		return nil // the wait says so itself
	}
	if !errors.As(err, &status) || apierrors.IsTooManyRequests(err) || apierrors.IsServerTimeout(err) ||
		apierrors.IsTimeout(err) || apierrors.IsServiceUnavailable(err) || apierrors.IsInternalError(err) {
		return nil
	}
	return fmt.Errorf("reading %s: %w", s.name(r), err)
}

// waitGone returns when none of the objects is there any more.
func (s *session) waitGone(ctx context.Context, objects []ref) error {
	deadline := time.Now().Add(s.request.Timeout)
	for _, r := range objects {
		told := false
		err := wait.PollUntilContextTimeout(ctx, pollInterval, max(time.Until(deadline), pollInterval), true, func(ctx context.Context) (bool, error) {
			live := r.empty()
			err := s.cluster.Get(ctx, client.ObjectKeyFromObject(live), live)
			if apierrors.IsNotFound(err) {
				return true, nil
			}
			if err != nil {
				return false, s.transient(ctx, r, err)
			}
			if !told {
				told = true
				s.say("waiting until %s is gone", s.name(r))
			}
			return false, nil
		})
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case wait.Interrupted(err):
			return fmt.Errorf("%s is not gone after %s: look at its finalizers", s.name(r), s.request.Timeout)
		case err != nil:
			return fmt.Errorf("waiting until %s is gone: %w", s.name(r), explain(err))
		}
	}
	return nil
}
