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
	"github.com/quoitbuild/quoit/manifest"
	"github.com/quoitbuild/quoit/store"
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
			read := readRings
			if sites {
				read = readSites
			}
			b, err := read(cmd.Context(), m, p)
			if err != nil {
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

// readRings reads all rings at once, and then which are held.
func readRings(ctx context.Context, m *manifest.Manifest, p *store.Project) (board.Board, error) {
	b := board.Board{Project: m.Project, Rings: make([]board.Ring, len(m.RingOrder()))}
	eg, each := errgroup.WithContext(ctx)
	for i, ring := range m.RingOrder() {
		eg.Go(func() error {
			placed, err := p.Ring(each, m.Root, ring)
			b.Rings[i] = board.RingOf(ring, placed)
			return err
		})
	}
	if err := eg.Wait(); err != nil {
		return b, err
	}
	held, err := p.Held(ctx)
	for i, ring := range b.Rings {
		if hold, found := held[ring.Ring]; found {
			b.Rings[i].Held = &board.Hold{Reason: hold.Reason, Record: hold.Record}
		}
	}
	return b, err
}

// readSites asks all sites at once. A cluster that does not answer is shown as
// such, and is no error.
func readSites(ctx context.Context, m *manifest.Manifest, p *store.Project) (board.Board, error) {
	b := board.Board{Project: m.Project, Sites: make([]board.Site, len(m.Sites))}
	if len(m.Sites) == 0 {
		return b, usagef("the manifest has no sites: add them under `sites`")
	}
	eg, ctx := errgroup.WithContext(ctx)
	eg.SetLimit(20)
	for i, s := range m.Sites {
		eg.Go(func() error {
			placed, err := p.Ring(ctx, m.Root, s.Ring)
			if err != nil {
				return err
			}
			record, unread := siteRecord(ctx, m, p, s)
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			named := board.Site{Site: s.Name, Ring: s.Ring, Cluster: s.Cluster, Namespace: s.Namespace}
			b.Sites[i] = board.SiteOf(named, placed, record, unread)
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
		work, err := openSite(m, p, s)
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
