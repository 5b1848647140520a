// Package stack runs what Quoit works with, for tests, demos and benchmarks:
// a real registry, a real buildkitd and, if wanted, a real Kubernetes of one node
// and real Docker Engines, built from pinned Go modules, with base images made of Debian packages. Nothing is pulled from an image registry.
//
// It needs Linux, root and Debian's apt. What is built once is in CacheDir.
package stack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/quoitbuild/quoit/internal/testkit/cluster"
	"github.com/quoitbuild/quoit/internal/testkit/daemon"
	"github.com/quoitbuild/quoit/internal/testkit/engine"
	"github.com/quoitbuild/quoit/internal/testkit/tools"
)

// Options say what a stack consists of; the zero value is all of it.
type Options struct {
	// NoBuildkit leaves out buildkitd: the registry alone needs no root.
	NoBuildkit bool
	// NoBases starts with an empty registry. Otherwise it has busybox:latest,
	// debian:bookworm-slim, golang:1.26 (below library/) and docker/dockerfile:1,
	// where buildkitd looks for those of docker.io.
	NoBases bool
	// FreshBuildkit starts buildkitd with an empty root. Otherwise its cache,
	// cache mounts and history are those of an earlier stack.
	FreshBuildkit bool
	// RegistryEnv overrides the registry's settings, for instance
	// REGISTRY_STORAGE_DELETE_ENABLED=false.
	RegistryEnv []string
	// ConfigDir gets the folders for DOCKER_CONFIG and BUILDX_CONFIG; the
	// stack's temporary folder by default.
	ConfigDir string
	// Detached lets the daemons outlive this process; see Save.
	Detached bool
	// Progress gets a line before each thing that takes long; os.Stderr by
	// default.
	Progress io.Writer
}

// Stack is a running registry and buildkitd, and the cluster and engines beside them.
type Stack struct {
	// BuildkitHost is the buildkitd's address, unix:///path; "" without one.
	BuildkitHost string
	// Registry is localhost:PORT, which every client takes for plain http.
	Registry string
	// RegistryLog is the file with the registry's access log.
	RegistryLog string
	// BinDirs have buildkitd, buildctl, dockerfile-frontend, buildx, registry
	// and crane; with a cluster kubectl too, with an engine docker.
	BinDirs []string

	dir, configDir string
	progress       io.Writer
	tools          tools.Tools
	options        daemon.Options
	lock           *os.File
	registry       *registry
	buildkit       *Buildkit

	mu      sync.Mutex
	extra   []*Buildkit
	cluster *cluster.Cluster
	engines []*engine.Engine
}

// Start builds what the cache lacks (minutes for the first time, nothing
// later) and starts a stack. Its daemons die with this process; call Stop to
// remove its files too.
func Start(ctx context.Context, o Options) (*Stack, error) {
	s := &Stack{progress: o.Progress, options: daemon.Options{Detached: o.Detached}}
	if s.progress == nil {
		s.progress = os.Stderr
	}
	seed, err := s.prepare(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("preparing the stack: %w", err)
	}
	if err := s.makeDir(o.ConfigDir); err != nil {
		return nil, daemon.Closing(fmt.Errorf("preparing the stack: %w", err), s.Stop)
	}
	if err := s.startDaemons(ctx, o, seed); err != nil {
		return nil, daemon.Closing(err, s.Stop)
	}
	return s, nil
}

// Prepare installs and builds all that stacks, clusters and engines need and the cache lacks:
// many minutes for the first time, which belong to no test's time.
func Prepare(ctx context.Context, progress io.Writer) error {
	if err := tools.Install(ctx, progress, slices.Concat(tools.StackPackages, tools.ClusterPackages, tools.EnginePackages)); err != nil {
		return fmt.Errorf("preparing the stack: %w", err)
	}
	built, err := tools.Build(ctx, progress, slices.Concat(tools.Stack, tools.Cluster, tools.Engine, []string{tools.Oldest})...)
	if err != nil {
		return fmt.Errorf("preparing the stack: %w", err)
	}
	if _, err := buildBases(ctx, built, progress); err != nil {
		return fmt.Errorf("preparing the stack: %w", err)
	}
	return nil
}

// prepare builds tools and base images, and returns the folder of the latter.
func (s *Stack) prepare(ctx context.Context, o Options) (seed string, err error) {
	if !o.NoBuildkit && os.Geteuid() != 0 {
		return "", errors.New("buildkitd and its containers need root")
	}
	if !o.NoBuildkit || !o.NoBases {
		if err := tools.Install(ctx, s.progress, tools.StackPackages); err != nil {
			return "", err
		}
	}
	if s.tools, err = tools.Build(ctx, s.progress, tools.Stack...); err != nil {
		return "", err
	}
	s.BinDirs = s.tools.Dirs()
	if o.NoBases {
		return "", nil
	}
	return buildBases(ctx, s.tools, s.progress)
}

// makeDir makes the stack's folder, with a short name for the sockets' sake,
// after removing those of stacks whose processes were killed.
func (s *Stack) makeDir(configDir string) (err error) {
	sweep(os.TempDir())
	if s.dir, err = os.MkdirTemp("", stackPrefix); err != nil {
		return err
	}
	// Another process's sweep must not see the lock before it is held.
	fresh := filepath.Join(s.dir, "lock.new")
	if s.lock, err = tools.Lock(fresh); err != nil {
		return err
	}
	if err := os.Rename(fresh, filepath.Join(s.dir, "lock")); err != nil {
		return err
	}
	s.options.Inherit = []*os.File{s.lock}
	s.configDir = configDir
	if s.configDir == "" {
		s.configDir = s.dir
	}
	return nil
}

const stackPrefix = "quoit-stack-"

// sweep removes the folders of dead stacks: a living one holds its lock.
func sweep(parent string) {
	locks, _ := filepath.Glob(filepath.Join(parent, stackPrefix+"*", "lock"))
	for _, file := range locks {
		dir := filepath.Dir(file)
		lock, err := tools.TryLock(file)
		if err != nil || lock == nil {
			continue
		}
		daemon.RemoveCgroups(filepath.Base(dir))
		_ = os.RemoveAll(dir)
		lock.Close()
	}
}

func (s *Stack) startDaemons(ctx context.Context, o Options, seed string) error {
	if seed != "" {
		if err := tools.LinkTree(seed, filepath.Join(s.dir, "storage")); err != nil {
			return fmt.Errorf("copying the base images: %w", err)
		}
	}
	var err error
	if s.registry, err = startRegistry(ctx, s.tools, s.dir, s.options, o.RegistryEnv); err != nil {
		return err
	}
	s.Registry, s.RegistryLog = s.registry.Host, s.registry.AccessLog
	if err := s.configureMirrors(); err != nil || o.NoBuildkit {
		return err
	}
	dir := filepath.Join(s.dir, "bk")
	if s.buildkit, err = startBuildkit(ctx, s.tools, dir, s.Registry, o.FreshBuildkit, s.options); err != nil {
		return err
	}
	s.BuildkitHost = s.buildkit.Host
	return s.configureClients(ctx)
}

// StartBuildkit starts one more buildkitd on the stack's registry, with an
// empty root. It ends with its own Stop or with the stack's.
func (s *Stack) StartBuildkit(ctx context.Context) (*Buildkit, error) {
	return s.startBuildkit(ctx, s.tools)
}

// StartOldestBuildkit is StartBuildkit with the oldest version that quoit publishes with.
func (s *Stack) StartOldestBuildkit(ctx context.Context) (*Buildkit, error) {
	built, err := tools.Build(ctx, s.progress, tools.Oldest)
	if err != nil {
		return nil, fmt.Errorf("starting buildkitd: %w", err)
	}
	return s.startBuildkit(ctx, tools.Tools{"buildkit": built[tools.Oldest]})
}

// StartContainerdBuildkit is StartBuildkit with containerd as its worker.
func (s *Stack) StartContainerdBuildkit(ctx context.Context) (*Buildkit, error) {
	built, err := tools.Build(ctx, s.progress, "containerd")
	if err != nil {
		return nil, fmt.Errorf("starting buildkitd: %w", err)
	}
	return s.startBuildkit(ctx, tools.Tools{"buildkit": s.tools["buildkit"], "containerd": built["containerd"]})
}

func (s *Stack) startBuildkit(ctx context.Context, built tools.Tools) (*Buildkit, error) {
	dir, err := os.MkdirTemp(s.dir, "bk")
	if err != nil {
		return nil, fmt.Errorf("starting buildkitd: %w", err)
	}
	b, err := startBuildkit(ctx, built, dir, s.Registry, true, s.options)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.extra = append(s.extra, b)
	return b, nil
}

// Stop ends every process of the stack and removes its files. It does not
// give up halfway: the error joins all that went wrong.
func (s *Stack) Stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	errs = append(errs, s.stopCluster(), s.stopEngines())
	for _, b := range append(s.extra, s.buildkit) {
		if b != nil {
			errs = append(errs, b.Stop())
		}
	}
	s.extra = nil
	if s.registry != nil {
		errs = append(errs, s.registry.Stop())
	}
	if s.dir != "" {
		daemon.RemoveCgroups(filepath.Base(s.dir))
		errs = append(errs, os.RemoveAll(s.dir))
	}
	if s.lock != nil {
		s.lock.Close()
	}
	return errors.Join(errs...)
}

// PIDs are the processes of the stack's daemons.
func (s *Stack) PIDs() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	var pids []int
	for _, b := range append(s.extra[:len(s.extra):len(s.extra)], s.buildkit) {
		if b != nil {
			pids = append(pids, b.PID)
		}
	}
	if s.cluster != nil {
		pids = append(pids, s.cluster.PID)
	}
	for _, e := range s.engines {
		pids = append(pids, e.PID)
	}
	if s.registry != nil {
		pids = append(pids, s.registry.PID)
	}
	return pids
}

// Ref is the reference of a repository and tag in the stack's registry, such
// as Ref("shop/web:1.0.0").
func (s *Stack) Ref(name string) string {
	return s.Registry + "/" + strings.TrimPrefix(name, "/")
}
