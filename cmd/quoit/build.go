package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/quoitbuild/quoit/builder"
	"github.com/quoitbuild/quoit/builder/gate"
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
	output     string
	check      bool
}

func newBuildCmd() *cobra.Command {
	var f buildFlags
	cmd := &cobra.Command{
		Use:   "build",
		Short: "Build what changed, and with --push publish it as a release",
		Long: `Build builds every changed image of the project in one solve; with --push, more than
128 images take several. With --push the images are pushed by digest, the release is
recorded in the project's log, the images are tagged with their versions, and then the
ring's tag moves to the new root image: at every moment the ring names a complete
release. If nothing changed, nothing is built, pushed or moved.

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
  quoit build --push --merge users    # the sources contain the hotfix in users`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	f.project.register(cmd.Flags())
	f.plan.register(cmd.Flags())
	f.build.register(cmd.Flags())
	f.commit.register(cmd.Flags())
	cmd.Flags().BoolVar(&f.push, "push", false, "publish the release")
	cmd.Flags().StringVar(&f.message, "message", "", "a message for the history")
	cmd.Flags().StringVar(&f.provenance, "provenance", "mode=min", "provenance of pushed images: mode=min, mode=max, which has every build argument in it, or false")
	cmd.Flags().StringVar(&f.sbom, "sbom", "false", "SBOM of pushed images: true, generator=IMAGE, or false")
	cmd.Flags().BoolVar(&f.check, "check", false, "build nothing, and check container files and manifest by BuildKit's rules and Quoit's")
	outputFlag(cmd, &f.output)
	return cmd
}

func (f *buildFlags) run(cmd *cobra.Command) error {
	if err := checkOutput(f.output); err != nil {
		return err
	}
	vcs := sync.OnceValues(func() (commit, source string) { return gitState(cmd.Context(), f.project.dir) })
	go vcs() // git answers while the manifest is read and BuildKit is called
	m, err := f.project.load()
	if err != nil {
		return err
	}
	if f.check {
		return f.runCheck(cmd, m)
	}
	if f.push && len(f.plan.platforms) > 0 {
		return usagef("--platform narrows the build, and a narrowed build is not published: leave out --platform or --push")
	}
	if f.push && f.plan.ring == versioning.None {
		return usagef("--ring none builds without looking at any ring, and such a build is not published: leave out --push or choose a ring")
	}
	if err := checkRing(m, f.plan.ring); err != nil {
		return err
	}
	if err := checkMessage(f.message); err != nil {
		return err
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
				planned = printText(cmd.OutOrStdout(), plan.String()+"\n")
			}
		}, Push: f.push, Author: store.Author{Actor: actor()}, Project: project, BuildKit: f.build.buildKit(cmd.ErrOrStderr()),
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
	if f.push {
		return usagef("--check builds nothing: leave out --push")
	}
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
	result := buildResult{Plan: out.Plan}
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
	return result.print(cmd.OutOrStdout(), f.output)
}

// buildResult is what quoit build prints.
type buildResult struct {
	Plan      versioning.Plan `json:"plan"`
	Published *store.Outcome  `json:"published,omitempty"`
}

func (r buildResult) print(out io.Writer, format string) error {
	if format == "json" {
		return printJSON(out, r)
	}
	if r.Published == nil || len(r.Published.Written) == 0 {
		return nil // the plan was said before
	}
	return printText(out, r.Published.String()+"\n")
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
