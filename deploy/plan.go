package deploy

import "strings"

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
