package apply

import (
	"fmt"
	"strings"

	"github.com/quoitbuild/quoit/deploy"
	"github.com/quoitbuild/quoit/deploy/render"
)

// Result is what a run has done, or with a dry run what it would do.
type Result struct {
	Schema      int           `json:"schema"`
	Site        string        `json:"site"`
	Environment string        `json:"environment"`
	Namespace   string        `json:"namespace"`
	Action      deploy.Action `json:"action"`
	From        string        `json:"from,omitempty"` // versions
	To          string        `json:"to,omitempty"`
	DryRun      bool          `json:"dryRun,omitempty"`
	// Values is a digest of the site's values that the objects use, "" if they
	// use none: another digest is a reason to deploy.
	Values string `json:"values,omitempty"`
	// Changes are in the order in which they were made; Hooks likewise.
	Changes []Change `json:"changes,omitempty"`
	Hooks   []Hook   `json:"hooks,omitempty"`
}

// Change is what happened to one object.
type Change struct {
	Object string `json:"object"` // kind/name, or kind/namespace/name outside of the site's
	Action string `json:"action"` // created, configured, unchanged, recreated, deleted or kept
}

// Hook is one that was run; the last one of a failed run may be what failed.
type Hook struct {
	Point string `json:"point"` // pre-install, post-install, …
	Name  string `json:"name"`  // Job/migrate, or hooks/pre-install
}

// report collects the result of a run, and tells of each change.
type report struct {
	result  Result
	owner   owner
	console *console
}

func newReport(request Request, console *console) *report {
	return &report{console: console, result: Result{
		Schema: 1, Site: request.Site, Environment: request.Environment, Namespace: request.Namespace, Action: request.Action,
		From: render.VersionText(request.From), To: render.VersionText(request.To), DryRun: request.DryRun,
	}}
}

// change adds what happened to an object.
func (r *report) change(object render.Ref, action string) {
	name := r.owner.name(object)
	r.result.Changes = append(r.result.Changes, Change{name, action})
	if action != unchanged && !r.result.DryRun {
		r.console.say("%s %s", name, action)
	}
}

// hook adds one that is about to run.
func (r *report) hook(point, name string) {
	r.result.Hooks = append(r.result.Hooks, Hook{point, name})
}

// Changed counts the changes that are not "unchanged" or "kept".
func (r Result) Changed() int {
	count := 0
	for _, c := range r.Changes {
		if c.Action != unchanged && c.Action != kept {
			count++
		}
	}
	return count
}

// What happens to objects.
const (
	created    = "created"
	configured = "configured"
	unchanged  = "unchanged"
	recreated  = "recreated"
	deleted    = "deleted"
	kept       = "kept" // no longer in the release, but never pruned
)

// String has one line for each hook and object, those that stay as they are
// left out, and a line that counts.
func (r Result) String() string {
	var b strings.Builder
	would := ""
	if r.DryRun {
		would = "would be "
	}
	for _, h := range r.Hooks {
		fmt.Fprintf(&b, "%s hook %s %srun\n", h.Point, h.Name, would)
	}
	for _, c := range r.Changes {
		if c.Action != unchanged {
			fmt.Fprintf(&b, "%s %s%s\n", c.Object, would, c.Action)
		}
	}
	fmt.Fprintf(&b, "%s %s: %d of %d objects %schanged\n", r.Action, r.Site, r.Changed(), len(r.Changes), would)
	return b.String()
}
