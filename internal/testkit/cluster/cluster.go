// Package cluster runs a real Kubernetes of one node beside a registry, for tests and
// demos. Package stack starts one beside its own: Stack.StartCluster.
//
// It needs Linux and root.
package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"github.com/quoitbuild/quoit/internal/testkit/daemon"
	"github.com/quoitbuild/quoit/internal/testkit/tools"
)

// Cluster is a running Kubernetes of one node, named localhost, on the host's
// network. The node pulls from the registry, over plain http; RBAC and
// Pod Security are on. Pods reach the API server at the usual variables, the
// registry at an address of its own, each other and the host by address. There
// is no DNS, no other service address and no way out of the machine; a pod with
// hostNetwork has the host's network.
type Cluster struct {
	*daemon.Daemon
	// Kubeconfig is a file for an administrator.
	Kubeconfig string
	// API is the API server's address, https://127.0.0.1:PORT.
	API string
	// Registry is where pods reach the registry, and the node and the
	// host do too: ADDRESS:PORT, by TLS with a certificate of the authority whose
	// own is in the file CA.
	Registry, CA string

	dir     string
	network network
}

// Options say where a cluster runs and what of.
type Options struct {
	// Dir is a folder for its files, that does not exist yet. Control groups are
	// named after it and its parent.
	Dir string
	// Registry is the registry that the node and the pods are to reach, localhost:PORT.
	Registry string
	// Tools are what Prepare has returned.
	Tools   tools.Tools
	Daemons daemon.Options
}

// Prepare builds what the cache lacks (minutes for the first time), and pushes the
// image of pods' first process to the registry.
func Prepare(ctx context.Context, progress io.Writer, registry string) (tools.Tools, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("its node and containers need root")
	}
	if err := tools.Install(ctx, progress, tools.ClusterPackages); err != nil {
		return nil, err
	}
	built, err := tools.Build(ctx, progress, tools.Cluster...)
	if err != nil {
		return nil, err
	}
	return built, pushPause(ctx, built, registry+"/"+pauseImage)
}

// Start starts a cluster. It ends with Stop, or with this process unless that is
// detached.
func Start(ctx context.Context, o Options) (*Cluster, error) {
	c, err := newCluster(o.Dir, o.Registry)
	if err != nil {
		return nil, fmt.Errorf("preparing the cluster: %w", err)
	}
	defer c.network.unlock()
	if err := c.start(ctx, o.Tools, o.Registry+"/"+pauseImage, o.Daemons); err != nil {
		return nil, daemon.Closing(fmt.Errorf("starting the cluster: %w", err), c.Stop)
	}
	return c, nil
}

// State is what another process must know to use and to stop a detached cluster.
type State struct {
	Dir, Kubeconfig, API string
	Network              int
	Daemon               *daemon.Daemon
}

// State is what Load needs.
func (c *Cluster) State() State {
	return State{Dir: c.dir, Kubeconfig: c.Kubeconfig, API: c.API, Network: c.network.Number, Daemon: c.Daemon}
}

// Load is the cluster of a State. Its processes may have ended since.
func Load(s State) *Cluster {
	return &Cluster{Daemon: s.Daemon, Kubeconfig: s.Kubeconfig, API: s.API, dir: s.Dir, network: network{Number: s.Network}}
}

// BinDir has the cluster's kubectl.
func (c *Cluster) BinDir() string { return filepath.Join(c.dir, "bin") }

// CacheDir is a folder for what kubectl remembers of the cluster.
func (c *Cluster) CacheDir() string { return filepath.Join(c.dir, "cache") }

// newCluster makes the folder, what is in it before the start, and the network
// of a cluster.
func newCluster(dir, registry string) (*Cluster, error) {
	c := &Cluster{dir: dir, Kubeconfig: filepath.Join(dir, "admin.kubeconfig"), CA: filepath.Join(dir, "pki", "ca.crt")}
	for _, folder := range []string{"log", "pki", "bin", "cni", "tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, folder), 0o700); err != nil {
			return nil, err
		}
	}
	if err := daemon.MakeCgroups(daemon.CgroupOf(dir)); err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(registry)
	if err != nil {
		return nil, err
	}
	c.network, err = takeNetwork()
	c.Registry = net.JoinHostPort(c.network.service(1), port)
	return c, err
}

// start runs the daemons, those that wait for the API server after it is ready.
func (c *Cluster) start(ctx context.Context, built tools.Tools, pause string, o daemon.Options) error {
	set, err := c.configure(built, pause)
	if err != nil {
		return err
	}
	if err := os.Symlink(filepath.Join(built["kubernetes"], "kubectl"), filepath.Join(c.BinDir(), "kubectl")); err != nil {
		return err
	}
	api, err := newAPIClient(c.API, filepath.Join(c.dir, "pki"))
	if err != nil {
		return err
	}
	node, err := c.startNode(built, set, o)
	if err != nil {
		return err
	}
	for _, step := range []struct {
		daemons []nodeDaemon
		waitFor string
		ready   func(context.Context) bool
	}{
		{set.control(), "kube-apiserver", api.ready},
		{set.controlled(), "kubelet", api.nodeReady},
		{nil, "kube-controller-manager", api.hasServiceAccount},
	} {
		for _, d := range step.daemons {
			if err := node.Encode(d); err != nil {
				return fmt.Errorf("starting %s: %w; the node's log ends with\n%s", d.Name, err, daemon.Tail(c.Log, 15))
			}
		}
		if err := c.awaitDaemon(ctx, step.waitFor, step.ready); err != nil {
			return err
		}
	}
	return nil
}

// startNode starts the process in whose namespaces the daemons run, and
// returns the way to tell it which.
func (c *Cluster) startNode(built tools.Tools, s settings, o daemon.Options) (*json.Encoder, error) {
	cmd := exec.Command(filepath.Join(built["node"], "node"), "-dir", c.dir,
		"-forward", s.Network.service(1)+":443=127.0.0.1:"+s.APIPort, "-secure", c.Registry+"="+s.loopback())
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:   syscall.CLONE_NEWPID,
		Unshareflags: syscall.CLONE_NEWNS,
	}
	cmd.ExtraFiles = append(o.Inherit[:len(o.Inherit):len(o.Inherit)], c.network.lock)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	c.Daemon, err = daemon.Start(cmd, "the node", filepath.Join(c.dir, "log", "node.log"), o.Detached)
	return json.NewEncoder(stdin), err
}

// awaitDaemon polls until ready says so; an error shows what the daemon that
// ended, or the one that is not ready, said last.
func (c *Cluster) awaitDaemon(ctx context.Context, name string, ready func(context.Context) bool) error {
	ctx, cancel := context.WithTimeout(ctx, daemon.StartTimeout)
	defer cancel()
	log := filepath.Join(c.dir, "log", name+".log")
	err := daemon.Poll(ctx, func() (bool, error) {
		if !c.Alive() {
			log = c.Log
			return false, errors.New("the node ended")
		}
		return ready(ctx), nil
	})
	if err != nil {
		return fmt.Errorf("waiting for %s: %w; the log ends with\n%s", name, err, daemon.Tail(log, 15))
	}
	return nil
}

// Stop ends the cluster with its containers and removes its files and network;
// Stopping twice does nothing.
func (c *Cluster) Stop() error {
	var errs []error
	if c.Daemon != nil {
		errs = append(errs, c.Daemon.Stop())
	}
	daemon.RemoveCgroups(daemon.CgroupOf(c.dir))
	return errors.Join(append(errs, c.network.remove(), os.RemoveAll(c.dir))...)
}
