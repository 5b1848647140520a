package main

import (
	"cmp"
	"context"
	"slices"

	"github.com/spf13/cobra"

	"github.com/quoitbuild/quoit/manifest"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/versioning"
)

func newShiftCmd() *cobra.Command {
	var f ringFlags
	var request versioning.ShiftRequest
	cmd := &cobra.Command{
		Use:   "shift",
		Short: "Move releases one ring outward",
		Long: `Shift gives each ring the release of the ring before it. Nothing is built and no
digest changes; only tags move. An empty ring gives nothing; a held ring neither takes
nor gives. A release that would be replaced by one that does not contain it, like a
hotfix, stops the shift, unless --discard names its ring. The gates of the rings that
take a release are run first.`,
		Example: `  quoit shift --dry-run               # what would move, and what changes by it
  quoit shift                         # every ring takes from the one before it
  quoit shift --from testers --to users
  quoit shift --discard users         # even though users has its own hotfix`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f.check = func(m *manifest.Manifest) error { return checkShift(m, request) }
			return f.run(cmd, func(ctx context.Context, p *store.Project, o store.RingOptions) (store.RingOutcome, error) {
				return p.Shift(ctx, o, request)
			})
		},
	}
	f.register(cmd)
	f.registerGates(cmd)
	cmd.Flags().StringVar(&request.From, "from", "", "the ring that keeps its release (default the manifest's first)")
	cmd.Flags().StringVar(&request.To, "to", "", "the last ring that takes a release (default post)")
	discardFlag(cmd.Flags(), &request.Discard, "rings whose release may be replaced by one that does not contain it")
	return cmd
}

// checkShift refuses to discard the release of a ring that the shift leaves alone. That
// rings are unknown, or in the wrong order, is said by the shift itself.
func checkShift(m *manifest.Manifest, request versioning.ShiftRequest) error {
	order := m.RingOrder()
	from := slices.Index(order, cmp.Or(request.From, m.Rings[0]))
	to := slices.Index(order, cmp.Or(request.To, versioning.Post))
	unknown := slices.ContainsFunc(request.Discard, func(ring string) bool { return !slices.Contains(order, ring) })
	if from < 0 || to <= from || unknown {
		return nil
	}
	return checkDiscard(request.Discard, order[from+1:to+1])
}
