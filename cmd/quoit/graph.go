package main

import (
	"github.com/spf13/cobra"

	"github.com/quoitbuild/quoit/builder"
)

func newGraphCmd() *cobra.Command {
	var project projectFlags
	var plan planFlags
	var build buildkitFlags
	var output string
	cmd := &cobra.Command{
		Use:   "graph",
		Short: "Say which images need which",
		Long: `Graph says which images of the project need which, dependencies first: those that their
container files use, and those that they depend on at run time; the root image needs all
others. Nothing of the project's log and releases is read: only the registries of base
images are asked. A BuildKit is called in no other case than by a plan.

It prints what the frontend answers to --call=quoit.graph, in text and in JSON.`,
		Example: `  quoit graph
  quoit graph -o json
  quoit graph --build-arg BASE=alpine     # an argument may choose what a container file uses`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkOutput(output); err != nil {
				return err
			}
			m, err := project.load()
			if err != nil {
				return err
			}
			o, err := asked(cmd, m, project, plan, build)
			if err != nil {
				return err
			}
			g, err := builder.Graph(cmd.Context(), o)
			switch {
			case err != nil:
				return optionMistake(err)
			case output == "json":
				return printJSON(cmd.OutOrStdout(), g)
			}
			return printText(cmd.OutOrStdout(), g.String()+"\n")
		},
	}
	project.register(cmd.Flags())
	plan.registerGraph(cmd.Flags())
	build.register(cmd.Flags())
	outputFlag(cmd, &output)
	return cmd
}
