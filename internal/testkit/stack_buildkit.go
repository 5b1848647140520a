package testkit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/moby/buildkit/client"
)

// persistentRoots is how many stacks of one machine may each have a BuildKit
// root that stays in the cache; further ones start with an empty root.
const persistentRoots = 3

const buildkitConfig = `root = %q
[grpc]
  address = [%q]
[otel]
  socketPath = %q
[worker.oci]
  enabled = true
  networkMode = "host"
  binary = %q
  defaultCgroupParent = %q
  gc = true
  maxUsedSpace = "8GB"
[worker.containerd]
  enabled = false
[history]
  maxEntries = 1000
  maxAge = "24h"
[registry."docker.io"]
  mirrors = [%q]
[registry."ghcr.io"]
  mirrors = [%q]
[registry.%q]
  http = true
`

// Buildkit is a running buildkitd.
type Buildkit struct {
	*daemon
	Host string // unix:///path
	dir  string
	root *os.File // lock of a persistent root
}

// processOptions are what the stack's daemons have in common.
type processOptions struct {
	detached bool
	inherit  []*os.File // locks to be held until the process is gone
}

// startBuildkit runs a buildkitd with its files in dir. It is process 1 of
// its own process and mount namespace: when it ends, however it ends, its
// containers and mounts are gone too.
func startBuildkit(ctx context.Context, tools Tools, dir, registryHost string, fresh bool, o processOptions) (*Buildkit, error) {
	b := &Buildkit{Host: "unix://" + filepath.Join(dir, "buildkitd.sock"), dir: dir}
	config, err := b.configure(tools, registryHost, fresh)
	if err != nil {
		return nil, fmt.Errorf("starting buildkitd: %w", err)
	}
	cmd := exec.Command("/bin/sh", "-c", `mount -t proc proc /proc && exec "$0" "$@"`,
		filepath.Join(tools["buildkit"], "buildkitd"), "--config", config)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:   syscall.CLONE_NEWPID,
		Unshareflags: syscall.CLONE_NEWNS,
	}
	cmd.Env = append(os.Environ(), "OTEL_TRACES_EXPORTER=none", "TMPDIR="+filepath.Join(dir, "tmp"))
	cmd.ExtraFiles = o.inherit
	if b.root != nil {
		cmd.ExtraFiles = append(cmd.ExtraFiles[:len(cmd.ExtraFiles):len(cmd.ExtraFiles)], b.root)
	}
	if b.daemon, err = start(cmd, "buildkitd", filepath.Join(dir, "buildkitd.log"), o.detached); err != nil {
		b.unlock()
		return nil, err
	}
	if err := b.await(ctx, b.answers); err != nil {
		return nil, closing(err, b.Stop)
	}
	return b, nil
}

func (b *Buildkit) configure(tools Tools, registryHost string, fresh bool) (string, error) {
	runc, err := findFile("runc")
	if err != nil {
		return "", err
	}
	for _, folder := range []string{"root", "tmp"} {
		if err := os.MkdirAll(filepath.Join(b.dir, folder), 0o711); err != nil {
			return "", err
		}
	}
	root := filepath.Join(b.dir, "root")
	if !fresh {
		persistent, err := b.lockRoot(filepath.Base(tools["buildkit"]))
		if err != nil {
			return "", err
		}
		if persistent != "" {
			root = persistent
		}
	}
	text := fmt.Sprintf(buildkitConfig, root, b.Host, filepath.Join(b.dir, "otel.sock"), runc, cgroupOf(b.dir),
		registryHost, registryHost, registryHost)
	config := filepath.Join(b.dir, "buildkitd.toml")
	return config, os.WriteFile(config, []byte(text), 0o644)
}

// lockRoot takes the first persistent root that nobody uses; "" if none.
func (b *Buildkit) lockRoot(version string) (string, error) {
	cache, err := CacheDir()
	if err != nil {
		return "", err
	}
	for i := range persistentRoots {
		root := filepath.Join(cache, "roots", fmt.Sprintf("%s-%d", version, i))
		lock, err := tryLockFile(root + ".lock")
		if err != nil {
			return "", err
		}
		if lock != nil {
			b.root = lock
			return root, os.MkdirAll(root, 0o711)
		}
	}
	return "", nil
}

func (b *Buildkit) answers(ctx context.Context) bool {
	if !exists(strings.TrimPrefix(b.Host, "unix://")) {
		return false
	}
	c, err := client.New(ctx, b.Host)
	if err != nil {
		return false
	}
	defer c.Close()
	workers, err := c.ListWorkers(ctx)
	return err == nil && len(workers) > 0
}

// Client connects to the daemon; close it after use.
func (b *Buildkit) Client(ctx context.Context) (*client.Client, error) {
	c, err := client.New(ctx, b.Host)
	if err != nil {
		return nil, fmt.Errorf("connecting to buildkitd: %w", err)
	}
	return c, nil
}

// Stop ends the daemon with its containers and removes its files; a
// persistent root stays. Stopping twice does nothing.
func (b *Buildkit) Stop() error {
	err := b.stop()
	b.unlock()
	removeCgroups(cgroupOf(b.dir))
	return errors.Join(err, os.RemoveAll(b.dir))
}

func (b *Buildkit) unlock() {
	if b.root != nil {
		b.root.Close()
		b.root = nil
	}
}

// closing stops what was half started and returns why it was.
func closing(err error, stop func() error) error {
	return errors.Join(err, stop())
}
