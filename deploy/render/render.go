// Package render says which objects there should be on a site: it builds the
// overlay of an environment with Kustomize, fills in the site's values, pins
// images to the release's digests, and gives each object its namespace and the
// site's labels.
//
// [Load] reads the files of a root image, [Source.Render] does the rest. Nothing
// here knows a cluster: what only that can answer is asked through [Lookups].
// Package apply makes the cluster what was rendered.
package render

import (
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/quoitbuild/quoit/deploy"
	"github.com/quoitbuild/quoit/versioning"
)

// Target is what a release is rendered for.
type Target struct {
	Project     string // "" takes it from the root image's quoit/release.json
	Site        string
	Environment string // the overlay: overlays/<Environment>
	Ring        string // "" if the site follows none
	Namespace   string // of the site
	// Action decides what counts: a downgrade and an uninstall only have hooks.
	Action deploy.Action
	To     versioning.Version // zero where there is none

	// Images are the release's images and externals by name, each a reference
	// with a digest, as the site pulls them. If there are none, images are
	// named by the versions in quoit/release.json, in the registry that the
	// objects name, else in Registry.
	Images   map[string]string
	Registry string

	// Cluster allows objects outside of the site's namespace (scope: cluster).
	Cluster bool
}

// values are those that every site has.
func (t Target) values() map[string]string {
	return map[string]string{
		"QUOIT_SITE": t.Site, "QUOIT_RING": t.Ring, "QUOIT_NAMESPACE": t.Namespace, "QUOIT_VERSION": VersionText(t.To),
	}
}

// Lookups are what a cluster has to be asked while a release is rendered.
type Lookups struct {
	// Values returns the site's values. It is called with the names that the
	// objects use, sorted, unless all of these are values that every site has.
	Values func(names []string) (map[string]string, error)
	// Kinds knows which kinds of objects there are, and which have namespaces.
	Kinds meta.RESTMapper
}

// Objects are those that there should be, with nothing left to fill in.
type Objects struct {
	Project string // that they belong to
	Plain   []*unstructured.Unstructured
	Hooks   []Hook // in the order in which they run
}

// All returns plain objects and hooks.
func (o Objects) All() []*unstructured.Unstructured {
	all := slices.Clone(o.Plain)
	for _, h := range o.Hooks {
		all = append(all, h.Object)
	}
	return all
}

// At returns the hooks of a point: what Jobs need, and the Jobs in the order in
// which they run.
func (o Objects) At(point string) (needs, jobs []*unstructured.Unstructured) {
	for _, h := range o.Hooks {
		switch {
		case !slices.Contains(h.Points, point):
		case IsJob(h.Object):
			jobs = append(jobs, h.Object)
		default:
			needs = append(needs, h.Object)
		}
	}
	return needs, jobs
}

// Of returns what a run with the action may write: plain objects, and the hooks
// of its points.
func (o Objects) Of(action deploy.Action) []*unstructured.Unstructured {
	all := slices.Clone(o.Plain)
	for _, point := range []string{Pre(action), Post(action)} {
		needs, jobs := o.At(point)
		all = slices.Concat(all, needs, jobs)
	}
	return all
}

// Render returns the objects of a release on a site. Errors have types where
// somebody can do something about them: [*MissingOverlayError], [*RemoteError],
// [*MissingValuesError], [*ImageError], [*OutsideError], [*UnknownKindError], or
// what a lookup returned.
func (s *Source) Render(target Target, lookups Lookups) (Objects, error) {
	release, err := s.release(target)
	if err != nil {
		return Objects{}, err
	}
	objects, err := s.Build(target.Environment)
	if err != nil {
		return Objects{}, err
	}
	plain, hooks, err := splitHooks(objects)
	if err != nil {
		return Objects{}, err
	}
	if !target.Action.Installs() {
		// Nothing else counts, so nothing in it can be wrong.
		plain = nil
		hooks = slices.DeleteFunc(hooks, func(h Hook) bool { return !h.runsIn(target.Action) })
	}
	rendered := Objects{release.project, plain, hooks}
	all := rendered.All()
	if err := fill(all, target, lookups.Values); err != nil {
		return Objects{}, err
	}
	if err := release.pin(all); err != nil {
		return Objects{}, err
	}
	if err := place(all, lookups.Kinds, target.Namespace, target.Cluster); err != nil {
		return Objects{}, err
	}
	if err := unique(all); err != nil {
		return Objects{}, err
	}
	label(all, Labels(release.project, target.Site))
	return rendered, nil
}

// unique refuses objects that values have given the name of another one.
func unique(objects []*unstructured.Unstructured) error {
	seen := map[Ref]bool{}
	for _, object := range objects {
		key := RefOf(object).Key()
		if seen[key] {
			return fmt.Errorf("there are two objects %s", key)
		}
		seen[key] = true
	}
	return nil
}

// label adds labels to the objects' own.
func label(objects []*unstructured.Unstructured, labels map[string]string) {
	for _, object := range objects {
		all := object.GetLabels()
		if all == nil {
			all = map[string]string{}
		}
		maps.Copy(all, labels)
		object.SetLabels(all)
	}
}

// VersionText is a version for people and hooks, "" for the zero one.
func VersionText(v versioning.Version) string {
	if v == (versioning.Version{}) {
		return ""
	}
	return v.String()
}
