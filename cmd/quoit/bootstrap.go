package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/quoitbuild/quoit/deploy/rollout"
	"github.com/quoitbuild/quoit/deploy/site"
)

func newBootstrapCmd() *cobra.Command {
	var project projectFlags
	var watcher site.Watcher
	cmd := &cobra.Command{
		Use:   "bootstrap SITE",
		Short: "Print what a site needs before the first deploy",
		Long: `Bootstrap prints YAML for kubectl apply: the namespace, the account that root images run
as, and a role with the least rights that the release in the site's ring needs, each with
its reason. It contacts no cluster and changes nothing; deploy never makes these objects.`,
		Example: `  quoit bootstrap eu | kubectl apply -f -
  quoit bootstrap eu --watcher ghcr.io/quoitbuild/quoit-cli:1   # and a watcher`,
		Args: oneArg("SITE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if watcher.Interval != 0 && (watcher.Image == "" || watcher.Interval < time.Second) {
				return usagef("choose an --interval of a second or more, and give it a --watcher")
			}
			m, p, err := project.open(cmd)
			if err != nil {
				return err
			}
			s, err := findSite(m, args[0])
			if err != nil {
				return err
			}
			place, releases := rollout.Of(m, p, s)
			target, err := releases.InRing(cmd.Context(), s.Ring)
			if err != nil {
				return fmt.Errorf("site %s: %w", s.Name, err)
			}
			images, err := releases.Images(cmd.Context(), target)
			if err != nil {
				return err
			}
			// The images are pulled from where the project is: a mirror may be
			// reached by the site only.
			source := releases.Source()
			images.Root = m.Registry + "/" + m.Project + strings.TrimPrefix(images.Root, source.Project)
			rules, err := place.Rules(cmd.Context(), images, registryOptions(cmd))
			if err != nil {
				return err
			}
			watcher.Root, watcher.Mirror = source.Project+"/"+source.Root, source.Mirror
			_, err = io.WriteString(cmd.OutOrStdout(), site.Bootstrap(place, rules, watcher))
			return err
		},
	}
	project.register(cmd.Flags())
	cmd.Flags().StringVar(&watcher.Image, "watcher", "", "also print a Deployment of quoit watch with this image")
	cmd.Flags().DurationVar(&watcher.Interval, "interval", 0, "how often the watcher asks the registry (default 1m)")
	return cmd
}
