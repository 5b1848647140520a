package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/quoitbuild/quoit/internal/show"
	"github.com/quoitbuild/quoit/manifest"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/versioning"
)

func newStatusCmd() *cobra.Command {
	var project projectFlags
	var output string
	var sites bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show which release each ring holds",
		Example: `  quoit status
  quoit status -o json
  quoit status --sites                # what each site runs`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkOutput(output); err != nil {
				return err
			}
			m, p, err := project.open()
			if err != nil {
				return err
			}
			if sites {
				return showSites(cmd, m, p, output)
			}
			rings, err := readRings(cmd, p, m)
			if err != nil {
				return err
			}
			held, err := p.Held(cmd.Context())
			if err != nil {
				return err
			}
			for i := range rings {
				if hold, found := held[rings[i].Ring]; found {
					rings[i].Held = &ringHold{hold.Reason, hold.Record}
				}
			}
			if output == "json" {
				return printJSON(cmd.OutOrStdout(), statusResult{Schema: 1, Project: m.Project, Rings: rings})
			}
			return printRings(cmd.OutOrStdout(), m.Project, rings)
		},
	}
	project.register(cmd.Flags())
	outputFlag(cmd, &output)
	cmd.Flags().BoolVar(&sites, "sites", false, "show the sites and what they run instead")
	return cmd
}

// statusResult is the JSON of quoit status.
type statusResult struct {
	Schema  int          `json:"schema"`
	Project string       `json:"project"`
	Rings   []ringStatus `json:"rings"` // in their order
}

// ringStatus is a ring and what it holds; an empty one has no version.
type ringStatus struct {
	Ring    string                        `json:"ring"`
	Version string                        `json:"version,omitempty"`
	Digest  string                        `json:"digest,omitempty"`
	Images  map[string]versioning.Version `json:"images,omitempty"`
	Held    *ringHold                     `json:"held,omitempty"`
}

// ringHold says why shifts leave a ring alone, and which record says so.
type ringHold struct {
	Reason string `json:"reason,omitempty"`
	Record uint64 `json:"record"`
}

func readRings(cmd *cobra.Command, p *store.Project, m *manifest.Manifest) ([]ringStatus, error) {
	rings := make([]ringStatus, len(m.RingOrder()))
	eg, ctx := errgroup.WithContext(cmd.Context())
	for i, ring := range m.RingOrder() {
		eg.Go(func() error {
			rings[i] = ringStatus{Ring: ring}
			placed, err := p.Ring(ctx, m.Root, ring)
			if err != nil || placed == nil {
				return err
			}
			rings[i].Version = placed.Release.Version().String()
			rings[i].Digest = placed.Digest
			rings[i].Images = map[string]versioning.Version{}
			for name, image := range placed.Release.Images {
				rings[i].Images[name] = image.Version
			}
			return nil
		})
	}
	return rings, eg.Wait()
}

func printRings(out io.Writer, project string, rings []ringStatus) error {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "RING\tRELEASE\tIMAGES\tDIGEST\n")
	for _, r := range rings {
		if r.Version == "" {
			fmt.Fprintf(w, "%s\t-\t\t\n", r.Ring)
			continue
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\n", r.Ring, r.Version, len(r.Images), r.Digest)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, r := range rings {
		if r.Held != nil {
			fmt.Fprintf(&text, "held: %s, %s (record %d)\n", r.Ring, show.Line(r.Held.Reason), r.Held.Record)
		}
	}
	return printText(out, text.String())
}
