package apply

import (
	"context"
	"fmt"
	"slices"
	"sort"

	"github.com/fluxcd/pkg/ssa"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/quoitbuild/quoit/deploy/render"
)

// prune deletes objects, last ones first, and returns those that will be gone.
// Some stay: those whose kind or annotation says so, and those that do not carry
// this site's labels, because somebody has taken them over. With a dry run
// nothing is deleted.
func (s *session) prune(ctx context.Context, objects []render.Ref) (gone []render.Ref, err error) {
	for _, r := range inDeleteOrder(objects) {
		live := r.Empty()
		err := s.cluster.Get(ctx, client.ObjectKeyFromObject(live), live)
		if apierrors.IsNotFound(err) || meta.IsNoMatchError(err) {
			continue
		}
		if err != nil {
			return gone, fmt.Errorf("reading %s: %w", s.cluster.owner.name(r), explain(err))
		}
		if !s.cluster.owner.prunable(live) {
			s.report.change(r, kept)
			continue
		}
		if !s.request.DryRun {
			if err := s.cluster.delete(ctx, live, metav1.DeletePropagationBackground); err != nil {
				return gone, err
			}
			gone = append(gone, r)
		}
		s.report.change(r, deleted)
	}
	return gone, nil
}

// prunes says whether an object is one that is deleted. Three kinds take data of
// others with them that no deploy brings back, so they are only deleted where
// their annotation says so: a definition takes all objects of its kind, a
// namespace all that is in it, a claim its volume.
func prunes(object *unstructured.Unstructured) bool {
	switch object.GetAnnotations()[render.AnnotationPrune] {
	case render.Enabled:
		return true
	case render.Disabled:
		return false
	}
	switch object.GroupVersionKind().GroupKind().String() {
	case "CustomResourceDefinition.apiextensions.k8s.io", "Namespace", "PersistentVolumeClaim":
		return false
	}
	return true
}

// inApplyOrder sorts objects by the order in which kinds need each other.
func inApplyOrder(objects []*unstructured.Unstructured) []*unstructured.Unstructured {
	inOrder := slices.Clone(objects)
	sort.Sort(ssa.SortableUnstructureds(inOrder))
	return inOrder
}

// inDeleteOrder is the reverse of the order in which objects are applied.
func inDeleteOrder(objects []render.Ref) []render.Ref {
	all := make([]*unstructured.Unstructured, len(objects))
	for i, r := range objects {
		all[i] = r.Empty()
	}
	inOrder := render.Refs(inApplyOrder(all))
	slices.Reverse(inOrder)
	return inOrder
}
