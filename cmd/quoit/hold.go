package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/quoitbuild/quoit/store"
)

func newHoldCmd() *cobra.Command {
	var f ringFlags
	var reason string
	cmd := &cobra.Command{
		Use:   "hold RING",
		Short: "Make shifts leave a ring alone",
		Example: `  quoit hold users --reason "audit until Friday"
  quoit unhold users`,
		Args: oneArg("RING"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if reason == "" {
				return usagef("say why with --reason: whoever shifts next will want to know")
			}
			if err := checkReason(reason); err != nil {
				return err
			}
			return f.run(cmd, func(ctx context.Context, p *store.Project, o store.RingOptions) (store.RingOutcome, error) {
				return p.Hold(ctx, o, args[0], reason)
			})
		},
	}
	f.register(cmd)
	cmd.Flags().StringVar(&reason, "reason", "", "why (required)")
	return cmd
}
