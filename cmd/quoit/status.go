package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/quoitbuild/quoit/board"
	"github.com/quoitbuild/quoit/deploy"
	"github.com/quoitbuild/quoit/deploy/rollout"
	"github.com/quoitbuild/quoit/deploy/site"
	"github.com/quoitbuild/quoit/manifest"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/versioning"
)

// clusterTime is how long one cluster may take to answer. It is less than what a
// TLS handshake may take, so that all that are silent are told of alike.
const clusterTime = 8 * time.Second

func newStatusCmd() *cobra.Command {
	var project projectFlags
	var output string
	var sites bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show which release each ring has",
		Long: `Status shows what the rings have by the project's log. A ring whose tag names something
else is named below, with the command that mends it: nothing goes by such a tag.`,
		Example: `  quoit status
  quoit status -o json
  quoit status --sites                # what each site runs`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkOutput(output); err != nil {
				return err
			}
			m, p, err := project.open(cmd)
			if err != nil {
				return err
			}
			if sites && len(m.Sites) == 0 {
				return usagef("the manifest has no sites: add them under `sites`")
			}
			ctx := cmd.Context()
			state, err := p.State(ctx, m.RingOrder()...)
			if err == nil {
				state, err = p.Settled(ctx, state)
			}
			if err != nil {
				return err
			}
			read := readRings
			if sites {
				read = readSites
			}
			b, err := read(ctx, m, p, state)
			if err != nil {
				return err
			}
			if b.Notes, err = notes(ctx, m, p, state); err != nil {
				return err
			}
			if output == "json" {
				return printJSON(cmd.OutOrStdout(), b)
			}
			return printText(cmd.OutOrStdout(), b.String())
		},
	}
	project.register(cmd.Flags())
	outputFlag(cmd, &output)
	cmd.Flags().BoolVar(&sites, "sites", false, "show the sites and what they run instead")
	return cmd
}

// readRings reads what the rings have by the log, and which are held.
func readRings(ctx context.Context, m *manifest.Manifest, p *store.Project, state store.State) (board.Board, error) {
	b := board.Board{Project: m.Project, Rings: make([]board.Ring, len(m.RingOrder()))}
	eg, ctx := errgroup.WithContext(ctx)
	eg.SetLimit(20)
	for i, ring := range m.RingOrder() {
		place := state.Rings()[ring]
		b.Rings[i] = board.RingOf(ring, place)
		if hold, found := state.Newest.Record.Holds[ring]; found {
			b.Rings[i].Held = &board.Hold{Reason: hold.Reason, Record: hold.Record}
		}
		if !place.Empty() {
			eg.Go(func() (err error) {
				b.Rings[i].Images, b.Rings[i].Digests, err = imagesOf(ctx, p, place)
				return err
			})
		}
	}
	return b, eg.Wait()
}

// imagesOf are those of a release, by name: versions and digests. Of one that no record
// lists only the versions are known.
func imagesOf(ctx context.Context, p *store.Project, place versioning.Place) (map[string]versioning.Version, map[string]string, error) {
	versions, digests := map[string]versioning.Version{}, map[string]string{}
	images, err := p.Images(ctx, place)
	if errors.As(err, new(*store.UnlistedError)) {
		release, err := p.Release(ctx, place.Root, place.Digest)
		for name, image := range release.Images {
			versions[name] = image.Version
		}
		return versions, nil, err
	}
	for name, image := range images {
		versions[name], digests[name] = image.Version, image.Digest
	}
	return versions, digests, err
}

// notes say what is not as the log says, or not yet.
func notes(ctx context.Context, m *manifest.Manifest, p *store.Project, state store.State) ([]string, error) {
	var notes []string
	if pending := state.Pending(); pending != "" {
		notes = append(notes, pending)
	}
	differences, err := store.Differences(ctx, p, state, m.Root, m.RingOrder())
	for _, difference := range differences {
		notes = append(notes, difference.String())
	}
	return notes, err
}

// readSites asks all sites at once. A cluster that does not answer is shown as
// such, and is no error.
func readSites(ctx context.Context, m *manifest.Manifest, p *store.Project, state store.State) (board.Board, error) {
	b := board.Board{Project: m.Project, Sites: make([]board.Site, len(m.Sites))}
	eg, ctx := errgroup.WithContext(ctx)
	eg.SetLimit(20)
	for i, s := range m.Sites {
		eg.Go(func() error {
			record, unread := siteRecord(ctx, m, p, s)
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			named := board.Site{Site: s.Name, Ring: s.Ring, Cluster: s.Cluster, Namespace: s.Namespace}
			b.Sites[i] = board.SiteOf(named, state.Rings()[s.Ring], record, unread)
			return nil
		})
	}
	return b, eg.Wait()
}

// siteRecord reads a site's record in bounded time: also what a kubeconfig runs
// to log in, which may wait for somebody, is not waited for any longer.
func siteRecord(ctx context.Context, m *manifest.Manifest, p *store.Project, s manifest.Site) (deploy.Record, error) {
	limited, cancel := context.WithTimeout(ctx, clusterTime)
	defer cancel()
	var record deploy.Record
	answered := make(chan error, 1)
	go func() {
		work, err := rollout.Open(m, p, s, site.ClusterOptions{UserAgent: agent()}) // what does not answer is in the table
		if err == nil {
			record, err = work.Cluster.Record(limited, work.Place)
		}
		answered <- err
	}()
	var err error
	select {
	case err = <-answered:
	case <-limited.Done():
	}
	if limited.Err() != nil {
		return deploy.Record{}, fmt.Errorf("no answer within %s", clusterTime)
	}
	if request := new(url.Error); errors.As(err, &request) {
		return deploy.Record{}, request.Err // what was asked for would fill the line
	}
	return record, err
}
