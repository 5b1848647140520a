// Package site deploys to a site from outside of it: it reads the site's record,
// decides by it (package deploy), and runs root images, which apply the release
// (package apply).
//
// [Connect] finds the site's cluster, [Cluster.Prepare] decides, and
// [Deployment.Run] carries that out: with [Jobs] in the cluster, or with [Local]
// in this process. [RulesFor] and [Bootstrap] write what the site needs before.
//
// Everything that is kept is in the site's namespace: the record in the
// ConfigMap quoit-<site>, a Lease of the same name that keeps two deployers
// apart, Events about the ConfigMap, and one Job for each step.
package site

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/quoitbuild/quoit/deploy/render"
	"github.com/quoitbuild/quoit/manifest"
)

// Site is a place where a release of a project runs.
type Site struct {
	Project string // acme/shop
	manifest.Site
}

// Object is the name of the site's record, lease and service account.
func (s Site) Object() string { return "quoit-" + s.Name }

// What the objects of a site are marked with.
const (
	labelSite         = render.LabelSite
	labelStep         = render.Prefix + "step" // only of the Jobs that run steps
	annotationStep    = labelStep
	annotationProject = render.LabelProject // in full: the label has no slashes
	annotationActor   = render.Prefix + "actor"
	managedBy         = "app.kubernetes.io/managed-by"
	manager           = "quoit"
)

func mark(object *metav1.ObjectMeta, s Site) {
	if object.Labels == nil {
		object.Labels = map[string]string{}
	}
	if object.Annotations == nil {
		object.Annotations = map[string]string{}
	}
	object.Labels[managedBy], object.Labels[labelSite] = manager, s.Name
	object.Annotations[annotationProject] = s.Project
}
