package stack

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/quoitbuild/quoit/internal/testkit/tools"
)

const builderName = "quoit"

// Env is what programs need to use the stack, as KEY=VALUE, to be appended to
// os.Environ(): the address of buildkitd, registry, cluster and engine, a PATH with the tools,
// and configurations of docker and buildx that are not the user's. buildx has
// the stack's buildkitd as its selected builder.
func (s *Stack) Env() []string {
	env := []string{
		"QUOIT_REGISTRY=" + s.Registry,
		"QUOIT_REGISTRY_LOG=" + s.RegistryLog,
		"DOCKER_CONFIG=" + filepath.Join(s.configDir, "docker"),
		"BUILDX_CONFIG=" + filepath.Join(s.configDir, "buildx"),
		"QUOIT_REGISTRY_HOSTS=" + filepath.Join(s.configDir, "hosts"),
		"PATH=" + strings.Join(s.BinDirs, ":") + ":" + os.Getenv("PATH"),
	}
	if s.BuildkitHost != "" {
		env = append(env, "BUILDKIT_HOST="+s.BuildkitHost)
	}
	if c := s.Cluster(); c != nil {
		env = append(env, "KUBECONFIG="+c.Kubeconfig, "KUBECACHEDIR="+c.CacheDir())
	}
	if e := s.Engine(); e != nil {
		env = append(env, "DOCKER_HOST="+e.Host)
	}
	return env
}

// Command is a command that sees the stack: Env on top of this process's
// environment, and the tools found first.
func (s *Stack) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	path := name
	for _, dir := range s.BinDirs {
		if file := filepath.Join(dir, name); tools.Exists(file) {
			path = file
		}
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = append(os.Environ(), s.Env()...)
	return cmd
}

// configureMirrors says where the images of public registries are, for clients that ask
// registries themselves.
func (s *Stack) configureMirrors() error {
	for _, registry := range []string{"docker.io", "ghcr.io"} {
		dir := filepath.Join(s.configDir, "hosts", registry)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("configuring mirrors: %w", err)
		}
		text := fmt.Sprintf("server = %q\n", "http://"+s.Registry)
		if err := os.WriteFile(filepath.Join(dir, "hosts.toml"), []byte(text), 0o644); err != nil {
			return fmt.Errorf("configuring mirrors: %w", err)
		}
	}
	return nil
}

// configureClients writes docker's and buildx's configuration.
func (s *Stack) configureClients(ctx context.Context) error {
	for _, name := range []string{"docker", "buildx"} {
		dir := filepath.Join(s.configDir, name)
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("configuring %s: %w", name, err)
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("configuring %s: %w", name, err)
		}
	}
	cmd := s.Command(ctx, "buildx", "create", "--name", builderName, "--driver", "remote", "--use", s.BuildkitHost)
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("configuring buildx: %w\n%s", err, output)
	}
	return nil
}
