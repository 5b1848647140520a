package site

import (
	"context"
	"fmt"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// HeldError says that somebody else deploys to a site.
type HeldError struct {
	Site, Holder string
	Since        time.Time
	Left         time.Duration // until it may be taken, unless it is renewed
}

// Error names the holder, since when it has the lease, and for how long at most.
func (e *HeldError) Error() string {
	return fmt.Sprintf("%s has been deploying to site %s since %s; if that process has died, the site is free in %s",
		e.Holder, e.Site, e.Since.UTC().Format("2006-01-02 15:04:05Z"), max(time.Second, e.Left.Round(time.Second)))
}

// LostError says that a lease was not renewed in time, or taken.
type LostError struct {
	Site, Holder string // who has it now, "" if that is not known
	Err          error  // why it could not be renewed, if it could not
}

// Error says why whoever had it stops.
func (e *LostError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("the lease of site %s could not be renewed, so somebody else may deploy there: %v", e.Site, e.Err)
	}
	return fmt.Sprintf("%s has taken the lease of site %s", e.Holder, e.Site)
}

// Unwrap returns why it could not be renewed.
func (e *LostError) Unwrap() error { return e.Err }

// lease keeps other deployers out as long as it is renewed. Its times are those
// of the deployers' clocks. Where these differ a living one may be taken over:
// it learns so by its next renewal, and until then the record, which is only
// ever replaced in the state in which it was read, keeps both from going on.
type lease struct {
	cluster *Cluster
	site    Site
	mu      sync.Mutex // the object is renewed while it may be released
	object  *coordinationv1.Lease
}

// acquire takes the site's lease. The error is a [*HeldError] if another one
// has it. Writes is called before the first request that writes.
func (c *Cluster) acquire(ctx context.Context, s Site, actor string, writes func()) (*lease, error) {
	doing := fmt.Sprintf("taking the lease of site %s (Lease %s/%s)", s.Name, s.Namespace, s.Object())
	leases := c.api.CoordinationV1().Leases(s.Namespace)
	object, err := leases.Get(ctx, s.Object(), metav1.GetOptions{})
	absent := apierrors.IsNotFound(err)
	if err != nil && !absent {
		return nil, explain(s, doing, err)
	}
	now := time.Now()
	if absent {
		object = &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: s.Object(), Namespace: s.Namespace}}
	} else if held := heldBy(s, object, now); held != nil {
		return nil, held
	}
	mark(&object.ObjectMeta, s)
	seconds, at, transitions := int32(c.times.lease/time.Second), metav1.NewMicroTime(now), int32(0)
	if object.Spec.LeaseTransitions != nil {
		transitions = *object.Spec.LeaseTransitions + 1
	}
	object.Spec = coordinationv1.LeaseSpec{HolderIdentity: &actor, LeaseDurationSeconds: &seconds, AcquireTime: &at, RenewTime: &at, LeaseTransitions: &transitions}
	taken := object
	writes()
	if absent {
		taken, err = leases.Create(ctx, object, metav1.CreateOptions{FieldManager: manager})
	} else {
		taken, err = leases.Update(ctx, object, metav1.UpdateOptions{FieldManager: manager})
	}
	if apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) {
		if other, again := leases.Get(ctx, s.Object(), metav1.GetOptions{}); again == nil {
			if held := heldBy(s, other, now); held != nil {
				return nil, held
			}
		}
	}
	if err != nil {
		return nil, explain(s, doing, err)
	}
	return &lease{cluster: c, site: s, object: taken}, nil
}

// heldBy says who has a lease, nil if it may be taken.
func heldBy(s Site, object *coordinationv1.Lease, now time.Time) error {
	spec := object.Spec
	if spec.HolderIdentity == nil || *spec.HolderIdentity == "" || spec.RenewTime == nil || spec.LeaseDurationSeconds == nil {
		return nil
	}
	left := spec.RenewTime.Add(time.Duration(*spec.LeaseDurationSeconds) * time.Second).Sub(now)
	if left <= 0 {
		return nil
	}
	held := &HeldError{Site: s.Name, Holder: *spec.HolderIdentity, Since: spec.RenewTime.Time, Left: left}
	if spec.AcquireTime != nil {
		held.Since = spec.AcquireTime.Time
	}
	return held
}

// keep renews the lease until ctx ends. It calls lost with a [*LostError] once
// the lease cannot be relied upon.
func (l *lease) keep(ctx context.Context, lost func(error)) {
	duration := l.cluster.times.lease
	renewed := time.Now()
	for pause(ctx, duration/4) == nil {
		err := l.renew(ctx)
		switch {
		case err == nil:
			renewed = time.Now()
		case ctx.Err() != nil:
			return
		case !passing(err):
			lost(l.loss(ctx, err))
			return
		case time.Since(renewed) > duration*3/4:
			lost(&LostError{Site: l.site.Name, Err: err})
			return
		}
	}
}

func (l *lease) renew(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, l.cluster.times.lease/4)
	defer cancel()
	object, now := l.object.DeepCopy(), metav1.NowMicro()
	object.Spec.RenewTime = &now
	renewed, err := l.cluster.api.CoordinationV1().Leases(l.site.Namespace).Update(ctx, object, metav1.UpdateOptions{FieldManager: manager})
	if apierrors.IsConflict(err) {
		// An answer may have been lost: the lease is still ours if nobody took it.
		if is, again := l.cluster.api.CoordinationV1().Leases(l.site.Namespace).Get(ctx, object.Name, metav1.GetOptions{}); again == nil && l.same(is) {
			l.object = is
			return nil
		}
	}
	if err == nil {
		l.object = renewed
	}
	return err
}

// same reports whether a lease is the one that was acquired.
func (l *lease) same(is *coordinationv1.Lease) bool {
	return is.UID == l.object.UID && is.Spec.AcquireTime != nil && is.Spec.AcquireTime.Equal(l.object.Spec.AcquireTime) &&
		is.Spec.HolderIdentity != nil && *is.Spec.HolderIdentity == *l.object.Spec.HolderIdentity
}

func (l *lease) loss(ctx context.Context, err error) error {
	is, again := l.cluster.api.CoordinationV1().Leases(l.site.Namespace).Get(ctx, l.site.Object(), metav1.GetOptions{})
	if again != nil || is.Spec.HolderIdentity == nil || *is.Spec.HolderIdentity == "" {
		return &LostError{Site: l.site.Name, Err: err}
	}
	return &LostError{Site: l.site.Name, Holder: *is.Spec.HolderIdentity}
}

// release gives the lease back, so that nobody has to wait. Who fails to do so
// only makes the next one wait.
func (l *lease) release(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.cluster.times.lease/4)
	defer cancel()
	l.mu.Lock()
	defer l.mu.Unlock()
	object, nobody := l.object.DeepCopy(), ""
	object.Spec.HolderIdentity = &nobody
	_, _ = l.cluster.api.CoordinationV1().Leases(l.site.Namespace).Update(ctx, object, metav1.UpdateOptions{FieldManager: manager})
}
