package stack

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/quoitbuild/quoit/internal/testkit/cluster"
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
