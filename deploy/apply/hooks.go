package apply

import (
	"context"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/quoitbuild/quoit/deploy/render"
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

// hookRunner runs hooks, one after the other.
type hookRunner struct {
	*cluster
	applier *applier
	request Request
	report  *report
}

// endLeft deletes the Jobs of hooks that run on although their own run is over,
// and returns when they are gone with their pods: nothing of them may come after
// what the hooks of this run do.
func (h *hookRunner) endLeft(ctx context.Context, held []render.Ref) error {
	for _, r := range held {
		live := r.Empty()
		if !render.IsJob(live) {
			continue
		}
		err := h.Get(ctx, client.ObjectKeyFromObject(live), live)
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return fmt.Errorf("reading %s: %w", h.owner.name(r), explain(err))
		}
		_, isHook := live.GetAnnotations()[render.AnnotationHook]
		if !isHook || h.owner.mayChange(live) != nil || hasCondition(live, "Complete") || hasCondition(live, "Failed") {
			continue
		}
		h.console.say("ending %s of an earlier run", h.owner.name(r))
		if err := h.deleteAndWait(ctx, live); err != nil {
			return err
		}
	}
	return nil
}

// run runs what belongs to a point: first the root image's executables,
// then the Jobs, after what they need. The first that fails ends it.
func (h *hookRunner) run(ctx context.Context, point string, needs, jobs []*unstructured.Unstructured) error {
	files, err := hookFiles(h.request.Root, point)
	if err != nil {
		return fmt.Errorf("looking for %s hooks: %w", point, err)
	}
	for _, name := range files {
		if err := h.runHook(point, "/"+name, func() error { return h.runFile(ctx, point, name) }); err != nil {
			return err
		}
	}
	if !h.request.DryRun {
		if err := h.applier.applyEach(ctx, needs); err != nil {
			return fmt.Errorf("applying what %s hooks need: %w", point, err)
		}
	}
	for _, job := range jobs {
		if err := h.runHook(point, h.owner.name(render.RefOf(job)), func() error { return h.runJob(ctx, point, job) }); err != nil {
			return err
		}
	}
	return nil
}

// runHook adds a hook to the result, and runs it unless nothing is to be done.
func (h *hookRunner) runHook(point, name string, run func() error) error {
	h.report.hook(point, name)
	if h.request.DryRun {
		return nil
	}
	h.console.say("running %s hook %s", point, name)
	return run()
}
