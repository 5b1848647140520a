package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/quoitbuild/quoit/deploy"
	"github.com/quoitbuild/quoit/internal/show"
	"github.com/quoitbuild/quoit/manifest"
	"github.com/quoitbuild/quoit/store"
)

// clusterTime is how long one cluster may take to answer. It is less than what a
// TLS handshake may take, so that all that are silent are told of alike.
const clusterTime = 8 * time.Second

// siteStatus is a site, what it runs, and what its ring holds.
type siteStatus struct {
	Site      string          `json:"site"`
	Ring      string          `json:"ring"`
	Cluster   string          `json:"cluster,omitempty"`
	Namespace string          `json:"namespace"`
	Installed *deploy.Release `json:"installed,omitempty"`
	Wanted    *deploy.Release `json:"wanted,omitempty"` // what the ring holds
	Step      *deploy.Step    `json:"step,omitempty"`   // that did not end
	Last      *deploy.Result  `json:"last,omitempty"`
	// State is one of: current, behind, none, broken, unreachable.
	State string `json:"state"`
	Error string `json:"error,omitempty"`
}

// sitesResult is the JSON of quoit status --sites.
type sitesResult struct {
	Schema  int          `json:"schema"`
	Project string       `json:"project"`
	Sites   []siteStatus `json:"sites"`
}

// showSites asks all sites at once. A cluster that does not answer is shown as
// such, and is no error.
func showSites(cmd *cobra.Command, m *manifest.Manifest, p *store.Project, output string) error {
	if len(m.Sites) == 0 {
		return usagef("the manifest has no sites: add them under `sites`")
	}
	sites := make([]siteStatus, len(m.Sites))
	eg, ctx := errgroup.WithContext(cmd.Context())
	eg.SetLimit(20)
	for i, s := range m.Sites {
		eg.Go(func() (err error) {
			sites[i], err = siteState(ctx, m, p, s)
			return err
		})
	}
	if err := eg.Wait(); err != nil {
		return err
	}
	if output == "json" {
		return printJSON(cmd.OutOrStdout(), sitesResult{1, m.Project, sites})
	}
	return printSites(cmd.OutOrStdout(), sites)
}

func siteState(ctx context.Context, m *manifest.Manifest, p *store.Project, s manifest.Site) (siteStatus, error) {
	status := siteStatus{Site: s.Name, Ring: s.Ring, Cluster: s.Cluster, Namespace: s.Namespace, State: "none"}
	placed, err := p.Ring(ctx, m.Root, s.Ring)
	if err != nil {
		return status, err
	}
	if placed != nil {
		status.Wanted = &deploy.Release{Version: placed.Release.Version(), Digest: placed.Digest}
	}
	record, err := siteRecord(ctx, m, p, s)
	if ctx.Err() != nil {
		return status, context.Cause(ctx)
	}
	if err != nil {
		status.State, status.Error = "unreachable", err.Error()
		return status, nil
	}
	status.Installed, status.Step = record.Installed, record.Step
	if n := len(record.Results); n > 0 {
		status.Last = &record.Results[n-1]
	}
	switch {
	case record.Step != nil:
		status.State = "broken"
	case record.Installed == nil:
	case status.Wanted != nil && record.Installed.Same(*status.Wanted):
		status.State = "current"
	default:
		status.State = "behind"
	}
	return status, nil
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

func printSites(out io.Writer, sites []siteStatus) error {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "SITE\tRING\tHOLDS\tRUNS\tSTATE\n")
	for _, s := range sites {
		holds, runs := "-", "-"
		if s.Wanted != nil {
			holds = s.Wanted.Version.String()
		}
		if s.Installed != nil {
			runs = s.Installed.Version.String()
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", s.Site, s.Ring, holds, runs, s.explain())
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return printText(out, text.String())
}

func (s siteStatus) explain() string {
	switch s.State {
	case "unreachable":
		return "unreachable: " + show.Short(s.Error, 120)
	case "broken":
		text := s.Step.String() + " did not end"
		if s.Last != nil && s.Last.Error != "" {
			text += ": " + s.Last.Error
		}
		return show.Short(text, 120)
	case "none":
		return "nothing deployed"
	case "behind":
		return "differs: quoit deploy " + s.Site
	}
	return s.State
}
