package testkit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
)

// Cluster is a running Kubernetes of one node, named localhost, on the host's
// network. The node pulls from the stack's registry, over plain http; RBAC and
// Pod Security are on. Pods reach the API server at the usual variables, the
// registry at an address of its own, each other and the host by address. There
// is no DNS, no other service address and no way out of the machine; a pod with
// hostNetwork has the host's network.
type Cluster struct {
	*daemon
	// Kubeconfig is a file for an administrator.
	Kubeconfig string
	// API is the API server's address, https://127.0.0.1:PORT.
	API string
	// Registry is where pods reach the stack's registry, and the node and the
	// host do too: ADDRESS:PORT, by TLS with a certificate of the authority whose
	// own is in the file CA.
	Registry, CA string

	dir     string
	network clusterNetwork
}

// clusterPackages are needed on top of those of a stack.
var clusterPackages = []aptPackage{{"iproute2", "ip"}, {"runc", "runc"}}

// StartCluster builds what the cache lacks (minutes for the first time) and
// starts a cluster beside the stack's registry, which gets the image of its
// pods' first process. Env has its KUBECONFIG and BinDirs kubectl from then on.
// It ends with StopCluster, with the stack, or with this process.
func (s *Stack) StartCluster(ctx context.Context) (*Cluster, error) {
	if s.Cluster() != nil {
		return nil, errors.New("starting a cluster: the stack has one already")
	}
	if err := s.StopCluster(); err != nil { // What is left of one that ended on its own.
		return nil, fmt.Errorf("preparing the cluster: %w", err)
	}
	tools, err := s.prepareCluster(ctx)
	if err != nil {
		return nil, fmt.Errorf("preparing the cluster: %w", err)
	}
	c, err := newCluster(filepath.Join(s.dir, "kube"), s.Registry)
	if err != nil {
		return nil, fmt.Errorf("preparing the cluster: %w", err)
	}
	defer c.network.unlock()
	if err := c.start(ctx, tools, s.Ref(pauseImage), s.options); err != nil {
		return nil, closing(fmt.Errorf("starting the cluster: %w", err), c.Stop)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cluster = c
	s.BinDirs = append(slices.Clone(s.BinDirs), c.binDir())
	return c, nil
}

// Cluster is the stack's running cluster, nil if there is none.
func (s *Stack) Cluster() *Cluster {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cluster == nil || !s.cluster.alive() {
		return nil
	}
	return s.cluster
}

// StopCluster ends the stack's cluster, if it has one.
func (s *Stack) StopCluster() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stopCluster()
}

func (s *Stack) stopCluster() error {
	c := s.cluster
	if c == nil {
		return nil
	}
	s.cluster = nil
	s.BinDirs = slices.DeleteFunc(slices.Clone(s.BinDirs), func(dir string) bool { return dir == c.binDir() })
	return c.Stop()
}

func (s *Stack) prepareCluster(ctx context.Context) (Tools, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("its node and containers need root")
	}
	if err := installPackages(ctx, s.progress, clusterPackages); err != nil {
		return nil, err
	}
	tools, err := BuildTools(ctx, s.progress, clusterTools...)
	if err != nil {
		return nil, err
	}
	return tools, pushPause(ctx, tools, s.Ref(pauseImage))
}

// newCluster makes the folder, what is in it before the start, and the network
// of a cluster.
func newCluster(dir, registry string) (*Cluster, error) {
	c := &Cluster{dir: dir, Kubeconfig: filepath.Join(dir, "admin.kubeconfig"), CA: filepath.Join(dir, "pki", "ca.crt")}
	for _, folder := range []string{"log", "pki", "bin", "cni", "tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, folder), 0o700); err != nil {
			return nil, err
		}
	}
	if err := makeCgroups(cgroupOf(dir)); err != nil {
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

func (c *Cluster) binDir() string { return filepath.Join(c.dir, "bin") }

// start runs the daemons, those that wait for the API server after it is ready.
func (c *Cluster) start(ctx context.Context, tools Tools, pause string, o processOptions) error {
	settings, err := c.configure(tools, pause)
	if err != nil {
		return err
	}
	if err := os.Symlink(filepath.Join(tools["kubernetes"], "kubectl"), filepath.Join(c.binDir(), "kubectl")); err != nil {
		return err
	}
	api, err := newAPIClient(c.API, filepath.Join(c.dir, "pki"))
	if err != nil {
		return err
	}
	daemons, err := c.startNode(tools, settings, o)
	if err != nil {
		return err
	}
	for _, step := range []struct {
		daemons []nodeDaemon
		waitFor string
		ready   func(context.Context) bool
	}{
		{settings.control(), "kube-apiserver", api.ready},
		{settings.controlled(), "kubelet", api.nodeReady},
		{nil, "kube-controller-manager", api.hasServiceAccount},
	} {
		for _, d := range step.daemons {
			if err := daemons.Encode(d); err != nil {
				return fmt.Errorf("starting %s: %w; the node's log ends with\n%s", d.Name, err, tail(c.Log, 15))
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
func (c *Cluster) startNode(tools Tools, s clusterSettings, o processOptions) (*json.Encoder, error) {
	cmd := exec.Command(filepath.Join(tools["node"], "node"), "-dir", c.dir,
		"-forward", s.Network.service(1)+":443=127.0.0.1:"+s.APIPort, "-secure", c.Registry+"="+s.loopback())
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:   syscall.CLONE_NEWPID,
		Unshareflags: syscall.CLONE_NEWNS,
	}
	cmd.ExtraFiles = append(o.inherit[:len(o.inherit):len(o.inherit)], c.network.lock)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	c.daemon, err = start(cmd, "the node", filepath.Join(c.dir, "log", "node.log"), o.detached)
	return json.NewEncoder(stdin), err
}

// awaitDaemon polls until ready says so; an error shows what the daemon that
// ended, or the one that is not ready, said last.
func (c *Cluster) awaitDaemon(ctx context.Context, name string, ready func(context.Context) bool) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	log := filepath.Join(c.dir, "log", name+".log")
	err := poll(ctx, func() (bool, error) {
		if !c.alive() {
			log = c.Log
			return false, errors.New("the node ended")
		}
		return ready(ctx), nil
	})
	if err != nil {
		return fmt.Errorf("waiting for %s: %w; the log ends with\n%s", name, err, tail(log, 15))
	}
	return nil
}

// Stop ends the cluster with its containers and removes its files and network;
// StopCluster also takes it off the stack. Stopping twice does nothing.
func (c *Cluster) Stop() error {
	var errs []error
	if c.daemon != nil {
		errs = append(errs, c.stop())
	}
	removeCgroups(cgroupOf(c.dir))
	return errors.Join(append(errs, c.network.remove(), os.RemoveAll(c.dir))...)
}
