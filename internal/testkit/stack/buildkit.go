package stack

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

	"github.com/quoitbuild/quoit/internal/testkit/daemon"
	"github.com/quoitbuild/quoit/internal/testkit/tools"
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
  enabled = %t
  networkMode = "host"
  binary = %q
  defaultCgroupParent = %q
  gc = true
  maxUsedSpace = "8GB"
[worker.containerd]
  enabled = %t
  address = %q
  networkMode = "host"
  defaultCgroupParent = %q
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

const containerdConfig = `version = 3
root = "%[1]s/containerd"
state = "%[1]s/ctrd"
disabled_plugins = [
  "io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime", "io.containerd.nri.v1.nri",
  "io.containerd.snapshotter.v1.blockfile", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.erofs", "io.containerd.snapshotter.v1.zfs", "io.containerd.differ.v1.erofs",
]
[grpc]
  address = "%[1]s/containerd.sock"
[ttrpc]
  address = "%[1]s/containerd.sock.ttrpc"
`

// buildkitScript is run in the daemon's namespaces: with a containerd's folder it first
// starts that.
const buildkitScript = `mount -t proc proc /proc || exit
if [ -n "$CONTAINERD" ]; then
  PATH=$CONTAINERD:$PATH "$CONTAINERD/containerd" --config "$DIR/containerd.toml" &
  until [ -S "$DIR/containerd.sock" ]; do kill -0 $! && sleep 0.05 || exit; done
fi
exec "$0" "$@"`

// Buildkit is a running buildkitd.
type Buildkit struct {
	*daemon.Daemon
	Host string // unix:///path
	dir  string
	root *os.File // lock of a persistent root
}

// startBuildkit runs a buildkitd with its files in dir. It is process 1 of
// its own process and mount namespace: when it ends, however it ends, its
// containers and mounts are gone too. If there is a containerd among what was built,
// it works with one.
func startBuildkit(ctx context.Context, built tools.Tools, dir, registryHost string, fresh bool, o daemon.Options) (*Buildkit, error) {
	b := &Buildkit{Host: "unix://" + filepath.Join(dir, "buildkitd.sock"), dir: dir}
	config, err := b.configure(built, registryHost, fresh)
	if err != nil {
		return nil, fmt.Errorf("starting buildkitd: %w", err)
	}
	cmd := exec.Command("/bin/sh", "-c", buildkitScript,
		filepath.Join(built["buildkit"], "buildkitd"), "--config", config)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:   syscall.CLONE_NEWPID,
		Unshareflags: syscall.CLONE_NEWNS,
	}
	cmd.Env = append(os.Environ(), "OTEL_TRACES_EXPORTER=none", "TMPDIR="+filepath.Join(dir, "tmp"), "CONTAINERD="+built["containerd"], "DIR="+dir)
	cmd.ExtraFiles = o.Inherit
	if b.root != nil {
		cmd.ExtraFiles = append(cmd.ExtraFiles[:len(cmd.ExtraFiles):len(cmd.ExtraFiles)], b.root)
	}
	if b.Daemon, err = daemon.Start(cmd, "buildkitd", filepath.Join(dir, "buildkitd.log"), o.Detached); err != nil {
		b.unlock()
		return nil, err
	}
	if err := b.Await(ctx, b.answers); err != nil {
		return nil, daemon.Closing(err, b.Stop)
	}
	return b, nil
}

func (b *Buildkit) configure(built tools.Tools, registryHost string, fresh bool) (string, error) {
	runc, err := tools.Find("runc")
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
		persistent, err := b.lockRoot(filepath.Base(built["buildkit"]))
		if err != nil {
			return "", err
		}
		if persistent != "" {
			root = persistent
		}
	}
	_, containerd := built["containerd"]
	if err := os.WriteFile(filepath.Join(b.dir, "containerd.toml"), fmt.Appendf(nil, containerdConfig, b.dir), 0o644); err != nil {
		return "", err
	}
	text := fmt.Sprintf(buildkitConfig, root, b.Host, filepath.Join(b.dir, "otel.sock"),
		!containerd, runc, daemon.CgroupOf(b.dir), containerd, filepath.Join(b.dir, "containerd.sock"), daemon.CgroupOf(b.dir),
		registryHost, registryHost, registryHost)
	config := filepath.Join(b.dir, "buildkitd.toml")
	return config, os.WriteFile(config, []byte(text), 0o644)
}

// lockRoot takes the first persistent root that nobody uses; "" if none.
func (b *Buildkit) lockRoot(version string) (string, error) {
	cache, err := tools.CacheDir()
	if err != nil {
		return "", err
	}
	for i := range persistentRoots {
		root := filepath.Join(cache, "roots", fmt.Sprintf("%s-%d", version, i))
		lock, err := tools.TryLock(root + ".lock")
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
	if !tools.Exists(strings.TrimPrefix(b.Host, "unix://")) {
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
	err := b.Daemon.Stop()
	b.unlock()
	daemon.RemoveCgroups(daemon.CgroupOf(b.dir))
	return errors.Join(err, os.RemoveAll(b.dir))
}

func (b *Buildkit) unlock() {
	if b.root != nil {
		b.root.Close()
		b.root = nil
	}
}
