package apply

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fluxcd/pkg/ssa"
	"github.com/fluxcd/pkg/ssa/utils"
	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// probe is the client that ssa compares an object with. It does not take the
// fields of others as ssa always would, and it keeps what is there.
type probe struct {
	client.Client
	adopt    bool
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
		if p.adopt || option != client.ForceOwnership {
			kept = append(kept, option)
		}
	}
	return p.Client.Patch(ctx, object, patch, kept...)
}

// compare asks the server what applying an object would change, as a dry run.
// Errors are typed: [*OwnedError], [*ConflictError], [*ImmutableError],
// [*ForbiddenError].
func (s *session) compare(ctx context.Context, object *unstructured.Unstructured) (change string, existing *unstructured.Unstructured, err error) {
	name := s.name(refOf(object))
	p := &probe{Client: s.cluster.Client, adopt: s.request.Adopt}
	manager := ssa.NewResourceManager(p, nil, ssa.Owner{Field: fieldManager, Group: "quoit.build"})
	entry, _, _, err := manager.Diff(ctx, object, ssa.DefaultDiffOptions())
	if p.existing != nil {
		if owned := s.ownedByOther(p.existing); owned != nil {
			return "", nil, owned
		}
	}
	if p.err != nil && !meta.IsNoMatchError(p.err) {
		return "", nil, fmt.Errorf("reading %s: %w", name, explain(p.err))
	}
	if err != nil {
		forced := object.GetAnnotations()[annotationForce] == enabled
		return s.refused(name, forced, p.existing, err)
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
func (s *session) refused(name string, forced bool, existing *unstructured.Unstructured, err error) (string, *unstructured.Unstructured, error) {
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

// ownedByOther tells whose an object is, nil if it is nobody's or this site's.
func (s *session) ownedByOther(object *unstructured.Unstructured) error {
	labels := object.GetLabels()
	project, site := labels[labelProject], labels[labelSite]
	ours := s.labels()
	if site == "" || site == ours[labelSite] && project == ours[labelProject] {
		return nil
	}
	return &OwnedError{s.name(refOf(object)), project, site}
}

// comparisons is how many objects are asked for at once.
const comparisons = 8

// preflight asks for all objects before the first write, so that what would be
// refused half-way is refused at once. What it cannot know yet are objects in a
// namespace, or of a kind, that the release itself brings.
func (s *session) preflight(ctx context.Context) error {
	changes, errs := make([]string, len(s.plain)), make([]error, len(s.plain))
	var eg errgroup.Group
	eg.SetLimit(comparisons)
	for i, object := range s.plain {
		eg.Go(func() error {
			changes[i], _, errs[i] = s.compare(ctx, object)
			if meta.IsNoMatchError(errs[i]) || apierrors.IsNotFound(errs[i]) {
				changes[i], errs[i] = created, nil
			}
			return ctx.Err()
		})
	}
	if err := eg.Wait(); err != nil {
		return err
	}
	if s.request.DryRun {
		for i, object := range s.plain {
			if changes[i] == created && s.isOver(object) {
				changes[i] = unchanged
			}
			s.note(refOf(object), changes[i])
		}
	}
	return errors.Join(errs...)
}

// isOver reports whether an object that is not there is a Job that this release
// has run, with these values: then Kubernetes may have deleted it after its time
// to live, and that it would be created anew is no difference from what is to be.
func (s *session) isOver(object *unstructured.Unstructured) bool {
	_, mortal, _ := unstructured.NestedFieldNoCopy(object.Object, "spec", "ttlSecondsAfterFinished")
	applied := len(without([]ref{refOf(object)}, s.held.objects)) == 0
	return isJob(object) && mortal && applied && s.held.made == s.made && s.made.version != ""
}

// applyAll applies the objects in stages: kinds and namespaces are ready before
// anything that may need them.
func (s *session) applyAll(ctx context.Context) error {
	var definitions, classes, rest []*unstructured.Unstructured
	for _, object := range s.plain {
		switch {
		case utils.IsClusterDefinition(object):
			definitions = append(definitions, object)
		case utils.IsClassDefinition(object):
			classes = append(classes, object)
		default:
			rest = append(rest, object)
		}
	}
	for _, stage := range [][]*unstructured.Unstructured{definitions, classes} {
		if err := s.applyEach(ctx, stage); err != nil {
			return err
		}
		if err := s.wait(ctx, refsOf(stage)); err != nil {
			return err
		}
	}
	return s.applyEach(ctx, rest)
}

func (s *session) applyEach(ctx context.Context, objects []*unstructured.Unstructured) error {
	for _, object := range objects {
		change, err := s.apply(ctx, object)
		if err != nil {
			return err
		}
		s.note(refOf(object), change)
	}
	return nil
}

func (s *session) apply(ctx context.Context, object *unstructured.Unstructured) (change string, err error) {
	change, existing, err := s.compare(ctx, object)
	switch {
	case err != nil || change == unchanged:
		return change, err
	case change == recreated:
		if err := s.deleteAndWait(ctx, existing); err != nil {
			return "", err
		}
	}
	if err := s.patch(ctx, object.DeepCopy(), s.request.Adopt); err != nil {
		_, _, err := s.refused(s.name(refOf(object)), false, existing, err)
		return "", err
	}
	return change, nil
}

// patch applies one object as it is.
func (s *session) patch(ctx context.Context, object *unstructured.Unstructured, force bool) error {
	options := []client.PatchOption{client.FieldOwner(fieldManager)}
	if force {
		options = append(options, client.ForceOwnership)
	}
	return s.cluster.Patch(ctx, object, client.Apply, options...)
}

// deleteAndWait deletes what is there, with all that belongs to it, and returns
// when it is gone.
func (s *session) deleteAndWait(ctx context.Context, existing *unstructured.Unstructured) error {
	if err := s.delete(ctx, existing, metav1.DeletePropagationForeground); err != nil {
		return err
	}
	return s.waitGone(ctx, []ref{refOf(existing)})
}

// delete deletes this very object, not one that has got its name meanwhile.
func (s *session) delete(ctx context.Context, existing *unstructured.Unstructured, propagation metav1.DeletionPropagation) error {
	uid := existing.GetUID()
	err := s.cluster.Delete(ctx, existing, client.PropagationPolicy(propagation), client.Preconditions{UID: &uid})
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting %s: %w", s.name(refOf(existing)), explain(err))
	}
	return nil
}

// pollInterval is how often the cluster is asked while something is waited for.
const pollInterval = 500 * time.Millisecond
