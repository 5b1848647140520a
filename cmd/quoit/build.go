package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/quoitbuild/quoit/builder"
	"github.com/quoitbuild/quoit/builder/gate"
	"github.com/quoitbuild/quoit/frontend"
	"github.com/quoitbuild/quoit/frontend/check"
	"github.com/quoitbuild/quoit/manifest"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/versioning"
)

// buildFlags are those of quoit build.
type buildFlags struct {
	project    projectFlags
	plan       planFlags
	build      buildkitFlags
	commit     commitFlags
	push       bool
	message    string
	provenance string
	sbom       string
	check      bool
	output     string // text or json
	load       bool
	target     string
	tags       []string
	outputs    []string // and how to print, as they are written
}

func newBuildCmd() *cobra.Command {
	var f buildFlags
	cmd := &cobra.Command{
		Use:   "build [IMAGE…]",
		Short: "Build what changed, and with --push publish it as a release",
		Long: `Build builds every changed image of the project in one solve; with --push, more than
128 images take several. With --push the images are pushed by digest, the release is
recorded in the project's log, the images are tagged with their versions, and then the
ring's tag moves to the new root image: at every moment the ring names a complete
release. If nothing changed, nothing is built, pushed or moved.

--load brings images into the local Docker Engine, that of docker's current context: all
of the project, or those that are named; those that did not change as they were published,
and of several platforms this machine's. -o brings one, the root image or that of --target,
anywhere else, as docker buildx build does. Each gets its repository and planned version as
name, or those of --tag. Such a build is no release: no ring moves, and the version is a
forecast.

--first states that nothing was published yet, for registries that answer for a missing
repository as for a forbidden one: no ring is looked up. If the log says otherwise,
--push is refused.

In a git work tree, commits have an order too: if the ring has a release of a commit that
the one checked out lacks, as when the job of an older commit is run again, nothing is
built and the exit code is 4. --older goes on, and so does --merge with that ring; ring
ante takes any commit. If git cannot tell, as in a shallow clone, there is a warning with
the command that fetches what is missing. Files that differ from the commit make the
release dirty, which the log says; --clean refuses them.

With --check nothing is built: BuildKit's rules for container files are checked, and
Quoit's own, which docs/checks.md lists, as docker build --check does. The exit code is 1
if there is a warning.`,
		Example: `  quoit build                         # build what changed, publish nothing
  quoit build --check                 # what could be better in container files and manifest
  quoit build --push                  # publish a release into the first ring
  quoit build --push --ring users     # a hotfix, built against another ring
  quoit build --push --major api      # api gets its next major version
  quoit build --push --merge users    # the sources contain the hotfix in users
  quoit build --load                  # all images, into the local Docker Engine
  quoit build --load api -t api:dev   # one, under another name
  quoit build --target api/test -o reports  # files of a stage, into a folder`,
		Args: cobra.ArbitraryArgs,
		RunE: f.run,
	}
	f.register(cmd.Flags())
	return cmd
}

func (f *buildFlags) register(flags *pflag.FlagSet) {
	f.project.register(flags)
	f.plan.register(flags)
	f.build.register(flags)
	f.commit.register(flags)
	flags.BoolVar(&f.push, "push", false, "publish the release")
	flags.StringVar(&f.message, "message", "", "a message for the history")
	flags.StringVar(&f.provenance, "provenance", "mode=min", "provenance of pushed images: mode=min, mode=max, which has every build argument in it, or false")
	flags.StringVar(&f.sbom, "sbom", "false", "SBOM of pushed images: true, generator=IMAGE, or false")
	flags.BoolVar(&f.check, "check", false, "build nothing, and check container files and manifest by BuildKit's rules and Quoit's")
	flags.BoolVar(&f.load, "load", false, "bring images into the local Docker Engine")
	flags.StringVar(&f.target, "target", "", "build this image only, or IMAGE/STAGE (default with -o the root image, else all)")
	flags.StringArrayVarP(&f.tags, "tag", "t", nil, "a name for the image of --load or -o, instead of its repository and version")
	flags.StringArrayVarP(&f.outputs, "output", "o", nil, "what is printed: text or json; or where an image goes: FOLDER, or type=local|tar|oci|docker|image|registry,dest=…")
}

func (f *buildFlags) run(cmd *cobra.Command, images []string) error {
	vcs := sync.OnceValues(func() (commit, source string) { return gitState(cmd.Context(), f.project.dir) })
	go vcs() // git answers while the manifest is read and BuildKit is called
	m, err := f.project.load()
	if err != nil {
		return err
	}
	outputs, err := f.read(m, images)
	if err != nil {
		return err
	}
	if err := f.refuse(m, outputs); err != nil {
		return err
	}
	if f.check {
		return f.runCheck(cmd, m)
	}
	options, err := f.plan.options(cmd.Context(), f.project, m)
	if err != nil {
		return err
	}
	if f.push {
		options.Attestations = f.attestations()
	}
	project, err := open(cmd, m)
	if err != nil {
		return err
	}
	order := &commits{commitFlags: f.commit, dir: f.project.dir, state: vcs, merge: f.plan.merge, push: f.push, project: project, say: telling(cmd.ErrOrStderr())}
	var planned error // that of saying what the plan is
	out, err := builder.Build(cmd.Context(), builder.Options{
		Dir: f.project.dir, File: f.project.manifestPath(), Manifest: m, Frontend: options, Commit: vcs,
		Check: func(ctx context.Context, plan versioning.Plan) (dirty bool, err error) {
			err = order.check(ctx, plan)
			return order.found.dirty, err
		}, Planned: func(plan versioning.Plan) {
			if order.found.mark(&plan); f.output != "json" {
				planned = printText(f.says(cmd), plan.String()+"\n")
			}
		}, Push: f.push, Outputs: outputs, Author: store.Author{Actor: actor()}, Project: project, BuildKit: f.build.buildKit(cmd.ErrOrStderr()),
	})
	err = cmp.Or(err, planned)
	if err != nil && f.push {
		err = &endedError{err, project.Wrote()}
	}
	if err != nil {
		return optionMistake(err)
	}
	order.found.mark(&out.Plan)
	return f.finish(cmd, m, project, out, order.found)
}

// runCheck prints the warnings as docker build --check does.
func (f *buildFlags) runCheck(cmd *cobra.Command, m *manifest.Manifest) error {
	o, err := asked(cmd, m, f.project, f.plan, f.build)
	if err != nil {
		return err
	}
	found, err := builder.Check(cmd.Context(), o)
	if err != nil {
		return optionMistake(err)
	}
	text, err := check.Text(found)
	switch {
	case err != nil:
	case f.output == "json":
		err = printJSON(cmd.OutOrStdout(), found)
	case found.Error != nil:
		err = printText(cmd.OutOrStdout(), text+"\n"+found.Error.Message+"\n")
	default:
		err = printText(cmd.OutOrStdout(), check.Passed(found)+"\n"+text)
	}
	if err == nil && (found.Error != nil || len(found.Warnings) > 0) {
		err = exitCode(exitFailed)
	}
	return err
}

// refuse refuses what cannot be built or published.
func (f *buildFlags) refuse(m *manifest.Manifest, outputs []builder.Output) error {
	switch {
	case f.check && (f.push || len(outputs) > 0):
		return usagef("--check builds nothing: leave out --push, --load, -o, --target and images")
	case f.push && len(f.plan.platforms) > 0:
		return usagef("--platform narrows the build, and a narrowed build is not published: leave out --platform or --push")
	case f.push && f.plan.ring == versioning.None:
		return usagef("--ring none builds without looking at any ring, and such a build is not published: leave out --push or choose a ring")
	}
	return cmp.Or(checkRing(m, f.plan.ring), checkMessage(f.message))
}

// read reads what is built, where it goes, and how to print what happens; no outputs are
// all that changed, which goes nowhere or is published.
func (f *buildFlags) read(m *manifest.Manifest, images []string) (outputs []builder.Output, err error) {
	entries, err := f.entries()
	if err != nil {
		return nil, err
	}
	switch {
	case f.target == frontend.AllImages:
		images = m.ImageNames()
	case f.target != "":
		images = append(images, f.target)
	case len(images) > 0:
	case f.load:
		images = m.ImageNames()
	case len(entries) > 0:
		images = []string{m.Root}
	}
	switch {
	case f.push && len(images)+len(f.tags) > 0:
		return nil, usagef("--push publishes all that changed, under its own names: leave out --load, -o, --target, --tag and images, or build with these afterwards")
	case len(f.tags) > 0 && len(entries) == 0:
		return nil, usagef("--tag names an image that goes somewhere: say where, with --load or -o")
	case len(images) > 1 && (len(f.tags) > 0 || len(entries) > 1 || len(entries) > 0 && !f.load):
		return nil, usagef("--tag and -o are for one image, and these are %s: name one with --target", strings.Join(images, ", "))
	case len(entries) == 0:
		entries = []client.ExportEntry{{}}
	}
	for _, image := range images {
		name, _, _ := strings.Cut(image, "/")
		if err := checkImage(m, name); err != nil {
			return nil, err
		}
		for _, entry := range entries {
			outputs = append(outputs, builder.Output{Target: image, Names: f.tags, Entry: entry})
		}
	}
	return outputs, nil
}

// entries are where images go, by -o and --load.
func (f *buildFlags) entries() (entries []client.ExportEntry, err error) {
	f.output = "text"
	for _, text := range f.outputs {
		switch text {
		case "text", "json":
			f.output = text
			continue
		case "yaml", "yml":
			return nil, usagef("--output %s: choose text or json; a folder of that name is ./%s", text, text)
		}
		entry, err := builder.ParseOutput(text)
		if err != nil {
			return nil, optionMistake(err)
		}
		entries = append(entries, entry)
	}
	if f.load {
		entries = append(entries, builder.Load())
	}
	return entries, nil
}

// says is where the plan is printed: not between what is exported.
func (f *buildFlags) says(cmd *cobra.Command) io.Writer {
	if slices.ContainsFunc(f.outputs, func(text string) bool { return text == "-" || slices.Contains(strings.Split(text, ","), "dest=-") }) {
		return cmd.ErrOrStderr()
	}
	return cmd.OutOrStdout()
}

// attestations are those to be made, with their parameters.
func (f *buildFlags) attestations() map[string]string {
	kinds := map[string]string{}
	for kind, value := range map[string]string{"provenance": f.provenance, "sbom": f.sbom} {
		switch value {
		case "false", "":
		case "true":
			kinds[kind] = ""
		default:
			kinds[kind] = value
		}
	}
	return kinds
}

// finish publishes what was pushed and prints what happened.
func (f *buildFlags) finish(cmd *cobra.Command, m *manifest.Manifest, project *store.Project, out builder.Outcome, found foundCommits) error {
	result := buildResult{Plan: out.Plan, Loaded: out.Loaded}
	if f.push {
		published, err := project.Publish(cmd.Context(), store.Publication{
			Plan: out.Plan, Rings: m.RingOrder(), Digests: out.Digests, Accounts: out.Accounts, First: f.plan.first, Progress: f.build.tagging(cmd.ErrOrStderr()),
			Ancestors: found.ancestors, Older: found.older, Required: gate.Required(m),
			Author: store.Author{Actor: actor(), Message: f.message, Source: out.Plan.Source, Commit: out.Plan.Commit},
		})
		if err != nil {
			return err
		}
		result.Published = &published
	}
	return result.print(f.says(cmd), f.output)
}

// buildResult is what quoit build prints.
type buildResult struct {
	Plan      versioning.Plan `json:"plan"`
	Published *store.Outcome  `json:"published,omitempty"`
	Loaded    []string        `json:"loaded,omitempty"`
}

func (r buildResult) print(out io.Writer, format string) error {
	if format == "json" {
		return printJSON(out, r)
	}
	text := "" // the plan was said before
	for _, name := range r.Loaded {
		text += "loaded " + name + "\n"
	}
	if r.Published != nil && len(r.Published.Written) > 0 {
		text += r.Published.String() + "\n"
	}
	return printText(out, text)
}

// often is how long long work may be silent.
const often = 2 * time.Second

// tagging tells how far a publish is, if that takes long.
func (f *buildkitFlags) tagging(out io.Writer) func(store.Event) {
	last := time.Now()
	return func(event store.Event) {
		if !f.buildKit(out).Progress.ForPeople() || time.Since(last) < often {
			return
		}
		last = time.Now()
		_, _ = fmt.Fprintf(out, "tagged %d of %d\n", event.Done, event.Total) // nobody to tell
	}
}
