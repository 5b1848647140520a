// Package gate runs the gates of rings that are to take a release.
//
// A gate is an image of the release that has to end well before a ring may take it. It
// belongs to the release: what was [Required] when it was published is run, by its own
// record, and what only today's manifest requires besides. [Run] runs each as a step of a
// build that is never taken from the cache, with the release's images in a file, and returns
// what goes into the record of the operation that moves the rings. Call it after the plan
// and before anything moves:
//
//	passed, err := gate.Run(ctx, m, builder.BuildKit{}, gate.Skip{}, []gate.Release{{Ring: "users", Version: v, Digest: d, Images: images}})
package gate

import (
	"context"
	"fmt"
	"slices"
	"time"

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
	// Required are the gates that the release's own record names, of all rings.
	Required []records.Required
}

// Skip are gates that are not run. Each is named as in the manifest, by its ring, or as
// RING/IMAGE where a ring has several.
type Skip struct {
	Gates  []string
	Reason string // for the record
}

// SkipError says that a gate that is to be skipped would not be run anyway.
type SkipError struct{ Gate string }

// Error names the gate.
func (e *SkipError) Error() string {
	return fmt.Sprintf("there is no gate %s to skip: name the ring, or RING/IMAGE, as the gate's message does", e.Gate)
}

// Required are the gates of a manifest, as the record of a publish names them.
func Required(m *manifest.Manifest) []records.Required {
	var all []records.Required
	for _, gate := range m.Gates {
		all = append(all, required(gate))
	}
	return all
}

func required(gate manifest.Gate) records.Required {
	return records.Required{
		Ring: gate.Ring, Image: gate.Image, Command: gate.Command, Network: gate.Network, Secrets: gate.Secrets,
		Timeout: int((gate.Timeout + time.Second - 1) / time.Second),
	}
}

// Run runs the gates of the rings that are to take a release, one after the other in
// the order of the releases, and returns what they said for the record. The first one
// that does not pass ends it with an [*Error]. Rings without a gate need nothing: if no
// gate is to be run, no BuildKit is asked. A secret that is not there is a [*SecretError],
// and a gate to skip that there is not a [*SkipError], before any gate runs; the other
// errors are those of [builder.Connect].
func Run(ctx context.Context, m *manifest.Manifest, b builder.BuildKit, skip Skip, releases []Release) ([]records.Gate, error) {
	tasks, err := tasksOf(m, skip, releases)
	if err != nil || len(tasks) == 0 {
		return nil, err
	}
	if err := checkSecrets(ctx, b, tasks); err != nil {
		return nil, err
	}
	var said []records.Gate
	var c *builder.Client
	for _, t := range tasks {
		gate := records.Gate{Ring: t.gate.Ring, Image: t.gate.Image, Digest: t.image.Digest, Skipped: t.skipped}
		if t.skipped == "" {
			if c == nil {
				if c, err = builder.Connect(ctx, b); err != nil {
					return nil, err
				}
				defer c.Close()
			}
			if err := t.run(ctx, c, b.Progress); err != nil {
				return nil, err
			}
			gate.Passed = true
		}
		said = append(said, gate)
	}
	return said, nil
}

// task is a gate with what it is run with.
type task struct {
	gate        records.Required
	skipped     string        // why it is not run, "" if it is
	image       records.Image // that is run
	reference   string        // of the image, by digest
	environment map[string]string
	release     []byte // content of deploy.ImagesFile
}

// secretsDir is where a gate finds its secrets.
const secretsDir = "/run/secrets"

// tasksOf are the gates that stand between releases and their rings.
func tasksOf(m *manifest.Manifest, skip Skip, releases []Release) ([]task, error) {
	var tasks []task
	var problem error
	skipped := map[string]bool{}
	for _, r := range releases {
		for _, gate := range gatesOf(m, r) {
			t, err := newTask(m, gate, r)
			for _, name := range skip.Gates {
				if name == gate.Ring || name == gate.Ring+"/"+gate.Image {
					t, err = task{gate: gate, image: r.Images[gate.Image], skipped: skip.Reason}, nil
					skipped[name] = true
				}
			}
			if err != nil && problem == nil {
				problem = fmt.Errorf("gate of ring %s: %w", gate.Ring, err)
			}
			tasks = append(tasks, t)
		}
	}
	for _, name := range skip.Gates {
		if !skipped[name] {
			return nil, &SkipError{name}
		}
	}
	return tasks, problem
}

// gatesOf are the gates that a release has to pass before its ring: those that its own
// record names, and then that of the manifest, unless the record has one that runs the same
// image. What that image is told is the release's then, as the image is.
func gatesOf(m *manifest.Manifest, r Release) []records.Required {
	var gates []records.Required
	for _, gate := range r.Required {
		if gate.Ring == r.Ring {
			gates = append(gates, gate)
		}
	}
	today, found := m.Gate(r.Ring)
	same := func(gate records.Required) bool { return gate.Image == today.Image }
	if found && !slices.ContainsFunc(gates, same) {
		gates = append(gates, required(today))
	}
	return gates
}

func newTask(m *manifest.Manifest, gate records.Required, r Release) (task, error) {
	image, ok := r.Images[gate.Image]
	if !ok {
		return task{}, fmt.Errorf("release %s has no image %s: publish a release that has it, or leave the gate out by --skip-gate %s/%[2]s --reason …", r.Version, gate.Image, gate.Ring)
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
