package apply

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/quoitbuild/quoit/deploy/render"
)

// deleteAndWait deletes what is there, with all that belongs to it, and returns
// when it is gone.
func (c *cluster) deleteAndWait(ctx context.Context, existing *unstructured.Unstructured) error {
	if err := c.delete(ctx, existing, metav1.DeletePropagationForeground); err != nil {
		return err
	}
	return c.waitGone(ctx, []render.Ref{render.RefOf(existing)})
}

// delete deletes this very object, not one that has got its name meanwhile.
func (c *cluster) delete(ctx context.Context, existing *unstructured.Unstructured, propagation metav1.DeletionPropagation) error {
	uid := existing.GetUID()
	err := c.Delete(ctx, existing, client.PropagationPolicy(propagation), client.Preconditions{UID: &uid})
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting %s: %w", c.owner.name(render.RefOf(existing)), explain(err))
	}
	return nil
}

// transient returns an error that ends a wait, nil for one that may pass: a
// server that is away for a moment is no reason to stop waiting.
func (c *cluster) transient(ctx context.Context, r render.Ref, err error) error {
	var status apierrors.APIStatus
	if ctx.Err() != nil {
		return nil // the wait says so itself
	}
	if !errors.As(err, &status) || apierrors.IsTooManyRequests(err) || apierrors.IsServerTimeout(err) ||
		apierrors.IsTimeout(err) || apierrors.IsServiceUnavailable(err) || apierrors.IsInternalError(err) {
		return nil
	}
	return fmt.Errorf("reading %s: %w", c.owner.name(r), err)
}

// waitGone returns when none of the objects is there any more.
func (c *cluster) waitGone(ctx context.Context, objects []render.Ref) error {
	deadline := time.Now().Add(c.timeout)
	for _, r := range objects {
		told := false
		err := wait.PollUntilContextTimeout(ctx, pollInterval, max(time.Until(deadline), pollInterval), true, func(ctx context.Context) (bool, error) {
			live := r.Empty()
			err := c.Get(ctx, client.ObjectKeyFromObject(live), live)
			if apierrors.IsNotFound(err) {
				return true, nil
			}
			if err != nil {
				return false, c.transient(ctx, r, err)
			}
			if !told {
				told = true
				c.console.say("waiting until %s is gone", c.owner.name(r))
			}
			return false, nil
		})
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case wait.Interrupted(err):
			return fmt.Errorf("%s still exists after %s: look at its finalizers", c.owner.name(r), c.timeout)
		case err != nil:
			return fmt.Errorf("waiting until %s is gone: %w", c.owner.name(r), explain(err))
		}
	}
	return nil
}
