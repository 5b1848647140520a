package stack

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/quoitbuild/quoit/internal/testkit/cluster"
	"github.com/quoitbuild/quoit/internal/testkit/daemon"
	"github.com/quoitbuild/quoit/internal/testkit/engine"
	"github.com/quoitbuild/quoit/internal/testkit/tools"
)

// state is what another process must know to use and to stop a detached stack.
type state struct {
	Dir, ConfigDir                      string
	BinDirs                             []string
	Tools                               tools.Tools
	Registry, RegistryLog, BuildkitHost string
	RegistryDaemon, BuildkitDaemon      *daemon.Daemon
	Cluster                             *cluster.State
	Engines                             []*engine.Engine
}

// Save writes down a detached stack for Load.
func (s *Stack) Save(file string) error {
	st := state{
		Dir: s.dir, ConfigDir: s.configDir, BinDirs: s.BinDirs, Tools: s.tools,
		Registry: s.Registry, RegistryLog: s.RegistryLog, BuildkitHost: s.BuildkitHost,
		RegistryDaemon: s.registry.Daemon, Engines: s.engines,
	}
	if s.buildkit != nil {
		st.BuildkitDaemon = s.buildkit.Daemon
	}
	if c := s.Cluster(); c != nil {
		saved := c.State()
		st.Cluster = &saved
	}
	content, err := json.MarshalIndent(st, "", "  ")
	if err != nil {
		return fmt.Errorf("saving the stack: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return fmt.Errorf("saving the stack: %w", err)
	}
	if err := os.WriteFile(file, content, 0o644); err != nil {
		return fmt.Errorf("saving the stack: %w", err)
	}
	return nil
}

// Load is the stack that Save wrote to file. Its processes may have ended
// since: see Alive. Without a file the error is an fs.ErrNotExist.
func Load(file string, progress io.Writer) (*Stack, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("loading the stack: %w", err)
	}
	var st state
	if err := json.Unmarshal(content, &st); err != nil {
		return nil, fmt.Errorf("loading the stack: %w", err)
	}
	s := &Stack{
		dir: st.Dir, configDir: st.ConfigDir, BinDirs: st.BinDirs, tools: st.Tools,
		Registry: st.Registry, RegistryLog: st.RegistryLog, BuildkitHost: st.BuildkitHost,
		progress: progress, options: daemon.Options{Detached: true}, engines: st.Engines,
	}
	if st.RegistryDaemon != nil {
		s.registry = &registry{Daemon: st.RegistryDaemon, Host: st.Registry, AccessLog: st.RegistryLog}
	}
	if st.BuildkitDaemon != nil {
		s.buildkit = &Buildkit{Daemon: st.BuildkitDaemon, Host: st.BuildkitHost, dir: filepath.Dir(st.BuildkitDaemon.Log)}
	}
	if st.Cluster != nil {
		s.cluster = cluster.Load(*st.Cluster)
	}
	return s, nil
}

// Alive says whether the stack's registry and buildkitd run; Cluster says so of
// the cluster.
func (s *Stack) Alive() bool {
	if s.registry == nil || !s.registry.Alive() {
		return false
	}
	return s.buildkit == nil || s.buildkit.Alive()
}
