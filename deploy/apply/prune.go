package apply

import (
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// prune deletes objects, last ones first, and returns those that will be gone.
// Some stay: those whose kind or annotation says so, and those that do not carry
// this site's labels, because somebody has taken them over. With a dry run
// nothing is deleted.
func (s *session) prune(ctx context.Context, objects []ref) (gone []ref, err error) {
	for _, r := range inDeleteOrder(objects) {
		live := r.empty()
		err := s.cluster.Get(ctx, client.ObjectKeyFromObject(live), live)
		if apierrors.IsNotFound(err) || meta.IsNoMatchError(err) {
			continue
		}
		if err != nil {
			return gone, fmt.Errorf("reading %s: %w", s.name(r), explain(err))
		}
		if !s.prunable(live) {
			s.note(r, kept)
			continue
		}
		if !s.request.DryRun {
			if err := s.delete(ctx, live, metav1.DeletePropagationBackground); err != nil {
				return gone, err
			}
			gone = append(gone, r)
		}
		s.note(r, deleted)
	}
	return gone, nil
}

// prunable says whether an object may be deleted because the release does not
// have it.
func (s *session) prunable(live *unstructured.Unstructured) bool {
	labels, ours := live.GetLabels(), s.labels()
	if labels[labelSite] != ours[labelSite] || labels[labelProject] != ours[labelProject] {
		return false
	}
	return prunes(live)
}

// prunes says whether an object is one that is deleted. Three kinds take data of
// others with them that no deploy brings back, so they are only deleted where
// their annotation says so: a definition takes all objects of its kind, a
// namespace all that is in it, a claim its volume.
func prunes(object *unstructured.Unstructured) bool {
	switch object.GetAnnotations()[annotationPrune] {
	case enabled:
		return true
	case disabled:
		return false
	}
	switch object.GroupVersionKind().GroupKind().String() {
	case "CustomResourceDefinition.apiextensions.k8s.io", "Namespace", "PersistentVolumeClaim":
		return false
	}
	return true
}

// inDeleteOrder is the reverse of the order in which objects are applied.
func inDeleteOrder(objects []ref) []ref {
	all := make([]*unstructured.Unstructured, len(objects))
	for i, r := range objects {
		all[i] = r.empty()
	}
	inOrder := refsOf(inApplyOrder(all))
	slices.Reverse(inOrder)
	return inOrder
}
