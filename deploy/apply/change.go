package apply

import (
	"context"
	"errors"

	"github.com/fluxcd/pkg/ssa/utils"
	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/quoitbuild/quoit/deploy/render"
)

// comparisons is how many objects are asked for at once.
const comparisons = 8

// preflight asks for all objects before the first write, so that what would be
// refused half-way is refused at once. What it cannot know yet are objects in a
// namespace, or of a kind, that the release itself brings.
func (s *session) preflight(ctx context.Context) error {
	changes, errs := make([]string, len(s.objects.Plain)), make([]error, len(s.objects.Plain))
	var eg errgroup.Group
	eg.SetLimit(comparisons)
	for i, object := range s.objects.Plain {
		eg.Go(func() error {
			changes[i], _, errs[i] = s.applier.compare(ctx, object)
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
		for i, object := range s.objects.Plain {
			if changes[i] == created && s.isOver(object) {
				changes[i] = unchanged
			}
			s.report.change(render.RefOf(object), changes[i])
		}
	}
	return errors.Join(errs...)
}

// isOver reports whether an object that is not there is a Job that this release
// has run, with these values: then Kubernetes may have deleted it after its time
// to live, and creating it again would not be a difference.
func (s *session) isOver(object *unstructured.Unstructured) bool {
	_, mortal, _ := unstructured.NestedFieldNoCopy(object.Object, "spec", "ttlSecondsAfterFinished")
	applied := len(without([]render.Ref{render.RefOf(object)}, s.held.objects)) == 0
	return render.IsJob(object) && mortal && applied && s.held.made == s.made && s.made.version != ""
}

// applyAll applies the objects in stages: kinds and namespaces are ready before
// anything that may need them.
func (s *session) applyAll(ctx context.Context) error {
	var definitions, classes, rest []*unstructured.Unstructured
	for _, object := range s.objects.Plain {
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
		if err := s.applier.applyEach(ctx, stage); err != nil {
			return err
		}
		if err := s.cluster.wait(ctx, render.Refs(stage)); err != nil {
			return err
		}
	}
	return s.applier.applyEach(ctx, rest)
}
