package main

import (
	"context"
	"fmt"
	"io"

	"github.com/quoitbuild/quoit/deploy/site"
	"github.com/quoitbuild/quoit/manifest"
	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/versioning"
)

// gateJob is a release that is to move into a ring.
type gateJob struct {
	Ring    string
	Version versioning.Version // of the release
	Digest  string             // of its root image
	// Images are all images of the release, the root image included.
	Images map[string]records.Image
}

// runGates runs the gates of the rings that are to take a release, one after the
// other in the order of the jobs, and returns what they said for the record. The
// first one that does not pass ends it with a [*gateError]. Rings without a gate
// need nothing: if no ring has one, no BuildKit is asked. Call it before anything
// moves.
func runGates(ctx context.Context, m *manifest.Manifest, build buildkitFlags, jobs []gateJob, progress io.Writer) ([]records.Gate, error) {
	tasks, err := gateTasks(m, jobs)
	if err != nil || len(tasks) == 0 {
		return nil, err
	}
	if err := checkSecrets(ctx, build.secrets, tasks); err != nil {
		return nil, err
	}
	c, err := build.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	runner := gateRunner{client: c, build: build, progress: progress}
	var passed []records.Gate
	for _, task := range tasks {
		if err := runner.run(ctx, task); err != nil {
			return nil, err
		}
		passed = append(passed, records.Gate{Ring: task.gate.Ring, Image: task.gate.Image, Digest: task.image.Digest, Passed: true})
	}
	return passed, nil
}

// gateTask is a gate with what it is run with.
type gateTask struct {
	gate        manifest.Gate
	image       records.Image // that is run
	reference   string        // of the image, by digest
	environment map[string]string
	release     []byte // content of site.ReleaseFile
}

// Where a gate and a root image find the release, and a gate its secrets.
const (
	releaseFile = site.ReleaseFile
	secretsDir  = "/run/secrets"
)

// gateTasks are the gates of those jobs whose ring has one.
func gateTasks(m *manifest.Manifest, jobs []gateJob) ([]gateTask, error) {
	var tasks []gateTask
	for _, job := range jobs {
		gate, ok := m.Gate(job.Ring)
		if !ok {
			continue
		}
		task, err := newGateTask(m, gate, job)
		if err != nil {
			return nil, fmt.Errorf("gate of ring %s: %w", gate.Ring, err)
		}
		tasks = append(tasks, task)
	}
	return tasks, nil
}

func newGateTask(m *manifest.Manifest, gate manifest.Gate, job gateJob) (gateTask, error) {
	image, ok := job.Images[gate.Image]
	if !ok {
		return gateTask{}, fmt.Errorf("release %s has no image %s", job.Version, gate.Image)
	}
	references := referencesOf(m.Registry+"/"+m.Project, job.Images)
	release, err := site.FormatImages(references)
	if err != nil {
		return gateTask{}, err
	}
	return gateTask{
		gate: gate, image: image, reference: references[gate.Image], release: release,
		environment: map[string]string{
			"QUOIT_PROJECT":        m.Project,
			"QUOIT_RING":           gate.Ring,
			"QUOIT_VERSION":        job.Version.String(),
			"QUOIT_RELEASE_DIGEST": job.Digest,
			"QUOIT_RELEASE":        releaseFile,
		},
	}, nil
}

// String names what is run.
func (t gateTask) String() string { return t.gate.Image + " " + t.image.Version.String() }

// step is how the run is called in the progress.
func (t gateTask) step() string { return "[gate of ring " + t.gate.Ring + "] " + t.String() }
