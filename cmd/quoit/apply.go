package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/quoitbuild/quoit/deploy"
	"github.com/quoitbuild/quoit/deploy/apply"
	"github.com/quoitbuild/quoit/internal/input"
	"github.com/quoitbuild/quoit/internal/show"
	"github.com/quoitbuild/quoit/manifest"
	"github.com/quoitbuild/quoit/versioning"
)

type applyFlags struct {
	request    apply.Request
	action     string
	from, to   string
	release    string
	scope      string
	kubeconfig string
	context    string
	output     string
}

func newApplyCmd() *cobra.Command {
	var f applyFlags
	cmd := &cobra.Command{
		Use:   "apply",
		Short: "Apply a release's objects to a site: what a root image runs",
		Long: `Apply is what a root image runs in the namespace of a site, where "quoit deploy"
starts it. It builds the site's overlay, pins the images to the release's digests,
fills in the site's values, runs hooks, applies the objects, waits until they are
ready, and deletes those that the release no longer has. docs/apply.md says what the
root image may contain.

Every flag can be set by an environment variable too, like QUOIT_SITE for --site; the
flag wins.`,
		Example: `  quoit apply
  quoit apply --root deploy --site laptop --environment dev --namespace shop --dry-run`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			err := f.run(cmd)
			if err != nil && os.Getenv("KUBERNETES_SERVICE_HOST") != "" {
				leaveWord(terminationLog, err)
			}
			return err
		},
	}
	flags := cmd.Flags()
	r := &f.request
	flags.StringVar(&r.Project, "project", "", "the project, [REGISTRY/]PROJECT (default the root image's)")
	flags.StringVar(&r.Site, "site", "", "the site")
	flags.StringVar(&r.Environment, "environment", "", "the overlay: a folder of overlays")
	flags.StringVar(&r.Ring, "ring", "", "the ring that the site follows")
	flags.StringVar(&r.Namespace, "namespace", "", "the site's namespace")
	flags.StringVar(&f.action, "action", "", "install, upgrade, downgrade, restore or uninstall (default install)")
	flags.StringVar(&f.from, "from-version", "", "the version that the site comes from")
	flags.StringVar(&f.to, "to-version", "", "the version that the site goes to")
	flags.StringVar(&f.release, "release", "", "a JSON file with the release's images by digest (default "+deploy.ImagesFile+")")
	flags.StringVar(&r.Registry, "registry", "", "the registry of images that objects name without one, if there is no release file")
	flags.StringVar(&f.scope, "scope", "", "namespace, or cluster to allow objects outside the site's namespace (default namespace)")
	takeOverFlag(flags, &r.TakeOver, "fields")
	flags.DurationVar(&r.Timeout, "timeout", 0, "how long to wait for each hook and for the objects (default "+apply.DefaultTimeout.String()+")")
	flags.StringVar(&r.Root, "root", "/", "the folder of the root image's files")
	flags.BoolVar(&r.DryRun, "dry-run", false, "ask the cluster what would change, and change nothing")
	flags.StringVar(&f.kubeconfig, "kubeconfig", "", "outside a cluster: the file that says how to reach one")
	flags.StringVar(&f.context, "context", "", "outside a cluster: the kubeconfig's context")
	outputFlag(cmd, &f.output)
	return cmd
}

func (f *applyFlags) run(cmd *cobra.Command) error {
	if err := checkOutput(f.output); err != nil {
		return err
	}
	if err := f.complete(); err != nil {
		return err
	}
	config, err := f.config()
	if err != nil {
		return err
	}
	result, err := apply.Run(cmd.Context(), config, f.request, show.NewWriter(cmd.ErrOrStderr()))
	if err != nil {
		return err
	}
	if f.output == "json" {
		return printJSON(cmd.OutOrStdout(), result)
	}
	return printText(cmd.OutOrStdout(), result.String())
}

// complete takes what the flags do not say from the environment.
func (f *applyFlags) complete() error {
	r := &f.request
	for name, flag := range map[string]*string{
		"PROJECT": &r.Project, "SITE": &r.Site, "ENVIRONMENT": &r.Environment, "RING": &r.Ring, "NAMESPACE": &r.Namespace,
		"ACTION": &f.action, "FROM_VERSION": &f.from, "TO_VERSION": &f.to, "RELEASE": &f.release, "SCOPE": &f.scope, "REGISTRY": &r.Registry,
	} {
		*flag = cmp.Or(*flag, os.Getenv("QUOIT_"+name))
	}
	if r.Project != "" {
		var err error
		if r.Registry, r.Project, err = splitProject(r.Project, r.Registry); err != nil {
			return err
		}
	}
	r.TakeOver = r.TakeOver || os.Getenv("QUOIT_TAKE_OVER") == "1" || os.Getenv("QUOIT_ADOPT") == "1" // the older name, which deploys send
	r.Action = deploy.Action(cmp.Or(f.action, string(deploy.Install)))
	if text := os.Getenv("QUOIT_TIMEOUT"); r.Timeout == 0 && text != "" {
		timeout, err := time.ParseDuration(text)
		if err != nil {
			return usagef("QUOIT_TIMEOUT: %w", err)
		}
		r.Timeout = timeout
	}
	switch manifest.Scope(cmp.Or(f.scope, string(manifest.ScopeNamespace))) {
	case manifest.ScopeNamespace:
	case manifest.ScopeCluster:
		r.Cluster = true
	default:
		return usagef("--scope %s: choose namespace or cluster", f.scope)
	}
	for _, need := range [][2]string{{"site", r.Site}, {"environment", r.Environment}, {"namespace", r.Namespace}} {
		if need[1] == "" {
			return usagef("set --%s, or QUOIT_%s in the environment", need[0], strings.ToUpper(need[0]))
		}
	}
	return errors.Join(parseVersion("--from-version", f.from, &r.From), parseVersion("--to-version", f.to, &r.To), f.readRelease())
}

func parseVersion(flag, text string, to *versioning.Version) (err error) {
	if text == "" {
		return nil
	}
	if *to, err = versioning.Parse(text); err != nil {
		return usagef("%s: %w", flag, err)
	}
	return nil
}

// readRelease reads the file that is there by itself in a root image that a
// deploy runs.
func (f *applyFlags) readRelease() error {
	const limit = 1 << 20
	name := cmp.Or(f.release, deploy.ImagesFile)
	data, err := input.Read(name, limit)
	if errors.Is(err, fs.ErrNotExist) && f.release == "" {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading the release's images: %w", err)
	}
	if err := json.Unmarshal(data, &f.request.Images); err != nil {
		return fmt.Errorf("reading the release's images from %s: %w", name, err)
	}
	return nil
}

// config is how the cluster is reached: the one that this runs in, unless a flag
// says otherwise.
func (f *applyFlags) config() (*rest.Config, error) {
	if f.kubeconfig == "" && f.context == "" {
		config, err := rest.InClusterConfig()
		if err == nil || !errors.Is(err, rest.ErrNotInCluster) {
			return config, err
		}
	}
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = f.kubeconfig
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: f.context}).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig: %w", err)
	}
	return config, nil
}

// terminationLog is where Kubernetes reads why a container has ended.
const terminationLog = "/dev/termination-log"

// leaveWord writes an error as it is printed, because of the log itself
// Kubernetes keeps but the end. A file that is not there stays so.
func leaveWord(name string, err error) {
	const limit = 4 << 10 // bytes; Kubernetes reads the last ones only
	file, broken := os.OpenFile(name, os.O_WRONLY|os.O_TRUNC, 0)
	if broken != nil {
		return
	}
	defer file.Close()
	var text strings.Builder
	printError(&text, err)
	word := text.String()
	_, _ = io.WriteString(file, strings.ToValidUTF8(word[:min(len(word), limit)], "")) // it was printed too
}
