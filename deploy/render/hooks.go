package render

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/quoitbuild/quoit/deploy"
	"github.com/quoitbuild/quoit/internal/diag"
)

// Hook is an object that only counts at some points of a run: a Job that is run
// there, or something that such a Job needs.
type Hook struct {
	Object *unstructured.Unstructured
	Points []string // see [Pre] and [Post]
	weight int
}

func (h Hook) runsIn(action deploy.Action) bool {
	return slices.Contains(h.Points, Pre(action)) || slices.Contains(h.Points, Post(action))
}

// Pre is the point before the objects are changed: pre-install.
func Pre(action deploy.Action) string { return "pre-" + string(action) }

// Post is the point after the objects were changed: post-install.
func Post(action deploy.Action) string { return "post-" + string(action) }

// points are where hooks can run.
var points = func() []string {
	var all []string
	for _, action := range deploy.Actions() {
		all = append(all, Pre(action), Post(action))
	}
	return all
}()

// splitHooks takes the hooks out of the objects, in the order in which they run:
// by weight, then by name. All mistakes are reported at once.
func splitHooks(objects []*unstructured.Unstructured) (plain []*unstructured.Unstructured, hooks []Hook, err error) {
	var errs []error
	for _, object := range objects {
		annotation, found := object.GetAnnotations()[AnnotationHook]
		if !found {
			plain = append(plain, object)
			continue
		}
		h := Hook{Object: object}
		for point := range strings.SplitSeq(annotation, ",") {
			point = strings.TrimSpace(point)
			h.Points = append(h.Points, point)
			if !slices.Contains(points, point) {
				errs = append(errs, fmt.Errorf("%s: %s", RefOf(object), unknownPoint(point)))
			}
		}
		if weight, found := object.GetAnnotations()[annotationWeight]; found {
			if h.weight, err = strconv.Atoi(weight); err != nil {
				errs = append(errs, fmt.Errorf("%s: annotation %s: %q is not a whole number", RefOf(object), annotationWeight, weight))
			}
		}
		hooks = append(hooks, h)
	}
	slices.SortStableFunc(hooks, func(a, b Hook) int {
		return cmp.Or(cmp.Compare(a.weight, b.weight), cmp.Compare(a.Object.GetName(), b.Object.GetName()))
	})
	return plain, hooks, errors.Join(errs...)
}

func unknownPoint(point string) string {
	text := fmt.Sprintf("annotation %s: unknown point %q", AnnotationHook, point)
	if near := diag.Nearest(point, points); near != "" {
		return text + "; did you mean " + near + "?"
	}
	return text + "; choose from " + strings.Join(points, ", ")
}
