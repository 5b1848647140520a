package apply

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/quoitbuild/quoit/deploy/render"
)

// owner is the site whose objects a run changes.
type owner struct{ project, site, namespace string }

func (o owner) labels() map[string]string { return render.Labels(o.project, o.site) }

// name is an object for people.
func (o owner) name(r render.Ref) string { return r.In(o.namespace) }

// mayChange is a [*OwnedError] for an object of another site, nil for one that is
// this site's or nobody's.
func (o owner) mayChange(object *unstructured.Unstructured) error {
	labels, ours := object.GetLabels(), o.labels()
	project, site := labels[render.LabelProject], labels[render.LabelSite]
	if site == "" || site == ours[render.LabelSite] && project == ours[render.LabelProject] {
		return nil
	}
	return &OwnedError{o.name(render.RefOf(object)), project, site}
}

// prunable says whether an object may be deleted because the release does not
// have it.
func (o owner) prunable(live *unstructured.Unstructured) bool {
	labels, ours := live.GetLabels(), o.labels()
	if labels[render.LabelSite] != ours[render.LabelSite] || labels[render.LabelProject] != ours[render.LabelProject] {
		return false
	}
	return prunes(live)
}
