package deploy

import (
	"fmt"
	"strings"
)

// Plan is what a deploy does to a site.
type Plan struct {
	// Target is where the site goes, nil where it is removed.
	Target *Release `json:"target,omitempty"`
	// Steps are run one after the other; the first that fails ends the deploy.
	Steps []Step `json:"steps,omitempty"`
	// Resumes says that an earlier deploy to the same target did not end.
	Resumes bool `json:"resumes,omitempty"`
}

// Nothing reports whether the site is where it should be.
func (p Plan) Nothing() bool { return len(p.Steps) == 0 }

// String is the plan for people: "downgrade 1.2.0 to 1.1.0, restore 1.1.0".
func (p Plan) String() string {
	if p.Nothing() {
		return "nothing to do"
	}
	steps := make([]string, len(p.Steps))
	for i, step := range p.Steps {
		steps[i] = step.String()
	}
	text := strings.Join(steps, ", ")
	if p.Resumes {
		return "resume: " + text
	}
	return text
}

// String is the step for people: "upgrade 1.0.0 to 1.1.0".
func (s Step) String() string {
	switch {
	case s.Action == Install, s.Action == Restore, s.From == s.To:
		return fmt.Sprintf("%s %s", s.Action, s.To)
	case s.Action == Uninstall:
		return fmt.Sprintf("%s %s", s.Action, s.From)
	}
	return fmt.Sprintf("%s %s to %s", s.Action, s.From, s.To)
}

// DowngradeError says that a deploy would have to go back to an ancestor.
type DowngradeError struct {
	Site         string
	Runs, Target Release
}

// Error names both releases.
func (e *DowngradeError) Error() string {
	return fmt.Sprintf("site %s runs %s, which descends from %s: going back to that is a downgrade, which was not allowed", e.Site, e.Runs.Version, e.Target.Version)
}

// UnrelatedError says that neither of two releases descends from the other.
type UnrelatedError struct {
	Site         string
	Runs, Target Release
}

// Error names both releases, and how to go on.
func (e *UnrelatedError) Error() string {
	return fmt.Sprintf("site %s runs %s, which is unrelated to %s, so nothing can undo what it changed; to deploy anyway, use --discard %[1]s",
		e.Site, e.Runs.Version, e.Target.Version)
}
