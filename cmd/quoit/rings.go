package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/quoitbuild/quoit/builder"
	"github.com/quoitbuild/quoit/builder/gate"
	"github.com/quoitbuild/quoit/internal/diag"
	"github.com/quoitbuild/quoit/manifest"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/versioning"
)

// ringFlags are those of every command that changes what rings hold.
type ringFlags struct {
	project projectFlags
	message string
	dryRun  bool
	output  string
	gates   *buildkitFlags // nil: gates are not asked
}

func (f *ringFlags) register(cmd *cobra.Command) {
	f.project.register(cmd.Flags())
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "only say what would happen")
	cmd.Flags().StringVar(&f.message, "message", "", "what the history says of this")
	outputFlag(cmd, &f.output)
}

// registerGates lets an operation ask the gates.
func (f *ringFlags) registerGates(cmd *cobra.Command) {
	f.gates = &buildkitFlags{}
	f.gates.registerGates(cmd.Flags())
}

// ringOperation is one of the operations of [store.Project] on rings.
type ringOperation func(context.Context, *store.Project, store.RingOptions) (store.RingOutcome, error)

// run carries out an operation and prints what it did.
func (f *ringFlags) run(cmd *cobra.Command, operation ringOperation) error {
	if err := errors.Join(checkOutput(f.output), checkMessage(f.message)); err != nil {
		return err
	}
	m, p, err := f.project.open()
	if err != nil {
		return err
	}
	options := store.RingOptions{
		Root: m.Root, Rings: m.RingOrder(), DryRun: f.dryRun,
		Author: store.Author{Actor: actor(), Message: f.message},
	}
	if f.gates != nil {
		options.Before = func(ctx context.Context, outcome store.RingOutcome) ([]records.Gate, error) {
			return passGates(ctx, m, p, f.gates.buildKit(cmd.ErrOrStderr()), outcome)
		}
	}
	outcome, err := operation(cmd.Context(), p, options)
	if err != nil {
		return ringMistake(m, err)
	}
	if f.output == "json" {
		return printJSON(cmd.OutOrStdout(), ringResult{1, outcome})
	}
	_, err = io.WriteString(cmd.OutOrStdout(), harmless(outcome.String()))
	return err
}

// passGates runs the gates of the rings that would take a release.
func passGates(ctx context.Context, m *manifest.Manifest, p *store.Project, b builder.BuildKit, outcome store.RingOutcome) ([]records.Gate, error) {
	var releases []gate.Release
	for _, change := range outcome.Changes {
		if _, gated := m.Gate(change.Ring); !gated || change.To == nil {
			continue
		}
		images, err := p.Images(ctx, change.Place)
		if err != nil {
			return nil, fmt.Errorf("gate of ring %s: reading release %s: %w", change.Ring, change.To, err)
		}
		releases = append(releases, gate.Release{Ring: change.Ring, Version: change.To.Version, Digest: change.To.Digest, Images: images})
	}
	passed, err := gate.Run(ctx, m, b, releases)
	return passed, optionMistake(err)
}

// ringResult is the JSON of every command that changes what rings hold, with
// --dry-run or without.
type ringResult struct {
	Schema int `json:"schema"`
	store.RingOutcome
}

// ringMistake makes an unknown ring a mistake of the command line.
func ringMistake(m *manifest.Manifest, err error) error {
	var unknown *versioning.RingError
	var bounds *versioning.BoundsError
	switch {
	case errors.As(err, &unknown):
		if near := diag.Nearest(unknown.Ring, m.RingOrder()); near != "" {
			return usagef("%w; did you mean %q?", unknown, near)
		}
		return usagef("%w", unknown)
	case errors.As(err, &bounds):
		return usagef("%w", bounds)
	}
	return err
}

func newShiftCmd() *cobra.Command {
	var f ringFlags
	var request versioning.ShiftRequest
	cmd := &cobra.Command{
		Use:   "shift",
		Short: "Move releases one ring outward",
		Long: `Shift gives each ring the release of the ring before it. Nothing is built and no
digest changes; what moves is tags. An empty ring gives nothing; a held ring neither
takes nor gives. A release that would be replaced by one that does not contain it, like
a hotfix, stops the shift. The gates of the rings that take a release are run first.`,
		Example: `  quoit shift --dry-run               # what would move, and what changes by it
  quoit shift                         # every ring takes from the one before it
  quoit shift --from testers --to users
  quoit shift --discard users         # although users has a hotfix of its own`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.run(cmd, func(ctx context.Context, p *store.Project, o store.RingOptions) (store.RingOutcome, error) {
				return p.Shift(ctx, o, request)
			})
		},
	}
	f.register(cmd)
	f.registerGates(cmd)
	cmd.Flags().StringVar(&request.From, "from", "", "the ring that keeps its release (default the manifest's first)")
	cmd.Flags().StringVar(&request.To, "to", "", "the last ring that takes a release (default post)")
	cmd.Flags().StringSliceVar(&request.Discard, "discard", nil, "rings whose release may be lost")
	return cmd
}

func newUnshiftCmd() *cobra.Command {
	var f ringFlags
	cmd := &cobra.Command{
		Use:   "unshift [RING…]",
		Short: "Undo the newest shift",
		Long: `Unshift gives back what the newest shift that is not undone has replaced, in the
named rings or in all that it moved, and holds them: the next shift leaves them alone
until quoit unhold. Nothing is built; what drops out of all rings is named.`,
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

func newSetCmd() *cobra.Command {
	var f ringFlags
	var discard []string
	cmd := &cobra.Command{
		Use:   "set RING VERSION",
		Short: "Place one release in one ring",
		Long: `Set places a release, by the version of its root image, in a ring. Nothing is built.
A release that would be replaced by one that does not contain it stops it. The ring's
gate is run first.`,
		Example: `  quoit set users 0.9.1
  quoit set users 0.9.0 --discard users   # back to an older release`,
		Args: twoArgs("RING VERSION"),
		RunE: func(cmd *cobra.Command, args []string) error {
			version, err := versioning.Parse(args[1])
			if err != nil {
				return usagef("%w", err)
			}
			may := false
			for _, ring := range discard {
				if ring != args[0] {
					return usagef("--discard %s: only %s changes", ring, args[0])
				}
				may = true
			}
			return f.run(cmd, func(ctx context.Context, p *store.Project, o store.RingOptions) (store.RingOutcome, error) {
				return p.Set(ctx, o, args[0], version, may)
			})
		},
	}
	f.register(cmd)
	f.registerGates(cmd)
	cmd.Flags().StringSliceVar(&discard, "discard", nil, "the ring, whose release may be lost")
	return cmd
}

func newHoldCmd() *cobra.Command {
	var f ringFlags
	var reason string
	cmd := &cobra.Command{
		Use:   "hold RING",
		Short: "Let shifts leave a ring alone",
		Example: `  quoit hold users --reason "audit until Friday"
  quoit unhold users`,
		Args: oneArg("RING"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if reason == "" {
				return usagef("say why with --reason, whoever shifts next will want to know")
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
	cmd.Flags().StringVar(&reason, "reason", "", "why (needed)")
	return cmd
}

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
