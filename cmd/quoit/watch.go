package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/quoitbuild/quoit/deploy/site"
	"github.com/quoitbuild/quoit/manifest"
	"github.com/quoitbuild/quoit/store"
)

type watchFlags struct {
	siteFlags
	place    manifest.Site // of REPO:RING
	scope    string
	down     string
	mirror   bool
	interval time.Duration
	resync   time.Duration
	correct  bool
	listen   string

	transport http.RoundTripper // of the registry; nil: the usual one
}

func newWatchCmd() *cobra.Command {
	var f watchFlags
	cmd := &cobra.Command{
		Use:   "watch SITE… | REPO:RING --environment NAME --namespace NAME",
		Short: "Follow rings, and deploy what they hold",
		Long: `Watch asks the registry once an interval what each ring holds, with one HEAD for all
sites of a ring, and deploys to the sites when that has changed. It upgrades; back it goes
only where the site says "downgrade: auto", else it says that somebody has to deploy.
With --resync it looks for objects that somebody else has changed, and with --correct it
deploys again then. Without a manifest, REPO is the root image's repository.

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
	flags.DurationVar(&f.interval, "interval", time.Minute, "how often the registry is asked")
	flags.DurationVar(&f.resync, "resync", 0, "how often objects are compared with the release; 0: never")
	flags.BoolVar(&f.correct, "correct", false, "deploy again where they differ")
	flags.StringVar(&f.listen, "listen", "127.0.0.1:9478", `where /metrics and /healthz are; "": nowhere`)
	flags.DurationVar(&f.timeout, "timeout", 0, "how long one run of a root image may take (default 30m, and 5m for each wait in it)")
	flags.DurationVar(&f.start, "start-timeout", 2*time.Minute, "how long it may take until it runs")
	flags.StringVar(&f.place.Name, "site", "", "of REPO:RING: the site's name (default the ring)")
	flags.StringVar(&f.place.Environment, "environment", "", "of REPO:RING: the overlay")
	flags.StringVar(&f.place.Namespace, "namespace", "", "of REPO:RING: the site's namespace")
	flags.StringVar(&f.scope, "scope", string(manifest.ScopeNamespace), "of REPO:RING: namespace, or cluster to allow objects outside of it")
	flags.BoolVar(&f.mirror, "mirror", false, "of REPO:RING: it is in the site's registry, a mirror: externals are pulled from there too")
	flags.StringVar(&f.down, "downgrade", string(manifest.DowngradeNever), "of REPO:RING: never, or auto to downgrade by itself")
	return cmd
}

func (f *watchFlags) run(cmd *cobra.Command, args []string) error {
	f.output = "text"
	if err := f.check(); err != nil {
		return err
	}
	if f.interval < time.Second || f.resync < 0 || f.correct && f.resync == 0 {
		return usagef("choose an --interval of a second or more, and give --correct a --resync")
	}
	rings, err := f.rings(args)
	if err != nil {
		return err
	}
	w := newWatch(f, cmd.ErrOrStderr())
	eg, ctx := errgroup.WithContext(cmd.Context())
	if f.listen != "" {
		if err := w.serve(ctx, eg, rings); err != nil {
			return err
		}
	}
	for _, ring := range rings {
		eg.Go(func() error { return w.follow(ctx, ring) })
	}
	return eg.Wait()
}

// watchedRing is what one HEAD asks for.
type watchedRing struct {
	name  string // of the metrics: the reference
	open  func(store.Options) (*store.Project, error)
	root  string
	ring  string
	sites []*watchedSite
	said  string // the error that was said last
}

// rings are those of the sites that were named, all of them once.
func (f *watchFlags) rings(args []string) ([]*watchedRing, error) {
	if strings.Contains(args[0], "/") {
		if len(args) > 1 {
			return nil, usagef("name one REPO:RING, or sites of the manifest")
		}
		ring, err := f.without(args[0])
		return []*watchedRing{ring}, err
	}
	m, err := f.project.load()
	if err != nil {
		return nil, err
	}
	byRing := map[string]*watchedRing{}
	var rings []*watchedRing
	for _, name := range args {
		s, err := findSite(m, name)
		if err != nil {
			return nil, err
		}
		ring := byRing[s.Ring]
		if ring == nil {
			ring = &watchedRing{name: m.Repository(m.Root) + ":" + s.Ring, root: m.Root, ring: s.Ring}
			ring.open = func(o store.Options) (*store.Project, error) { return store.Open(m.Registry, m.Project, o) }
			byRing[s.Ring] = ring
			rings = append(rings, ring)
		}
		if slices.ContainsFunc(ring.sites, func(other *watchedSite) bool { return other.site.Name == name }) {
			continue
		}
		ring.sites = append(ring.sites, &watchedSite{site: s, work: func(_ context.Context, p *store.Project) (siteWork, error) { return openSite(m, p, s) }})
	}
	return rings, nil
}

// without is what to follow where there is no manifest.
func (f *watchFlags) without(reference string) (*watchedRing, error) {
	repository, ring, found := strings.Cut(reference[strings.LastIndex(reference, "/")+1:], ":")
	project := strings.TrimSuffix(reference[:strings.LastIndex(reference, "/")], "/")
	host, path, nested := strings.Cut(project, "/")
	if !found || repository == "" || ring == "" || !nested || f.place.Environment == "" || f.place.Namespace == "" {
		return nil, usagef("without a manifest, name REPO:RING like registry.example.com/acme/shop/deploy:users, and --environment and --namespace")
	}
	s := f.place
	s.Ring, s.Scope, s.Downgrade = ring, manifest.Scope(f.scope), manifest.Downgrade(f.down)
	if s.Name == "" {
		s.Name = ring
	}
	if s.Scope != manifest.ScopeNamespace && s.Scope != manifest.ScopeCluster || s.Downgrade != manifest.DowngradeNever && s.Downgrade != manifest.DowngradeAuto {
		return nil, usagef("--scope is namespace or cluster, --downgrade is never or auto")
	}
	opened := func(o store.Options) (*store.Project, error) { return store.Open(host, path, o) }
	if _, err := opened(store.Options{}); err != nil {
		return nil, usagef("%w", err)
	}
	work := func(ctx context.Context, p *store.Project) (siteWork, error) {
		placed, err := p.Ring(ctx, repository, ring)
		if err != nil {
			return siteWork{}, err
		}
		if placed == nil {
			return siteWork{}, fmt.Errorf("ring %s %w", ring, errEmptyRing)
		}
		cluster, err := site.Connect(site.ClusterOptions{UserAgent: "quoit/" + version})
		return siteWork{
			site:    site.Site{Project: placed.Release.Project, Site: s}, // a registry may have a path too
			cluster: cluster, releases: newSiteReleases(p, repository, project, f.mirror),
		}, err
	}
	return &watchedRing{name: reference, root: repository, ring: ring, open: opened, sites: []*watchedSite{{site: s, work: work}}}, nil
}

// watch follows rings.
type watch struct {
	flags   *watchFlags
	log     io.Writer
	metrics *metrics
	// bring deploys what a ring holds, or compares objects of a site that has it.
	// It returns the digest of what the site is at then.
	bring func(ctx context.Context, ring *watchedRing, s *watchedSite, compare bool) (string, error)
}

func newWatch(f *watchFlags, log io.Writer) *watch {
	w := &watch{flags: f, log: log, metrics: newMetrics()}
	w.bring = w.deploy
	return w
}

func (w *watch) say(format string, values ...any) {
	fmt.Fprintf(w.log, "%s %s\n", time.Now().UTC().Format(time.RFC3339), harmless(strings.TrimRight(fmt.Sprintf(format, values...), "\n")))
}

// follow asks for a ring and deploys to its sites until ctx ends.
func (w *watch) follow(ctx context.Context, ring *watchedRing) error {
	f := site.Follower{Interval: w.flags.interval, Resync: w.flags.resync}
	f.Ask = func(ctx context.Context) (string, error) {
		digest, err := w.ask(ctx, ring)
		if ctx.Err() != nil {
			return "", err
		}
		w.metrics.asked(ring.name, err)
		w.complain(ring.name, &ring.said, err)
		return digest, err
	}
	for _, s := range ring.sites {
		f.Sites = append(f.Sites, func(ctx context.Context, compare bool) string {
			digest, err := w.bring(ctx, ring, s, compare)
			if ctx.Err() != nil {
				return ""
			}
			return w.settle(s, digest, err)
		})
	}
	return f.Follow(ctx)
}

// complain says an error, but not the same one again.
func (w *watch) complain(about string, said *string, err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text != "" && text != *said {
		w.say("%s: %s", about, text)
	}
	*said = text
}

// ask is one HEAD, with credentials as they are now. If it fails, the next poll
// is the next attempt.
func (w *watch) ask(ctx context.Context, ring *watchedRing) (string, error) {
	p, err := ring.open(w.flags.options(1))
	if err != nil {
		return "", err
	}
	digest, found, err := p.Digest(ctx, ring.root, ring.ring)
	if err == nil && !found {
		digest = ""
	}
	return digest, err
}

// options are how the registry is talked to.
func (f *watchFlags) options(attempts int) store.Options {
	return store.Options{UserAgent: "quoit/" + version, Attempts: attempts, Transport: f.transport}
}

// serve answers /metrics and /healthz until ctx ends.
func (w *watch) serve(ctx context.Context, eg *errgroup.Group, rings []*watchedRing) error {
	listener, err := net.Listen("tcp", w.flags.listen)
	if err != nil {
		return fmt.Errorf("--listen: %w", err)
	}
	w.say("metrics are at http://%s/metrics", listener.Addr())
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(out http.ResponseWriter, _ *http.Request) {
		out.Header().Set("Content-Type", "text/plain; version=0.0.4")
		_, _ = io.WriteString(out, w.metrics.String())
	})
	mux.HandleFunc("GET /healthz", func(out http.ResponseWriter, _ *http.Request) {
		for _, ring := range rings {
			if late := w.metrics.late(ring.name, 40*w.flags.interval+5*time.Minute); late {
				http.Error(out, ring.name+" was not asked for any more", http.StatusServiceUnavailable)
				return
			}
		}
		_, _ = io.WriteString(out, "ok\n")
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
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
