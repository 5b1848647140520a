// Package site deploys to a site from outside of it: it decides by the site's
// record what is to be done, runs root images there as Jobs, and keeps the
// record.
//
// Everything that it keeps is in the site's namespace: the record in the
// ConfigMap quoit-<site>, a Lease of the same name that keeps two deployers
// apart, Events about the ConfigMap, and one Job for each step.
package site

import (
	"context"

	"github.com/quoitbuild/quoit/deploy"
	"github.com/quoitbuild/quoit/manifest"
)

// Site is a place where a release of a project runs.
type Site struct {
	Project string // acme/shop
	manifest.Site
}

// Object is the name of the site's record, lease and service account.
func (s Site) Object() string { return "quoit-" + s.Name }

// Images are those of a release as a site pulls them.
type Images struct {
	Root string // the root image, by digest
	// All are references by digest of all images of the release and of its
	// externals, by name.
	All map[string]string
}

// Releases is what a deploy has to know of the project's releases.
type Releases interface {
	// Lineage says how these releases descend from each other. Others may be
	// unknown to what it returns.
	Lineage(ctx context.Context, releases []deploy.Release) (deploy.Descends, error)
	// Images says what a release consists of.
	Images(ctx context.Context, release deploy.Release) (Images, error)
}

// Variable is one environment variable of a root image.
type Variable struct{ Name, Value string }

// Variables are what a root image is told of a step, in a fixed order. The
// version is empty where there is none. Adopt lets it take objects that others
// own.
func Variables(s Site, step deploy.Step, adopt bool) []Variable {
	all := []Variable{
		{"QUOIT_PROJECT", s.Project},
		{"QUOIT_SITE", s.Name},
		{"QUOIT_ENVIRONMENT", s.Environment},
		{"QUOIT_RING", s.Ring},
		{"QUOIT_NAMESPACE", s.Namespace},
		{"QUOIT_SCOPE", string(s.Scope)},
		{"QUOIT_ACTION", string(step.Action)},
		{"QUOIT_FROM_VERSION", ""},
		{"QUOIT_TO_VERSION", ""},
		{"QUOIT_RELEASE", ReleaseFile},
	}
	for i := range all {
		switch {
		case all[i].Name == "QUOIT_FROM_VERSION" && !step.From.IsZero():
			all[i].Value = step.From.String()
		case all[i].Name == "QUOIT_TO_VERSION" && !step.To.IsZero():
			all[i].Value = step.To.String()
		}
	}
	if adopt {
		all = append(all, Variable{"QUOIT_ADOPT", "1"})
	}
	return all
}
