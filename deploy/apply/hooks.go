package apply

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/quoitbuild/quoit/deploy"
	"github.com/quoitbuild/quoit/internal/diag"
)

// hook is an object that only counts at some points of a run: a Job that is run
// there, or something that such a Job needs.
type hook struct {
	object *unstructured.Unstructured
	points []string
	weight int
}

func (h hook) runsIn(action deploy.Action) bool {
	return slices.Contains(h.points, pre(action)) || slices.Contains(h.points, post(action))
}

// points are where hooks can run.
var points = func() []string {
	var all []string
	for _, action := range []deploy.Action{deploy.Install, deploy.Upgrade, deploy.Downgrade, deploy.Restore, deploy.Uninstall} {
		all = append(all, pre(action), post(action))
	}
	return all
}()

func isJob(object *unstructured.Unstructured) bool {
	return object.GroupVersionKind().GroupKind().String() == "Job.batch"
}

func pre(action deploy.Action) string  { return "pre-" + string(action) }
func post(action deploy.Action) string { return "post-" + string(action) }

// splitHooks takes the hooks out of the objects, in the order in which they run:
// by weight, then by name. All mistakes are reported at once.
func splitHooks(objects []*unstructured.Unstructured) (plain []*unstructured.Unstructured, hooks []hook, err error) {
	var errs []error
	for _, object := range objects {
		annotation, found := object.GetAnnotations()[annotationHook]
		if !found {
			plain = append(plain, object)
			continue
		}
		h := hook{object: object}
		for point := range strings.SplitSeq(annotation, ",") {
			point = strings.TrimSpace(point)
			h.points = append(h.points, point)
			if !slices.Contains(points, point) {
				errs = append(errs, fmt.Errorf("%s: %s", refOf(object), unknownPoint(point)))
			}
		}
		if weight, found := object.GetAnnotations()[annotationHookWeight]; found {
			if h.weight, err = strconv.Atoi(weight); err != nil {
				errs = append(errs, fmt.Errorf("%s: annotation %s: %q is not a whole number", refOf(object), annotationHookWeight, weight))
			}
		}
		hooks = append(hooks, h)
	}
	slices.SortStableFunc(hooks, func(a, b hook) int {
		return cmp.Or(cmp.Compare(a.weight, b.weight), cmp.Compare(a.object.GetName(), b.object.GetName()))
	})
	return plain, hooks, errors.Join(errs...)
}

func unknownPoint(point string) string {
	text := fmt.Sprintf("annotation %s: there is no point %q", annotationHook, point)
	if near := diag.Nearest(point, points); near != "" {
		return text + ", maybe you mean " + near
	}
	return text + "; there are " + strings.Join(points, ", ")
}

// at are the hooks that count at a point: first what Jobs need, then the Jobs.
func at(hooks []hook, point string) (needs, jobs []*unstructured.Unstructured) {
	for _, h := range hooks {
		switch {
		case !slices.Contains(h.points, point):
		case isJob(h.object):
			jobs = append(jobs, h.object)
		default:
			needs = append(needs, h.object)
		}
	}
	return inApplyOrder(needs), jobs
}

// environment is what hooks are told.
func (r Request) environment() map[string]string {
	return map[string]string{
		"QUOIT_ACTION":       string(r.Action),
		"QUOIT_FROM_VERSION": versionText(r.From),
		"QUOIT_TO_VERSION":   versionText(r.To),
		"QUOIT_SITE":         r.Site,
		"QUOIT_RING":         r.Ring,
	}
}

// jobDeadline is how much longer than a run waits a Job may go on, if the run
// has died and no other one comes to end it.
const jobDeadline = 30 * time.Second

// prepareJob returns the Job as it is run: it is told what happens, is not tried
// again unless it says so, and ends.
func prepareJob(job *unstructured.Unstructured, environment map[string]string, timeout time.Duration) (*unstructured.Unstructured, error) {
	job = job.DeepCopy()
	spec, found, err := unstructured.NestedMap(job.Object, "spec")
	if err != nil || !found {
		return nil, fmt.Errorf("%s has no spec", refOf(job))
	}
	if _, set := spec["backoffLimit"]; !set {
		spec["backoffLimit"] = int64(0)
	}
	if _, set := spec["activeDeadlineSeconds"]; !set {
		spec["activeDeadlineSeconds"] = int64((timeout + jobDeadline).Seconds())
	}
	job.Object["spec"] = spec
	for _, pod := range podSpecs(job.Object) {
		for _, list := range []string{"initContainers", "containers"} {
			for _, container := range mapsIn(pod[list]) {
				container["env"] = withEnvironment(container["env"], environment)
			}
		}
	}
	return job, nil
}

// withEnvironment puts the variables in the place of those with their names.
func withEnvironment(env any, environment map[string]string) []any {
	var all []any
	for _, variable := range mapsIn(env) {
		name, _ := variable["name"].(string)
		if _, ours := environment[name]; !ours {
			all = append(all, variable)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(environment)) {
		all = append(all, map[string]any{"name": name, "value": environment[name]})
	}
	return all
}
