// Package engine runs a real Docker Engine beside a registry, for tests and work by hand.
// Package stack starts one beside its own: Stack.StartEngine.
//
// It needs Linux and root.
package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/quoitbuild/quoit/internal/testkit/daemon"
	"github.com/quoitbuild/quoit/internal/testkit/image"
	"github.com/quoitbuild/quoit/internal/testkit/tools"
)

// Engine is a running dockerd, with a containerd of its own. It pulls Docker Hub's images
// from the registry, which it takes for plain http. Its build steps reach nothing else, and
// containers cannot be run.
type Engine struct {
	*daemon.Daemon
	// Host is its address, unix:///path.
	Host string
	// BinDir has the docker command.
	BinDir string
	// Dir has its files.
	Dir string
}

// Options say where an engine runs and what of.
type Options struct {
	// Dir is a folder for its files, that does not exist yet and has a short name.
	// Control groups are named after it and its parent.
	Dir string
	// Registry is localhost:PORT.
	Registry string
	// Classic keeps images in the store of graph drivers; otherwise they are in
	// containerd's.
	Classic bool
	// Tools are what Prepare has returned.
	Tools   tools.Tools
	Daemons daemon.Options
}

// Prepare builds what the cache lacks: minutes for the first time.
func Prepare(ctx context.Context, progress io.Writer) (tools.Tools, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("it needs root")
	}
	if err := tools.Install(ctx, progress, tools.EnginePackages); err != nil {
		return nil, err
	}
	return tools.Build(ctx, progress, tools.Engine...)
}

// Start starts an engine without any image. It ends with Stop, or with this process unless
// that is detached. It is process 1 of its own process and mount namespace: when it ends,
// however it ends, its containerd, its build steps and its mounts are gone too.
func Start(ctx context.Context, o Options) (*Engine, error) {
	e := &Engine{Host: "unix://" + filepath.Join(o.Dir, "docker.sock"), BinDir: o.Tools["docker"], Dir: o.Dir}
	used, err := useBridge()
	if err != nil {
		return nil, fmt.Errorf("starting dockerd: %w", err)
	}
	defer used.Close() // dockerd has it too
	config, err := e.configure(o)
	if err != nil {
		return nil, fmt.Errorf("starting dockerd: %w", err)
	}
	cmd := exec.Command("/bin/sh", "-c", `mount -t proc proc /proc && exec "$0" "$@"`,
		filepath.Join(o.Tools["dockerd"], "dockerd"), "--config-file", config)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:   syscall.CLONE_NEWPID,
		Unshareflags: syscall.CLONE_NEWNS,
	}
	// Nothing of the user: not a proxy, not a login at a registry.
	cmd.Env = []string{
		"PATH=" + o.Tools["containerd"] + ":" + o.Tools["dockerd"] + ":" + image.DefaultPath,
		"HOME=" + o.Dir, "TMPDIR=" + filepath.Join(o.Dir, "tmp"), "OTEL_TRACES_EXPORTER=none",
	}
	cmd.ExtraFiles = append(slices.Clone(o.Daemons.Inherit), used)
	if e.Daemon, err = daemon.Start(cmd, "dockerd", filepath.Join(o.Dir, "dockerd.log"), o.Daemons.Detached); err != nil {
		return nil, err
	}
	if err := e.Await(ctx, e.answers); err != nil {
		return nil, daemon.Closing(err, e.Stop)
	}
	return e, nil
}

func (e *Engine) configure(o Options) (file string, err error) {
	if err := os.MkdirAll(filepath.Join(o.Dir, "tmp"), 0o711); err != nil {
		return "", err
	}
	content, err := json.MarshalIndent(map[string]any{
		"data-root":           filepath.Join(o.Dir, "root"),
		"exec-root":           filepath.Join(o.Dir, "run"),
		"pidfile":             filepath.Join(o.Dir, "docker.pid"),
		"hosts":               []string{e.Host},
		"cgroup-parent":       "/" + daemon.CgroupOf(o.Dir),
		"features":            map[string]bool{"containerd-snapshotter": !o.Classic},
		"registry-mirrors":    []string{"http://" + o.Registry},
		"insecure-registries": []string{o.Registry},
		// The machine's network stays as it is.
		"bridge": bridge, "iptables": false, "ip6tables": false, "ip-forward": false, "userland-proxy": false,
	}, "", "  ")
	if err != nil {
		return "", err
	}
	file = filepath.Join(o.Dir, "daemon.json")
	return file, os.WriteFile(file, content, 0o644)
}

// answers asks for a ping.
func (e *Engine) answers(ctx context.Context) bool {
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(e.Dir, "docker.sock"))
	}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://docker/_ping", nil)
	if err != nil {
		return false
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return false
	}
	response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// Stop ends the engine with what it runs and removes its files. Stopping twice does
// nothing.
func (e *Engine) Stop() error {
	err := e.Daemon.Stop()
	daemon.RemoveCgroups(daemon.CgroupOf(e.Dir))
	return errors.Join(err, removeBridge(), os.RemoveAll(e.Dir))
}
