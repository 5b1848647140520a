package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/quoitbuild/quoit/manifest"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/store/verify"
)

func newVerifyCmd() *cobra.Command {
	var project projectFlags
	var output string
	cmd := &cobra.Command{
		Use:   "verify [RING…]",
		Short: "Check that the log, the tags and the images agree",
		Long: `Verify checks that the project's log is whole, that version and ring tags are what
it says, and that every image of the rings' releases exists, with labels that agree
with its release. It changes nothing. Without an argument it checks all rings.`,
		Example: `  quoit verify
  quoit verify users -o json`,
		RunE: func(cmd *cobra.Command, rings []string) error {
			if err := checkOutput(output); err != nil {
				return err
			}
			m, p, err := project.open(cmd)
			if err != nil {
				return err
			}
			for _, ring := range rings {
				if !slices.Contains(m.RingOrder(), ring) {
					return usagef("there is no ring %q: choose one of %s", ring, strings.Join(m.RingOrder(), ", "))
				}
			}
			report, err := verify.Verify(cmd.Context(), p, rings)
			if err == nil {
				err = nameRings(cmd.Context(), m, p, rings, &report)
			}
			if err != nil {
				return err
			}
			return printReport(cmd.OutOrStdout(), m.Project, report, output)
		},
	}
	project.register(cmd.Flags())
	outputFlag(cmd, &output)
	return cmd
}

// nameRings adds the tags of rings (none: all of the manifest) that differ from the log.
func nameRings(ctx context.Context, m *manifest.Manifest, p *store.Project, rings []string, report *verify.Report) error {
	if len(rings) == 0 {
		rings = m.RingOrder()
	}
	state, err := p.State(ctx, rings...)
	if err != nil && len(report.Findings) > 0 {
		return nil // they are about a log that cannot be read
	}
	var differences []store.Difference
	if err == nil {
		differences, err = store.Differences(ctx, p, state, m.Root, rings)
	}
	report.Name(differences)
	return err
}

// verifyResult is the JSON of quoit verify.
type verifyResult struct {
	Schema  int    `json:"schema"`
	Project string `json:"project"`
	verify.Report
}

// printReport prints the findings; with any, the exit code is 1.
func printReport(out io.Writer, project string, report verify.Report, format string) error {
	var err error
	if format == "json" {
		err = printJSON(out, verifyResult{1, project, report})
	} else {
		err = printFindings(out, project, report)
	}
	if err == nil && len(report.Findings) > 0 {
		err = exitCode(exitFailed)
	}
	return err
}

func printFindings(out io.Writer, project string, report verify.Report) error {
	text := ""
	for _, finding := range report.Findings {
		text += finding.String() + "\n"
	}
	switch {
	case text != "":
	case report.Records == 0:
		text = fmt.Sprintf("%s has no log: nothing was published to it yet, or only by an older quoit\n", project)
	default:
		text = fmt.Sprintf("%s is whole: %d records, %d rings, %d images\n", project, report.Records, len(report.Rings), report.Images)
	}
	return printText(out, text)
}
