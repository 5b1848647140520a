package apply

import (
	"context"
	"errors"
	"fmt"

	"github.com/fluxcd/pkg/ssa"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/quoitbuild/quoit/deploy/render"
)

// applier applies objects on the server, where that would change them.
type applier struct {
	*cluster
	report   *report
	takeOver bool // fields of others
}

func (a *applier) applyEach(ctx context.Context, objects []*unstructured.Unstructured) error {
	for _, object := range objects {
		change, err := a.apply(ctx, object)
		if err != nil {
			return err
		}
		a.report.change(render.RefOf(object), change)
	}
	return nil
}

func (a *applier) apply(ctx context.Context, object *unstructured.Unstructured) (change string, err error) {
	change, existing, err := a.compare(ctx, object)
	switch {
	case err != nil || change == unchanged:
		return change, err
	case change == recreated:
		if err := a.deleteAndWait(ctx, existing); err != nil {
			return "", err
		}
	}
	if err := a.patch(ctx, object.DeepCopy(), a.takeOver); err != nil {
		_, _, err := a.refused(a.owner.name(render.RefOf(object)), false, existing, err)
		return "", err
	}
	return change, nil
}

// probe is the client that ssa compares an object with. It does not take the
// fields of others as ssa always would, and it keeps what is there.
type probe struct {
	client.Client
	takeOver bool
	existing *unstructured.Unstructured
	err      error // of looking, which ssa does not mind
}

func (p *probe) Get(ctx context.Context, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
	err := p.Client.Get(ctx, key, object, options...)
	if live, ok := object.(*unstructured.Unstructured); ok && err == nil {
		p.existing = live
	}
	p.err = client.IgnoreNotFound(err)
	return err
}

func (p *probe) Patch(ctx context.Context, object client.Object, patch client.Patch, options ...client.PatchOption) error {
	kept := make([]client.PatchOption, 0, len(options))
	for _, option := range options {
		if p.takeOver || option != client.ForceOwnership {
			kept = append(kept, option)
		}
	}
	return p.Client.Patch(ctx, object, patch, kept...)
}

// compare asks the server what applying an object would change, as a dry run.
// Errors are typed: [*OwnedError], [*ConflictError], [*ImmutableError],
// [*ForbiddenError].
func (a *applier) compare(ctx context.Context, object *unstructured.Unstructured) (change string, existing *unstructured.Unstructured, err error) {
	name := a.owner.name(render.RefOf(object))
	p := &probe{Client: a.Client, takeOver: a.takeOver}
	manager := ssa.NewResourceManager(p, nil, ssa.Owner{Field: fieldManager, Group: "quoit.build"})
	entry, _, _, err := manager.Diff(ctx, object, ssa.DefaultDiffOptions())
	if p.existing != nil {
		if owned := a.owner.mayChange(p.existing); owned != nil {
			return "", nil, owned
		}
	}
	if p.err != nil && !meta.IsNoMatchError(p.err) {
		return "", nil, fmt.Errorf("reading %s: %w", name, explain(p.err))
	}
	if err != nil {
		forced := object.GetAnnotations()[render.AnnotationForce] == render.Enabled
		return a.refused(name, forced, p.existing, err)
	}
	switch entry.Action {
	case ssa.CreatedAction:
		return created, nil, nil
	case ssa.UnchangedAction:
		return unchanged, p.existing, nil
	}
	return configured, p.existing, nil
}

// refused sorts out why the server refuses an object.
func (a *applier) refused(name string, forced bool, existing *unstructured.Unstructured, err error) (string, *unstructured.Unstructured, error) {
	cause := err
	if inner := errors.Unwrap(err); inner != nil {
		cause = inner // without ssa's own words
	}
	if c := conflict(name, cause); c != nil {
		return "", nil, c
	}
	if i := immutable(name, cause); i != nil && existing != nil {
		if forced {
			return recreated, existing, nil
		}
		return "", nil, i
	}
	return "", nil, fmt.Errorf("applying %s: %w", name, explain(cause))
}
