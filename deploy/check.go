package deploy

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/quoitbuild/quoit/internal/show"
)

// maxQuoted is how much of a broken record is quoted, in characters.
const maxQuoted = 200

var digest = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// check says what is broken about a record.
func check(d document) error {
	if d.Project == "" || d.Site == "" {
		return errors.New("it lacks a project or a site")
	}
	if len(d.Results) > maxResults {
		return fmt.Errorf("it has %d results; the limit is %d", len(d.Results), maxResults)
	}
	for _, r := range slices.Concat(pointed(d.Installed), pointed(d.Attempted), d.Reached) {
		if err := checkRelease(r); err != nil {
			return err
		}
	}
	for i, r := range d.Reached {
		if slices.ContainsFunc(d.Reached[:i], r.Same) {
			return fmt.Errorf("it lists %s twice as reached", r.Digest)
		}
	}
	if d.Phase != nil {
		if err := checkStep(*d.Phase); err != nil {
			return err
		}
	}
	for _, r := range d.Results {
		if err := checkResult(r); err != nil {
			return err
		}
	}
	return checkState(d)
}

// checkState checks that the parts of a record tell one story.
func checkState(d document) error {
	has := func(r *Release) bool { return slices.ContainsFunc(d.Reached, r.Same) }
	uninstalls := d.Phase != nil && d.Phase.Action == Uninstall
	switch {
	case d.Phase == nil && d.Attempted != nil:
		return errors.New("a release is attempted, but there is no phase")
	case d.Phase != nil && uninstalls == (d.Attempted != nil):
		return fmt.Errorf("phase %s does not fit the attempted release", d.Phase.Action)
	case uninstalls && d.Installed != nil:
		return errors.New("it is both installed and being uninstalled")
	case d.Attempted != nil && !has(d.Attempted):
		return errors.New("the attempted release is not among those reached")
	case d.Phase != nil && len(d.Reached) == 0:
		return errors.New("there is a phase, but no release is reached")
	case d.Phase == nil && d.Installed == nil && len(d.Reached) > 0:
		return errors.New("releases are reached, but none is installed or attempted")
	case d.Phase == nil && d.Installed != nil && (len(d.Reached) != 1 || !has(d.Installed)):
		return errors.New("it rests, but the installed release is not the only one reached")
	}
	return nil
}

func checkRelease(r Release) error {
	if !digest.MatchString(r.Digest) {
		return fmt.Errorf("%s is not a digest", show.Quote(r.Digest, maxQuoted))
	}
	return nil
}

func checkStep(s Step) error {
	if !slices.Contains(Actions(), s.Action) {
		return fmt.Errorf("%s is not an action", show.Quote(string(s.Action), maxQuoted))
	}
	return checkRelease(s.Run)
}

func checkResult(r resultDocument) error {
	if r.Time.Nanosecond() != 0 || r.Time.Location() != time.UTC {
		return fmt.Errorf("the time %s is not in whole seconds of UTC", r.Time)
	}
	if len(r.Error) > maxError {
		return fmt.Errorf("a result's error has %d bytes; the limit is %d", len(r.Error), maxError)
	}
	return checkStep(r.Step)
}

func pointed(r *Release) []Release {
	if r == nil {
		return nil
	}
	return []Release{*r}
}
