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
		Short: "Undo the newest shift of a ring",
		Long: `Unshift undoes, in each of the named rings, the newest shift that moved that ring and was
not undone there yet; without names, the newest shift of all, in every ring where it is not
undone. It holds these rings: shifts leave them alone until quoit unhold. If that cannot be
in one of them, nothing moves in any, and it says which record moved the ring last. Nothing
is built; a release that drops out of all rings is named.`,
		Example: `  quoit unshift --dry-run
  quoit unshift                       # take the newest shift back everywhere
  quoit unshift users                 # only in the ring users, whichever shift moved it`,
		RunE: func(cmd *cobra.Command, rings []string) error {
			return f.run(cmd, func(ctx context.Context, p *store.Project, o store.RingOptions) (store.RingOutcome, error) {
				return p.Unshift(ctx, o, rings)
			})
		},
	}
	f.register(cmd)
	return cmd
}
