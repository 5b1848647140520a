// Package gate runs the gates of rings that are to take a release.
//
// A gate is an image of the release that has to end well before a ring may take it. [Run]
// runs it as a step of a build that is never taken from the cache, with the release's
// images in a file, and returns what goes into the record of the operation that moves
// the rings. Call it after the plan and before anything moves:
//
//	passed, err := gate.Run(ctx, m, builder.BuildKit{}, []gate.Release{{Ring: "users", Version: v, Digest: d, Images: images}})
package gate

import (
	"context"
	"fmt"

	"github.com/quoitbuild/quoit/builder"
	"github.com/quoitbuild/quoit/deploy"
	"github.com/quoitbuild/quoit/manifest"
	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/versioning"
)

// Release is a release that is to move into a ring.
type Release struct {
	Ring    string
	Version versioning.Version // of the release
	Digest  string             // of its root image
	// Images are all images of the release, the root image included.
	Images map[string]records.Image
}

// Run runs the gates of the rings that are to take a release, one after the other in
// the order of the releases, and returns what they said for the record. The first one
// that does not pass ends it with an [*Error]. Rings without a gate need nothing: if no
// ring has one, no BuildKit is asked. A secret that is not there is a [*SecretError],
// before any gate runs; the other errors are those of [builder.Connect].
func Run(ctx context.Context, m *manifest.Manifest, b builder.BuildKit, releases []Release) ([]records.Gate, error) {
	tasks, err := tasksOf(m, releases)
	if err != nil || len(tasks) == 0 {
		return nil, err
	}
	if err := checkSecrets(ctx, b, tasks); err != nil {
		return nil, err
	}
	c, err := builder.Connect(ctx, b)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	var passed []records.Gate
	for _, t := range tasks {
		if err := t.run(ctx, c, b.Progress); err != nil {
			return nil, err
		}
		passed = append(passed, records.Gate{Ring: t.gate.Ring, Image: t.gate.Image, Digest: t.image.Digest, Passed: true})
	}
	return passed, nil
}

// task is a gate with what it is run with.
type task struct {
	gate        manifest.Gate
	image       records.Image // that is run
	reference   string        // of the image, by digest
	environment map[string]string
	release     []byte // content of deploy.ImagesFile
}

// secretsDir is where a gate finds its secrets.
const secretsDir = "/run/secrets"

// tasksOf are the gates of those releases whose ring has one.
func tasksOf(m *manifest.Manifest, releases []Release) ([]task, error) {
	var tasks []task
	for _, r := range releases {
		gate, ok := m.Gate(r.Ring)
		if !ok {
			continue
		}
		t, err := newTask(m, gate, r)
		if err != nil {
			return nil, fmt.Errorf("gate of ring %s: %w", gate.Ring, err)
		}
		tasks = append(tasks, t)
	}
	return tasks, nil
}

func newTask(m *manifest.Manifest, gate manifest.Gate, r Release) (task, error) {
	image, ok := r.Images[gate.Image]
	if !ok {
		return task{}, fmt.Errorf("release %s has no image %s", r.Version, gate.Image)
	}
	references := make(map[string]string, len(r.Images))
	for name, image := range r.Images {
		references[name] = m.Repository(name) + "@" + image.Digest
	}
	release, err := deploy.FormatImages(references)
	if err != nil {
		return task{}, err
	}
	return task{
		gate: gate, image: image, reference: references[gate.Image], release: release,
		environment: map[string]string{
			"QUOIT_PROJECT":        m.Project,
			"QUOIT_RING":           gate.Ring,
			"QUOIT_VERSION":        r.Version.String(),
			"QUOIT_RELEASE_DIGEST": r.Digest,
			"QUOIT_RELEASE":        deploy.ImagesFile,
		},
	}, nil
}

// String names what is run.
func (t task) String() string { return t.gate.Image + " " + t.image.Version.String() }

// step is how the run is called in the progress.
func (t task) step() string { return "[gate of ring " + t.gate.Ring + "] " + t.String() }
