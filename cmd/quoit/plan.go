package main

import (
	"io"

	"github.com/spf13/cobra"

	"github.com/quoitbuild/quoit/builder"
	"github.com/quoitbuild/quoit/manifest"
	"github.com/quoitbuild/quoit/versioning"
)

func newPlanCmd() *cobra.Command {
	var project projectFlags
	var plan planFlags
	var build buildkitFlags
	var output string
	var detailed bool
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Say what a build would change, why, and to which version",
		Long: `Plan reads the project's files where they lie and asks registries itself, in the way that
this machine's container tools are told to: by a folder in the form of containerd's
hosts.toml, which QUOIT_REGISTRY_HOSTS names; else by /etc/containerd/certs.d,
/etc/docker/certs.d, Docker's daemon.json and BuildKit's buildkitd.toml. A BuildKit is
called only if a container file names a frontend of its own, or if one may reach a
registry that cannot be reached from here. So it is with a build that finds nothing to do.`,
		Example: `  quoit plan
  quoit plan --ring users -o json
  quoit plan --detailed-exitcode      # exits with 2 if something changes`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkOutput(output); err != nil {
				return err
			}
			m, err := project.load()
			if err != nil {
				return err
			}
			p, err := makePlan(cmd, m, project, plan, build)
			if err != nil {
				return err
			}
			if err := printPlan(cmd.OutOrStdout(), p, output); err != nil {
				return err
			}
			if detailed && len(p.Changed()) > 0 {
				return exitCode(exitChanges)
			}
			return nil
		},
	}
	project.register(cmd.Flags())
	plan.register(cmd.Flags())
	build.register(cmd.Flags())
	outputFlag(cmd, &output)
	cmd.Flags().BoolVar(&detailed, "detailed-exitcode", false, "exit with 2 if something changes")
	return cmd
}

func makePlan(cmd *cobra.Command, m *manifest.Manifest, project projectFlags, plan planFlags, build buildkitFlags) (versioning.Plan, error) {
	if err := checkRing(m, plan.ring); err != nil {
		return versioning.Plan{}, err
	}
	o, err := asked(cmd, m, project, plan, build)
	if err != nil {
		return versioning.Plan{}, err
	}
	made, err := builder.Plan(cmd.Context(), o)
	if err == nil {
		err = markPlan(cmd, project.dir, &made)
	}
	return made, optionMistake(err)
}

// asked are the options by which a builder is asked and nothing is built.
func asked(cmd *cobra.Command, m *manifest.Manifest, project projectFlags, plan planFlags, build buildkitFlags) (builder.Options, error) {
	options, err := plan.options(cmd.Context(), project, m)
	if err != nil {
		return builder.Options{}, err
	}
	p, err := open(cmd, m)
	return builder.Options{
		Dir: project.dir, File: project.manifestPath(), Manifest: m, Frontend: options,
		Project: p, BuildKit: build.buildKit(cmd.ErrOrStderr()),
	}, err
}

// markPlan says of a plan that changes something whether files differ from the commit.
func markPlan(cmd *cobra.Command, dir string, plan *versioning.Plan) error {
	if len(plan.Changed()) == 0 {
		return nil
	}
	ctx := cmd.Context()
	c := &commits{dir: dir, state: func() (commit, source string) { return gitState(ctx, dir) }, say: telling(cmd.ErrOrStderr())}
	err := c.check(ctx, *plan)
	c.found.mark(plan)
	return err
}

func printPlan(out io.Writer, p versioning.Plan, format string) error {
	if format == "json" {
		return printJSON(out, p)
	}
	return printText(out, p.String()+"\n")
}
