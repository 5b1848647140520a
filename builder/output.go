package builder

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"runtime"
	"slices"
	"strings"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/cmd/buildctl/build"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	"golang.org/x/sync/errgroup"

	"github.com/quoitbuild/quoit/builder/dial"
	"github.com/quoitbuild/quoit/frontend"
	"github.com/quoitbuild/quoit/versioning"
)

// Output is where an image goes that is not published: into the local Docker Engine, a
// folder, an archive, or a registry under a name of the caller's.
type Output struct {
	// Target is IMAGE, or IMAGE/STAGE for a stage of its container file. An image that is
	// not built is the one that was published, by digest.
	Target string
	// Names are references that an image gets where images have names; none: those of the
	// Entry, or its repository with the version that is planned.
	Names []string
	// Entry says the type and where to, as [ParseOutput] returns it; without a type it is
	// a build of which nothing is exported.
	Entry client.ExportEntry
}

// Types of outputs that are not BuildKit's own: into the local Docker Engine, and what an
// engine's own builder calls that.
const (
	exporterLoad = "load"
	exporterMoby = "moby"
)

// Load is the entry of an output into the local Docker Engine: that of docker's current
// context.
func Load() client.ExportEntry {
	return client.ExportEntry{Type: exporterLoad, Attrs: map[string]string{}}
}

// ParseOutput reads an output as docker buildx build takes it: type=local,dest=FOLDER;
// type=tar, oci or docker with dest=FILE; type=image or registry; a folder alone, or - for an
// archive of its files on stdout. One of type=docker without dest is like [Load]. A file is
// made at once, so nothing is built for one that cannot be written. The error is an
// [*OptionError].
func ParseOutput(text string) (client.ExportEntry, error) {
	load := false
	switch fields := strings.Split(text, ","); {
	case text == "-":
		text = "type=tar,dest=-"
	case !strings.Contains(text, "="):
		text = "type=local,dest=" + text
	case slices.Contains(fields, "type=docker") && !strings.Contains(text, "dest="):
		load = true
		text = strings.Replace(text, "type=docker", "type=image", 1) // which has no file
	}
	if fields := strings.Split(text, ","); !load && !strings.Contains(text, "dest=") && (slices.Contains(fields, "type=tar") || slices.Contains(fields, "type=oci")) {
		return client.ExportEntry{}, &OptionError{"output", errors.New(text + ": write dest=FILE, or dest=- for stdout")}
	}
	entries, err := build.ParseOutput([]string{text})
	if err != nil {
		return client.ExportEntry{}, &OptionError{"output", err}
	}
	e := entries[0]
	switch e.Type {
	case client.ExporterImage:
		if load {
			e.Type = exporterLoad
		}
	case "registry":
		e.Type, e.Attrs[string(exptypes.OptKeyPush)] = client.ExporterImage, "true"
	case client.ExporterLocal, client.ExporterTar, client.ExporterOCI, client.ExporterDocker:
	default:
		return e, &OptionError{"output", fmt.Errorf("there is no type %q: write local, tar, oci, docker, image or registry", e.Type)}
	}
	return e, nil
}

// isStage reports whether it is a stage, and no image of the project.
func (o Output) isStage() bool { return strings.Contains(o.Target, "/") }

// named reports whether what is exported has a name.
func (o Output) named() bool {
	return !slices.Contains([]string{"", client.ExporterLocal, client.ExporterTar}, o.Entry.Type)
}

// names are those that an image gets.
func (o Output) names(plan versioning.Plan) []string {
	if name := o.Entry.Attrs[string(exptypes.OptKeyName)]; len(o.Names) == 0 && name != "" {
		return strings.Split(name, ",")
	}
	if len(o.Names) > 0 {
		return o.Names
	}
	image, _ := plan.Image(o.Target)
	return []string{plan.Registry + "/" + plan.Project + "/" + o.Target + ":" + image.Version.String()}
}

// checkOutputs refuses outputs that lack a name.
func (o Options) checkOutputs() error {
	for _, output := range o.Outputs {
		_, push := output.Entry.Attrs[string(exptypes.OptKeyPush)]
		switch {
		case len(output.Names) > 0 || output.Entry.Attrs[string(exptypes.OptKeyName)] != "":
		case push:
			return &OptionError{"output", errors.New("name what is pushed, with --tag or name=: a release is published by --push")}
		case output.isStage() && output.named():
			return &OptionError{"target", fmt.Errorf("%s is a stage, which has no name of its own: give it one with --tag", output.Target)}
		}
	}
	return nil
}

// outputs builds and exports the outputs, each by a solve of its own: no engine takes a
// result of several images.
func (o Options) outputs(ctx context.Context, c *Client, log *reading, found looked) (out Outcome, err error) {
	o.Frontend.Export = false
	if found.plan == nil {
		plan, err := o.planBy(ctx, c, log, found)
		if err != nil {
			return out, err
		}
		if found.dirty, err = o.check(ctx, log, plan); err != nil {
			return out, err
		}
		found.plan = &plan
	}
	to, err := o.receiver(ctx, c)
	if err != nil {
		return out, err
	}
	defer to.close()
	if err := o.together(ctx, c, log, found); err != nil {
		return out, err
	}
	for _, output := range o.Outputs {
		if err := o.output(ctx, c, log, found, output, to); err != nil {
			return out, err
		}
		if output.Entry.Type == exporterLoad {
			out.Loaded = append(out.Loaded, output.names(*found.plan)...)
		}
	}
	out.Plan = *found.plan
	return out, nil
}

// receiver is what takes what is exported.
type receiver struct {
	kind
	engine *dial.Engine // nil if nothing is loaded, or the builder's own engine takes it
}

// receiver asks whether everything can be exported, and finds the engine that takes it.
func (o Options) receiver(ctx context.Context, c *Client) (to receiver, err error) {
	if to.kind, err = c.kind(ctx); err != nil {
		return to, err
	}
	for _, output := range o.Outputs {
		if err := to.exports(output.Entry); err != nil {
			return to, err
		}
		if output.Entry.Type == exporterLoad && !to.kind.engine && to.engine == nil {
			if to.engine, err = dial.FindEngine(ctx); err != nil {
				return to, err
			}
		}
	}
	return to, nil
}

func (r receiver) close() {
	if r.engine != nil {
		r.engine.Close()
	}
}

// planBy has a BuildKit make the plan.
func (o Options) planBy(ctx context.Context, c *Client, log *reading, found looked) (versioning.Plan, error) {
	o.Frontend.Request = frontend.RequestPlan
	answer, err := job{Options: o, log: log, looked: found}.run(ctx, c)
	if err != nil {
		return versioning.Plan{}, err
	}
	return versioning.ParsePlan(answer.json)
}

// together builds in one solve what the outputs then find in the cache one after the other,
// if they are all that changed.
func (o Options) together(ctx context.Context, c *Client, log *reading, found looked) error {
	changed := found.plan.PublishOrder()
	here, several := false, false
	for _, name := range changed {
		if !slices.ContainsFunc(o.Outputs, func(out Output) bool { return out.Target == name }) {
			return nil
		}
		image, _ := found.plan.Image(name)
		here = here || slices.Contains(image.Platforms, machine)
		several = several || len(image.Platforms) > 1
	}
	if narrow := several && len(o.Frontend.Platforms) == 0; narrow && here {
		o.Frontend.Platforms = []string{machine}
	} else if narrow || len(changed) < 2 {
		return nil
	}
	o.Frontend.Export = true
	_, err := job{Options: o, log: log, looked: found}.run(ctx, c)
	return err
}

// machine is the platform of which an image is loaded, if it has several.
const machine = "linux/" + runtime.GOARCH

// output builds and exports one of the outputs.
func (o Options) output(ctx context.Context, c *Client, log *reading, found looked, output Output, to receiver) error {
	e := output.Entry
	e.Attrs = maps.Clone(e.Attrs)
	if output.named() {
		e.Attrs[string(exptypes.OptKeyName)] = strings.Join(output.names(*found.plan), ",")
	}
	o.Frontend.Target = output.Target
	image, _ := found.plan.Image(output.Target)
	if len(o.Frontend.Platforms) == 0 && len(image.Platforms) > 1 && (e.Type == exporterLoad || e.Type == client.ExporterDocker) {
		o.Frontend.Platforms = []string{machine} // neither holds more than one
	}
	j := job{Options: o, log: log, looked: found}
	switch {
	case e.Type == "":
	case e.Type == exporterLoad && to.engine != nil:
		return j.load(ctx, c, e, to.engine)
	case e.Type == exporterLoad, e.Type == client.ExporterImage && to.kind.engine:
		e.Type = exporterMoby
		fallthrough
	default:
		j.exports = []client.ExportEntry{e}
	}
	_, err := j.run(ctx, c)
	return err
}

// load has a builder that is no engine's send an archive of an image, which the local
// engine takes while it comes.
func (j job) load(ctx context.Context, c *Client, e client.ExportEntry, engine *dial.Engine) error {
	archive, from := io.Pipe()
	e.Type = client.ExporterDocker
	e.Output = func(map[string]string) (io.WriteCloser, error) { return from, nil }
	j.exports = []client.ExportEntry{e}
	eg, ctx := errgroup.WithContext(ctx)
	eg.Go(func() error {
		err := engine.Load(ctx, archive)
		archive.CloseWithError(cmp.Or(err, io.ErrClosedPipe)) // whatever it has not read
		return err
	})
	eg.Go(func() error {
		_, err := j.run(ctx, c)
		from.CloseWithError(err) // as nothing more comes
		return err
	})
	return eg.Wait()
}
