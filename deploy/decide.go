// Package deploy decides what brings a site, a place where a release runs, to
// another release.
//
// [Decide] is a pure function of the site's [Record] and of how releases descend
// from each other. A deployer that carries the [Plan] out writes the record before
// each step ([Record.Begin]) and after it ([Record.Finish]), so that the next
// deploy knows what an interrupted one may have left. [Format] and [Parse] are the
// record's JSON. Nothing here does I/O: package site does, on a cluster.
package deploy

import (
	"slices"

	"github.com/quoitbuild/quoit/versioning"
)

// Options say what a deploy may do. The zero value is the most careful one.
type Options struct {
	// Downgrade allows going back to an ancestor of what the site runs.
	Downgrade bool
	// Discard allows going to a release that neither descends from what the
	// site runs nor is an ancestor of it. Nothing undoes what the site's release
	// has changed: the steps are those of an upgrade.
	Discard bool
	// SkipDowngrade leaves out the downgrade itself, for a release whose
	// downgrade is broken; the older release is only restored.
	SkipDowngrade bool
	// Again deploys what is there already.
	Again bool
}

// Descends reports whether a release is another one or descends from it, as
// [versioning.Place.Descends] does. A release that the log does not know
// descends from itself only.
type Descends func(release, ancestor Release) bool

// Decide returns the steps that bring a site to the target, in order; none if
// it is there. The version order decides nothing: a target that is an ancestor
// of what the site runs is a downgrade, one that descends from it an upgrade,
// and a release that is both (an equal one) is neither.
//
// A failed or interrupted step leaves the site between two releases, and a
// deploy starts from both: it takes back what a newer one may have begun, and
// does again what an older one may lack. So hooks run at least once, a deploy
// that stopped is resumed by deploying again, and any other target is reached
// from there as well.
//
// The error is a [*DowngradeError] or a [*UnrelatedError] where the options do
// not allow what would have to be done.
func Decide(record Record, target Release, descends Descends, o Options) (Plan, error) {
	p := positions{target: target}
	for _, r := range record.Reached {
		p.add(r, descends)
	}
	if len(p.unrelated) > 0 && !o.Discard {
		return Plan{}, &UnrelatedError{Site: record.Site, Runs: p.unrelated[0], Target: target}
	}
	above := maximal(p.above, descends)
	if len(above) > 0 && !o.Downgrade {
		return Plan{}, &DowngradeError{Site: record.Site, Runs: above[0], Target: target}
	}
	plan := Plan{Target: &target}
	if !o.SkipDowngrade {
		for _, newer := range above {
			plan.Steps = append(plan.Steps, Step{Action: Downgrade, Run: newer, From: newer.Version, To: target.Version})
		}
	}
	if last, ok := p.last(record, above, o); ok {
		plan.Steps = append(plan.Steps, last)
	}
	plan.Resumes = record.Attempted != nil && record.Attempted.Same(target) && record.Step != nil
	return plan, nil
}

// positions are the releases that a site may be at, seen from the target.
type positions struct {
	target                  Release
	above, below, unrelated []Release
}

func (p *positions) add(r Release, descends Descends) {
	switch {
	case r.Same(p.target):
	case descends(p.target, r):
		p.below = append(p.below, r)
	case descends(r, p.target):
		p.above = append(p.above, r)
	default:
		p.unrelated = append(p.unrelated, r)
	}
}

// last is what the target's own root image does. It is false if that is
// nothing.
func (p positions) last(record Record, above []Release, o Options) (Step, bool) {
	step := Step{Run: p.target, To: p.target.Version}
	older := slices.Concat(p.below, p.unrelated)
	switch {
	case record.Installed == nil:
		// It never was whole, so install hooks have to run, whatever is there.
		step.Action = Install
	case len(older) > 0:
		// After a downgrade too: another one may have gone further down.
		step.Action, step.From = Upgrade, lowest(older, *record.Installed)
	case len(above) > 0:
		step.Action, step.From = Restore, above[0].Version
	case record.Step != nil && record.Step.Run.Same(p.target) && record.Step.Action == Restore:
		step = *record.Step
	case record.Step != nil || o.Again:
		step.Action, step.From = Upgrade, p.target.Version
	default:
		return Step{}, false
	}
	return step, true
}

// lowest is the version of the release that was whole last, if the site may
// still be there, else the lowest: a hook that asks where the site comes from
// must not skip a change.
func lowest(releases []Release, installed Release) versioning.Version {
	if slices.ContainsFunc(releases, installed.Same) {
		return installed.Version
	}
	return slices.MinFunc(releases, func(a, b Release) int { return a.Version.Compare(b.Version) }).Version
}

// DecideUninstall returns the steps that remove a site, none if nothing was
// ever begun there. The newest release runs: it knows all that may be there.
func DecideUninstall(record Record, descends Descends) Plan {
	var plan Plan
	for _, newest := range maximal(record.Reached, descends) {
		plan.Steps = append(plan.Steps, Step{Action: Uninstall, Run: newest, From: newest.Version})
	}
	plan.Resumes = record.Step != nil && record.Step.Action == Uninstall
	return plan
}

// maximal are the releases that no other one descends from, in their order.
func maximal(releases []Release, descends Descends) []Release {
	return slices.DeleteFunc(slices.Clone(releases), func(r Release) bool {
		return slices.ContainsFunc(releases, func(other Release) bool { return !other.Same(r) && descends(other, r) })
	})
}
