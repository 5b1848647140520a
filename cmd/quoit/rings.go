package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/quoitbuild/quoit/builder"
	"github.com/quoitbuild/quoit/builder/gate"
	"github.com/quoitbuild/quoit/internal/diag"
	"github.com/quoitbuild/quoit/manifest"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/versioning"
)

// ringFlags are those of every command that changes what rings have.
type ringFlags struct {
	project projectFlags
	message string
	dryRun  bool
	output  string
	gates   *buildkitFlags // nil: gates are not asked
	skip    gate.Skip
	check   func(*manifest.Manifest) error // what the operation needs; nil: nothing
}

func (f *ringFlags) register(cmd *cobra.Command) {
	f.project.register(cmd.Flags())
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "only say what would happen")
	cmd.Flags().StringVar(&f.message, "message", "", "a message for the history")
	outputFlag(cmd, &f.output)
}

// registerGates lets an operation ask the gates.
func (f *ringFlags) registerGates(cmd *cobra.Command) {
	f.gates = &buildkitFlags{}
	f.gates.registerGates(cmd.Flags())
	cmd.Flags().StringSliceVar(&f.skip.Gates, "skip-gate", nil, "gates not to run, by ring or as RING/IMAGE; needs --reason")
	cmd.Flags().StringVar(&f.skip.Reason, "reason", "", "why gates are not run, for the history; needs --skip-gate")
}

// checkSkip refuses to leave out a gate without a reason, or to give one for nothing.
func (f *ringFlags) checkSkip() error {
	if f.gates == nil {
		return nil
	}
	f.skip.Reason = strings.TrimSpace(f.skip.Reason)
	if given := f.skip.Reason != ""; given != (len(f.skip.Gates) > 0) {
		return usagef("--skip-gate and --reason belong together: name the gates that are not run, and say why")
	}
	return checkReason(f.skip.Reason)
}

// ringOperation is one of the operations of [store.Project] on rings.
type ringOperation func(context.Context, *store.Project, store.RingOptions) (store.RingOutcome, error)

// run carries out an operation and prints what it did.
func (f *ringFlags) run(cmd *cobra.Command, operation ringOperation) error {
	if err := errors.Join(checkOutput(f.output), checkMessage(f.message), f.checkSkip()); err != nil {
		return err
	}
	m, p, err := f.project.open(cmd)
	if err != nil {
		return err
	}
	if f.check != nil {
		if err := f.check(m); err != nil {
			return err
		}
	}
	options := store.RingOptions{
		Root: m.Root, Rings: m.RingOrder(), DryRun: f.dryRun,
		Author: store.Author{Actor: actor(), Message: f.message},
	}
	if f.gates != nil {
		options.Before = func(ctx context.Context, outcome store.RingOutcome) ([]records.Gate, error) {
			return f.passGates(ctx, m, p, f.gates.buildKit(cmd.ErrOrStderr()), outcome)
		}
	}
	outcome, err := operation(cmd.Context(), p, options)
	if err != nil {
		return ringMistake(m, err)
	}
	if f.output == "json" {
		return printJSON(cmd.OutOrStdout(), ringResult{1, outcome})
	}
	return printText(cmd.OutOrStdout(), outcome.String())
}

// passGates runs the gates that stand between releases and the rings that would take them.
func (f *ringFlags) passGates(ctx context.Context, m *manifest.Manifest, p *store.Project, b builder.BuildKit, outcome store.RingOutcome) ([]records.Gate, error) {
	var releases []gate.Release
	for _, change := range outcome.Changes {
		if change.To == nil {
			continue
		}
		published, err := p.Published(ctx, change.Place)
		if _, gated := m.Gate(change.Ring); !gated && errors.As(err, new(*store.UnlistedError)) {
			continue // nothing was required when it was published
		}
		if err != nil {
			return nil, fmt.Errorf("gates of ring %s: reading release %s: %w", change.Ring, change.To, err)
		}
		releases = append(releases, gate.Release{
			Ring: change.Ring, Version: change.To.Version, Digest: change.To.Digest,
			Images: published.Images, Required: published.Required,
		})
	}
	said, err := gate.Run(ctx, m, b, f.skip, releases)
	return said, optionMistake(err)
}

// ringResult is the JSON of every command that changes what rings have, with
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
