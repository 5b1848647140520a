package deploy

import (
	"slices"
	"time"

	"github.com/quoitbuild/quoit/versioning"
)

// Record is what a site remembers of its deploys. The zero record, with the
// names of project and site, is that of a site where nothing was ever begun.
//
// A deployer writes it before each step ([Record.Begin]) and after it
// ([Record.Finish]). A step whose end was never written counts as failed.
type Record struct {
	Project string
	Site    string
	// Installed is the release that a deploy has completed last. It is nil
	// before the first one, and as soon as an uninstall has begun.
	Installed *Release
	// Attempted is the target of a deploy that did not end, nil if none.
	Attempted *Release
	// Step is the step that was begun and did not end, nil if none. An uninstall
	// has no Attempted.
	Step *Step
	// Reached are the releases whose hooks may have left their marks on the
	// site: it is at one of them or between two. A site at rest has one.
	Reached []Release
	// Results are those of the last steps, the newest last.
	Results []Result
}

// Result is how one step ended.
type Result struct {
	Step
	Time  time.Time // when it ended, in seconds, UTC
	Error string    // why it failed, "" if it did not
}

// Outcome is how a step ended for the site.
type Outcome int

// The outcomes.
const (
	// Failed: it may have done anything from nothing to all. A deployer that
	// does not know says this.
	Failed Outcome = iota
	// Done: the root image has run and ended well.
	Done
	// NotStarted: the root image has certainly not run: it could not be pulled
	// or placed.
	NotStarted
)

// Resting reports whether no deploy is under way or has stopped half-way.
func (r Record) Resting() bool { return r.Step == nil }

// Begin returns the record to be written before a step of the plan runs.
func (r Record) Begin(plan Plan, step int, descends Descends) Record {
	next := r.clone()
	s := plan.Steps[step]
	next.Step, next.Attempted = &s, plan.Target
	switch {
	case s.Action == Uninstall:
		next.Installed = nil
	case plan.Target != nil:
		next.reach(*plan.Target, descends)
	}
	return next
}

// Finish returns the record to be written after a step of the plan; r is the
// one from before the step began. Why a step failed is told by its result.
func (r Record) Finish(plan Plan, step int, outcome Outcome, result Result, descends Descends) Record {
	begun := r.Begin(plan, step, descends)
	last := step == len(plan.Steps)-1
	switch {
	case outcome == NotStarted:
		begun = r.clone()
	case outcome == Done && last:
		begun.complete(plan)
	case outcome == Done:
		begun.passed(plan, step, descends)
	}
	result.Step = plan.Steps[step]
	begun.Results = append(begun.Results, result)
	begun.Results = begun.Results[max(0, len(begun.Results)-maxResults):]
	return begun
}

// complete puts the site to rest.
func (r *Record) complete(plan Plan) {
	r.Installed, r.Attempted, r.Step, r.Reached = plan.Target, nil, nil, nil
	if plan.Target != nil {
		r.Reached = []Release{*plan.Target}
	}
}

// passed goes on to the next step, so that a deploy which stops between two
// resumes there.
func (r *Record) passed(plan Plan, step int, descends Descends) {
	ran := plan.Steps[step].Run
	r.Reached = slices.DeleteFunc(r.Reached, func(at Release) bool {
		if plan.Target == nil {
			return at.Same(ran)
		}
		return !at.Same(*plan.Target) && descends(ran, at) && descends(at, *plan.Target)
	})
	next := plan.Steps[step+1]
	r.Step = &next
}

// reach adds the target, and leaves out what else lies between two others.
func (r *Record) reach(target Release, descends Descends) {
	if !slices.ContainsFunc(r.Reached, target.Same) {
		r.Reached = append(r.Reached, target)
	}
	all := slices.Clone(r.Reached)
	r.Reached = slices.DeleteFunc(r.Reached, func(at Release) bool {
		higher := func(other Release) bool { return !other.Same(at) && descends(other, at) }
		lower := func(other Release) bool { return !other.Same(at) && descends(at, other) }
		return !at.Same(target) && slices.ContainsFunc(all, higher) && slices.ContainsFunc(all, lower)
	})
}

func (r Record) clone() Record {
	r.Reached, r.Results = slices.Clone(r.Reached), slices.Clone(r.Results)
	return r
}

// Version is the version of what is installed, zero if nothing is.
func (r Record) Version() versioning.Version {
	if r.Installed == nil {
		return versioning.Version{}
	}
	return r.Installed.Version
}
