package rollout

import (
	"fmt"
	"strings"

	"github.com/quoitbuild/quoit/deploy"
	"github.com/quoitbuild/quoit/deploy/site"
	"github.com/quoitbuild/quoit/store"
)

// Result is what a deploy does at one site, for people and as JSON.
type Result struct {
	Site        string          `json:"site"`
	Environment string          `json:"environment,omitempty"`
	Ring        string          `json:"ring,omitempty"`
	Cluster     string          `json:"cluster,omitempty"`
	Namespace   string          `json:"namespace,omitempty"`
	Installed   *deploy.Release `json:"installed,omitempty"` // before
	deploy.Plan
	Downgrade bool   `json:"downgrade"`
	Reason    string `json:"reason,omitempty"` // why, if not because of the ring
	Done      bool   `json:"done"`             // it was carried out
	Error     string `json:"error,omitempty"`  // why not
	// Differences are the tags of the ring that name something else than the log says.
	Differences []store.Difference `json:"differences,omitempty"`

	project string
}

// NewResult says what a decided deploy will do. Done and Error are for whoever carries it
// out.
func NewResult(d *site.Deployment) Result {
	reason := ""
	if d.Values {
		reason = "a value in quoit-site has changed"
	}
	return Result{
		Reason: reason, Site: d.Site.Name, Environment: d.Site.Environment, Ring: d.Site.Ring, Cluster: d.Site.Cluster, Namespace: d.Site.Namespace,
		Installed: d.Before.Installed, Plan: d.Plan, Downgrade: d.Downgrades(), project: d.Site.Project,
	}
}

// String is a line that says where the site goes, and a line for each step.
func (r Result) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s ", r.Site, r.project)
	if r.Installed != nil && (r.Target == nil || !r.Installed.Same(*r.Target)) {
		fmt.Fprintf(&b, "%s → ", r.Installed.Version)
	}
	if r.Target == nil {
		b.WriteString("nothing")
	} else {
		b.WriteString(r.Target.Version.String())
	}
	switch {
	case r.Downgrade && r.Target != nil:
		fmt.Fprintf(&b, ", a downgrade, because ring %s went back", r.Ring)
	case r.Nothing():
		b.WriteString(", nothing to do")
	case r.Resumes:
		b.WriteString(", goes on with what did not end")
	}
	if r.Reason != "" {
		fmt.Fprintf(&b, ", because %s", r.Reason)
	}
	fmt.Fprintf(&b, " (namespace %s", r.Namespace)
	if r.Cluster != "" {
		fmt.Fprintf(&b, " of %s", r.Cluster)
	}
	b.WriteString(")\n")
	for _, step := range r.Steps {
		fmt.Fprintf(&b, "  %s\n", step)
	}
	return b.String()
}
