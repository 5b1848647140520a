package site

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/quoitbuild/quoit/deploy"
)

const maxRelease = 1 << 20 // bytes of release.json; a ConfigMap takes no more

// Task is one step to be run.
type Task struct {
	Site     Site
	Step     deploy.Step
	Images   Images // of the release that runs
	TakeOver bool   // fields that somebody else owns
	// Timeout bounds the run, Start how long it may take until it runs.
	Timeout, Start time.Duration
	// Wait bounds each wait of the root image: for a hook, for objects to be
	// ready. Zero leaves that to the root image.
	Wait time.Duration
	// Attempt tells this attempt from others of the same step, and is the same
	// for one that goes on with an interrupted one.
	Attempt string
}

// Release is the file that lists the images of the release that runs.
func (t Task) Release() ([]byte, error) {
	text, err := deploy.FormatImages(t.Images.All)
	if err != nil {
		return nil, err
	}
	if len(text) > maxRelease-4096 {
		return nil, fmt.Errorf("writing %s: the release has %d images, more than fit in a ConfigMap", deploy.ImagesName, len(t.Images.All))
	}
	return text, nil
}

// name is that of the task's Job. All that the Job does is in it, so that a Job
// of that name does just this and can be gone on with.
func (t Task) name() string {
	release, _ := t.Release()
	sum := sha256.New()
	for _, v := range Variables(t.Site, t.Step, t.TakeOver) {
		fmt.Fprintf(sum, "%q=%q\n", v.Name, v.Value)
	}
	fmt.Fprintf(sum, "%q\n%s\n%s", t.Images.Root, release, t.Attempt)
	return fmt.Sprintf("%s-%s", t.Site.Object(), hex.EncodeToString(sum.Sum(nil))[:10])
}

// Runner runs one step. A [*StepError] says how the step ended; after any other
// error that is not known.
type Runner interface {
	Run(ctx context.Context, task Task) error
	// Resumes names the Job that Run goes on with if it is there, "" if none:
	// then what runs the task already has to be ended before.
	Resumes(task Task) string
}

// Variable is one environment variable of a root image.
type Variable struct{ Name, Value string }

// Variables are what a root image is told of a step, in a fixed order. A version
// is empty where there is none.
func Variables(s Site, step deploy.Step, takeOver bool) []Variable {
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
		{"QUOIT_RELEASE", deploy.ImagesFile},
	}
	for i := range all {
		switch {
		case all[i].Name == "QUOIT_FROM_VERSION" && !step.From.IsZero():
			all[i].Value = step.From.String()
		case all[i].Name == "QUOIT_TO_VERSION" && !step.To.IsZero():
			all[i].Value = step.To.String()
		}
	}
	if takeOver {
		// Root images that were built long ago know it by this name.
		all = append(all, Variable{"QUOIT_ADOPT", "1"})
	}
	return all
}
