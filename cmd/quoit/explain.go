package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/quoitbuild/quoit/internal/diag"
	"github.com/quoitbuild/quoit/manifest"
	"github.com/quoitbuild/quoit/versioning"
)

func newExplainCmd() *cobra.Command {
	var project projectFlags
	var plan planFlags
	var build buildkitFlags
	var output string
	cmd := &cobra.Command{
		Use:     "explain IMAGE",
		Aliases: []string{"why"},
		Short:   "Say why one image changes, or that it does not",
		Long: `Explain makes the plan, as quoit plan does and by the same flags, and says of one image
what is in it: the version that it has and the one that it gets, every reason why, and
the images that it needs, with their versions. Of changed sources a reason names the first
file, or the instruction with its line. Warnings of the plan go to standard error.

In JSON it is the image's entry of the plan, with up to 100 files.`,
		Example: `  quoit explain api
  quoit explain api --ring users
  quoit explain api -o json`,
		Args: oneArg("the name of an image"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkOutput(output); err != nil {
				return err
			}
			m, err := project.load()
			if err != nil {
				return err
			}
			if err := checkImage(m, args[0]); err != nil {
				return err
			}
			p, err := makePlan(cmd, m, project, plan, build)
			if err != nil {
				return err
			}
			for _, warning := range p.Warnings {
				if err := printText(cmd.ErrOrStderr(), "warning: "+warning+"\n"); err != nil {
					return err
				}
			}
			return printImage(cmd.OutOrStdout(), p, args[0], output)
		},
	}
	project.register(cmd.Flags())
	plan.register(cmd.Flags())
	build.register(cmd.Flags())
	outputFlag(cmd, &output)
	return cmd
}

// checkImage makes an image that there is not a mistake of the command line.
func checkImage(m *manifest.Manifest, name string) error {
	if _, ok := m.Image(name); ok {
		return nil
	}
	if near := diag.Nearest(name, m.ImageNames()); near != "" {
		return usagef("there is no image %q: did you mean %q?", name, near)
	}
	return usagef("there is no image %q: choose one of %s", name, strings.Join(m.ImageNames(), ", "))
}

func printImage(out io.Writer, p versioning.Plan, name, format string) error {
	image, found := p.Image(name)
	switch {
	case !found: // a frontend image of another version may plan otherwise
		return fmt.Errorf("the plan has no image %s", name)
	case format == "json":
		return printJSON(out, image)
	}
	return printText(out, p.Explain(name)+"\n")
}
