package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/versioning"
)

func newSetCmd() *cobra.Command {
	var f ringFlags
	var discard []string
	cmd := &cobra.Command{
		Use:   "set RING VERSION",
		Short: "Place one release in one ring",
		Long: `Set places a release, by the version of its root image, in a ring. Nothing is built.
It stops if the ring's release would be replaced by one that does not contain it, unless
--discard names the ring. The ring's gate is run first.`,
		Example: `  quoit set users 0.9.1
  quoit set users 0.9.0 --discard users   # back to an older release`,
		Args: twoArgs("RING VERSION"),
		RunE: func(cmd *cobra.Command, args []string) error {
			version, err := versioning.Parse(args[1])
			if err != nil {
				return usagef("%w", err)
			}
			if err := checkDiscard(discard, args[:1]); err != nil {
				return err
			}
			return f.run(cmd, func(ctx context.Context, p *store.Project, o store.RingOptions) (store.RingOutcome, error) {
				return p.Set(ctx, o, args[0], version, len(discard) > 0)
			})
		},
	}
	f.register(cmd)
	f.registerGates(cmd)
	discardFlag(cmd.Flags(), &discard, "the ring, if its release may be replaced by one that does not contain it")
	return cmd
}
