package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/quoitbuild/quoit/store"
)

func newUnholdCmd() *cobra.Command {
	var f ringFlags
	cmd := &cobra.Command{
		Use:   "unhold RING…",
		Short: "Let shifts move rings again",
		Example: `  quoit unhold users
  quoit unhold testers users`,
		RunE: func(cmd *cobra.Command, rings []string) error {
			if len(rings) == 0 {
				return usagef("name the rings: `quoit status` shows which are held")
			}
			return f.run(cmd, func(ctx context.Context, p *store.Project, o store.RingOptions) (store.RingOutcome, error) {
				return p.Unhold(ctx, o, rings)
			})
		},
	}
	f.register(cmd)
	return cmd
}
