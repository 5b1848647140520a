package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/quoitbuild/quoit/store"
)

func newUnshiftCmd() *cobra.Command {
	var f ringFlags
	cmd := &cobra.Command{
		Use:   "unshift [RING…]",
		Short: "Undo the newest shift",
		Long: `Unshift brings back what the newest shift that was not undone yet has replaced, in the
named rings or in all that it moved, and holds them: shifts leave them alone until
quoit unhold. Nothing is built; a release that drops out of all rings is named.`,
		Example: `  quoit unshift --dry-run
  quoit unshift                       # take the release back everywhere
  quoit unshift users                 # only in the ring users`,
		RunE: func(cmd *cobra.Command, rings []string) error {
			return f.run(cmd, func(ctx context.Context, p *store.Project, o store.RingOptions) (store.RingOutcome, error) {
				return p.Unshift(ctx, o, rings)
			})
		},
	}
	f.register(cmd)
	return cmd
}
