package stack

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync/atomic"

	"github.com/quoitbuild/quoit/internal/testkit/daemon"
	"github.com/quoitbuild/quoit/internal/testkit/tools"
)

// The port is the registry's choice; it says it in its log.
const registryConfig = `version: 0.1
log:
  level: info
storage:
  filesystem:
    rootdirectory: %q
  delete:
    enabled: true
http:
  addr: 127.0.0.1:0
  secret: quoit
`

var listening = regexp.MustCompile(`listening on 127\.0\.0\.1:(\d+)`)

// registry is a running distribution registry.
type registry struct {
	*daemon.Daemon
	Host      string // localhost:PORT
	AccessLog string

	marks atomic.Int64 // in the access log, so that each is another
}

// startRegistry serves the storage folder dir/storage on a free port. env has
// REGISTRY_* settings that override the configuration.
func startRegistry(ctx context.Context, built tools.Tools, dir string, o daemon.Options, env []string) (*registry, error) {
	config := filepath.Join(dir, "registry.yml")
	text := fmt.Sprintf(registryConfig, filepath.Join(dir, "storage"))
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		return nil, fmt.Errorf("starting registry: %w", err)
	}
	r := &registry{AccessLog: filepath.Join(dir, "registry-access.log")}
	access, err := os.OpenFile(r.AccessLog, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("starting registry: %w", err)
	}
	defer access.Close()
	cmd := exec.Command(filepath.Join(built["registry"], "registry"), "serve", config)
	cmd.Stdout = access
	cmd.Env = append(append(os.Environ(), "OTEL_TRACES_EXPORTER=none"), env...)
	cmd.ExtraFiles = o.Inherit
	if r.Daemon, err = daemon.Start(cmd, "registry", filepath.Join(dir, "registry.log"), o.Detached); err != nil {
		return nil, err
	}
	err = r.Await(ctx, func(context.Context) bool {
		log, _ := os.ReadFile(r.Log)
		match := listening.FindSubmatch(log)
		if match != nil {
			r.Host = "localhost:" + string(match[1])
		}
		return match != nil
	})
	if err != nil {
		return nil, daemon.Closing(err, r.Stop)
	}
	return r, nil
}
