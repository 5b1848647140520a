package stack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/quoitbuild/quoit/internal/testkit/cluster"
	"github.com/quoitbuild/quoit/internal/testkit/engine"
	"github.com/quoitbuild/quoit/internal/testkit/tools"
)

// StartCluster builds what the cache lacks (minutes for the first time) and
// starts a cluster beside the stack's registry, which gets the image of its
// pods' first process. Env has its KUBECONFIG and BinDirs kubectl from then on.
// It ends with StopCluster, with the stack, or with this process.
func (s *Stack) StartCluster(ctx context.Context) (*cluster.Cluster, error) {
	if s.Cluster() != nil {
		return nil, errors.New("starting a cluster: the stack has one already")
	}
	if err := s.StopCluster(); err != nil { // What is left of one that ended on its own.
		return nil, fmt.Errorf("preparing the cluster: %w", err)
	}
	built, err := cluster.Prepare(ctx, s.progress, s.Registry)
	if err != nil {
		return nil, fmt.Errorf("preparing the cluster: %w", err)
	}
	c, err := cluster.Start(ctx, cluster.Options{Dir: filepath.Join(s.dir, "kube"), Registry: s.Registry, Tools: built, Daemons: s.options})
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cluster = c
	s.BinDirs = append(slices.Clone(s.BinDirs), c.BinDir())
	return c, nil
}

// Cluster is the stack's running cluster, nil if there is none.
func (s *Stack) Cluster() *cluster.Cluster {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cluster == nil || !s.cluster.Alive() {
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
	s.BinDirs = slices.DeleteFunc(slices.Clone(s.BinDirs), func(dir string) bool { return dir == c.BinDir() })
	return c.Stop()
}

// StartEngine builds what the cache lacks (minutes for the first time) and starts a Docker
// Engine beside the stack's registry, with containerd's image store or the classic one.
// There may be several; Env has the DOCKER_HOST of the first, and BinDirs a docker command
// that has buildx. It ends with its own Stop, with the stack, or with this process.
func (s *Stack) StartEngine(ctx context.Context, classic bool) (*engine.Engine, error) {
	built, err := engine.Prepare(ctx, s.progress)
	if err != nil {
		return nil, fmt.Errorf("preparing the engine: %w", err)
	}
	if err := s.addPlugin(); err != nil {
		return nil, fmt.Errorf("preparing the engine: %w", err)
	}
	dir, err := os.MkdirTemp(s.dir, "eng")
	if err != nil {
		return nil, fmt.Errorf("preparing the engine: %w", err)
	}
	e, err := engine.Start(ctx, engine.Options{Dir: dir, Registry: s.Registry, Classic: classic, Tools: built, Daemons: s.options})
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.engines = append(s.engines, e)
	if !slices.Contains(s.BinDirs, e.BinDir) {
		s.BinDirs = append(slices.Clone(s.BinDirs), e.BinDir)
	}
	return e, nil
}

// addPlugin gives the docker command its buildx.
func (s *Stack) addPlugin() error {
	dir := filepath.Join(s.configDir, "docker", "cli-plugins")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	plugin := filepath.Join(dir, "docker-buildx")
	if tools.Exists(plugin) {
		return nil
	}
	return os.Symlink(filepath.Join(s.tools["buildx"], "buildx"), plugin)
}

// Engine is the first of the stack's Docker Engines that run, nil if there is none.
func (s *Stack) Engine() *engine.Engine {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.engines {
		if e.Alive() {
			return e
		}
	}
	return nil
}

// StopEngines ends the stack's Docker Engines, if it has any.
func (s *Stack) StopEngines() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stopEngines()
}

func (s *Stack) stopEngines() error {
	var errs []error
	for _, e := range s.engines {
		errs = append(errs, e.Stop())
		s.BinDirs = slices.DeleteFunc(slices.Clone(s.BinDirs), func(dir string) bool { return dir == e.BinDir })
	}
	s.engines = nil
	return errors.Join(errs...)
}
