package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/quoitbuild/quoit/deploy/watch"
	"github.com/quoitbuild/quoit/manifest"
)

type watchFlags struct {
	project projectFlags
	options watch.Options
	listen  string

	// Those of REPO:RING, where no manifest says it.
	site      manifest.Site
	scope     string
	downgrade string
	mirror    bool
}

func newWatchCmd() *cobra.Command {
	var f watchFlags
	cmd := &cobra.Command{
		Use:   "watch SITE… | REPO:RING --environment NAME --namespace NAME",
		Short: "Follow rings, and deploy what they have",
		Long: `Watch asks the registry once an interval whether the project's log goes on, with one
HEAD for all sites of a ring, and deploys to the sites when the ring has something else.
It upgrades; it downgrades only where the site sets "downgrade: auto", and otherwise says
that somebody has to deploy. With --resync it looks for objects that somebody else has
changed, and with --correct it deploys again if there are any. Without a manifest, REPO
is the root image's repository.

/metrics (for Prometheus) and /healthz are served at --listen.`,
		Example: `  quoit watch eu us
  quoit watch eu --interval 30s --resync 10m --correct
  quoit watch registry.example.com/acme/shop/deploy:users --environment prod --namespace shop`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("name the sites to watch\nsee: %s --help", cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, args) },
	}
	flags := cmd.Flags()
	f.project.register(flags)
	flags.DurationVar(&f.options.Interval, "interval", time.Minute, "how often the registry is asked")
	flags.DurationVar(&f.options.Resync, "resync", 0, "how often objects are compared with the release; 0 for never")
	flags.BoolVar(&f.options.Correct, "correct", false, "deploy again if they differ")
	flags.StringVar(&f.listen, "listen", "127.0.0.1:9478", `the address that serves /metrics and /healthz; "" for none`)
	registerLimits(flags, &f.options.Limits)
	flags.StringVar(&f.site.Name, "site", "", "of REPO:RING: the site's name (default the ring)")
	flags.StringVar(&f.site.Environment, "environment", "", "of REPO:RING: the overlay")
	flags.StringVar(&f.site.Namespace, "namespace", "", "of REPO:RING: the site's namespace")
	flags.StringVar(&f.scope, "scope", string(manifest.ScopeNamespace), "of REPO:RING: namespace, or cluster to allow objects outside it")
	flags.BoolVar(&f.mirror, "mirror", false, "of REPO:RING: the registry is a mirror, so externals are pulled from there too")
	flags.StringVar(&f.downgrade, "downgrade", string(manifest.DowngradeNever), "of REPO:RING: never, or auto to downgrade without being asked")
	return cmd
}

func (f *watchFlags) run(cmd *cobra.Command, args []string) error {
	if err := f.check(); err != nil {
		return err
	}
	rings, err := f.rings(args)
	if err != nil {
		return err
	}
	f.options.Actor, f.options.UserAgent, f.options.Log = actor(), agent(), cmd.ErrOrStderr()
	w := watch.New(f.options, rings...)
	eg, ctx := errgroup.WithContext(cmd.Context())
	if f.listen != "" {
		if err := f.serve(ctx, eg, w); err != nil {
			return err
		}
	}
	eg.Go(func() error { return w.Run(ctx) })
	return eg.Wait()
}

func (f *watchFlags) check() error {
	if err := checkLimits(f.options.Limits); err != nil {
		return err
	}
	if f.options.Interval < time.Second || f.options.Resync < 0 || f.options.Correct && f.options.Resync == 0 {
		return usagef("choose an --interval of a second or more, and give --correct a --resync")
	}
	return nil
}

// rings are those to follow.
func (f *watchFlags) rings(args []string) ([]*watch.Ring, error) {
	if strings.Contains(args[0], "/") {
		if len(args) > 1 {
			return nil, usagef("name one REPO:RING, or sites of the manifest")
		}
		ring, err := f.reference(args[0])
		return []*watch.Ring{ring}, err
	}
	m, err := f.project.load()
	if err != nil {
		return nil, err
	}
	var sites []manifest.Site
	for _, name := range args {
		s, err := findSite(m, name)
		if err != nil {
			return nil, err
		}
		sites = append(sites, s)
	}
	return watch.Rings(m, sites, agent()), nil
}

// reference is what to follow where there is no manifest.
func (f *watchFlags) reference(reference string) (*watch.Ring, error) {
	s := f.site
	s.Scope, s.Downgrade = manifest.Scope(f.scope), manifest.Downgrade(f.downgrade)
	if s.Scope != manifest.ScopeNamespace && s.Scope != manifest.ScopeCluster || s.Downgrade != manifest.DowngradeNever && s.Downgrade != manifest.DowngradeAuto {
		return nil, usagef("--scope is namespace or cluster, --downgrade is never or auto")
	}
	ring, err := watch.Reference(reference, s, f.mirror, agent())
	switch {
	case errors.Is(err, watch.ErrReference), err == nil && (s.Environment == "" || s.Namespace == ""):
		return nil, usagef("without a manifest, %w, and --environment and --namespace", watch.ErrReference)
	case err != nil:
		return nil, usagef("%w", err)
	}
	return ring, nil
}

// serve answers /metrics and /healthz until ctx ends.
func (f *watchFlags) serve(ctx context.Context, eg *errgroup.Group, w *watch.Watcher) error {
	listener, err := net.Listen("tcp", f.listen)
	if err != nil {
		return fmt.Errorf("--listen: %w", err)
	}
	w.Say("metrics are at http://%s/metrics", listener.Addr())
	server := &http.Server{Handler: w.Handler(), ReadHeaderTimeout: 10 * time.Second}
	eg.Go(func() error {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serving metrics: %w", err)
		}
		return nil
	})
	eg.Go(func() error {
		<-ctx.Done()
		return server.Close()
	})
	return nil
}
