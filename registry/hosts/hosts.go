// Package hosts finds out how this machine's container tools reach registries: mirrors,
// plain http and certificates, from their own configurations and by their own code.
package hosts

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/containerd/containerd/v2/core/remotes/docker"
	hostdir "github.com/containerd/containerd/v2/core/remotes/docker/config"
	"github.com/containerd/errdefs"
	cliconfig "github.com/docker/cli/cli/config"
	"github.com/moby/buildkit/util/appdefaults"
	"github.com/moby/buildkit/util/resolver"
	"github.com/moby/buildkit/util/resolver/config"
	"github.com/pelletier/go-toml/v2"

	"github.com/quoitbuild/quoit/internal/input"
	"github.com/quoitbuild/quoit/registry"
)

// Variable names a folder in the form of containerd's hosts.toml, which then is all that is
// read.
const Variable = "QUOIT_REGISTRY_HOSTS"

// maxConfig bounds a configuration, in bytes.
const maxConfig = 1 << 20

// Of returns what the configurations of this machine say of a registry: the folder that
// [Variable] names; else the first that knows the registry of containerd's and Docker's
// certs.d, Docker's daemon.json, and BuildKit's buildkitd.toml. Files are read when they
// are first needed, and one that is broken is an error that names it.
func Of() registry.Hosts {
	if dir := os.Getenv(Variable); dir != "" {
		return folder(dir, true)
	}
	inFolders := []registry.Hosts{folder("/etc/containerd/certs.d", false), folder("/etc/docker/certs.d", false)}
	tables := sync.OnceValues(readTables)
	return func(name string) ([]registry.Host, error) {
		for _, hosts := range inFolders {
			if found, err := hosts(name); err != nil || len(found) > 0 {
				return found, err
			}
		}
		all, err := tables()
		if err != nil {
			return nil, err
		}
		if _, known := all[name]; !known {
			return nil, nil
		}
		return convert(resolver.NewRegistryConfig(all)(name))
	}
}

// folder reads a folder of hosts.toml, or of certificates as Docker has them.
func folder(dir string, wanted bool) registry.Hosts {
	find := hostdir.HostDirFromRoot(dir)
	configured := hostdir.ConfigureHosts(context.Background(), hostdir.HostOptions{HostDir: find})
	return func(name string) ([]registry.Host, error) {
		if _, err := os.Stat(dir); wanted && err != nil {
			return nil, fmt.Errorf("%s: %w", Variable, err)
		}
		its, err := find(name)
		if errdefs.IsNotFound(err) || errors.Is(err, fs.ErrPermission) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		file := filepath.Join(its, "hosts.toml")
		data, err := read(file)
		if err == nil {
			err = toml.Unmarshal(data, new(map[string]any))
		}
		if err != nil { // containerd itself would go on without the file
			return nil, fmt.Errorf("reading %s: %w", file, err)
		}
		return convert(configured(name))
	}
}

// readTables reads daemon.json and buildkitd.toml, whose tables go before.
func readTables() (map[string]config.RegistryConfig, error) {
	all := map[string]config.RegistryConfig{}
	for _, file := range []string{filepath.Join("/etc/docker", "daemon.json"), filepath.Join(cliconfig.Dir(), "daemon.json"), filepath.Join(filepath.Dir(appdefaults.UserConfigDir()), "docker", "daemon.json")} {
		if err := readDaemon(file, all); err != nil {
			return nil, fmt.Errorf("reading %s: %w", file, err)
		}
	}
	for _, dir := range []string{appdefaults.ConfigDir, appdefaults.UserConfigDir()} {
		file := filepath.Join(dir, "buildkitd.toml")
		data, err := read(file)
		var tables struct {
			Registries map[string]config.RegistryConfig `toml:"registry"`
		}
		if err == nil {
			err = toml.Unmarshal(data, &tables)
		}
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", file, err)
		}
		for name, table := range tables.Registries {
			all[name] = table
		}
	}
	return all, nil
}

// readDaemon reads what Docker's daemon.json says of registries.
func readDaemon(file string, into map[string]config.RegistryConfig) error {
	data, err := read(file)
	if err != nil || len(bytes.TrimSpace(data)) == 0 {
		return err
	}
	var daemon struct {
		Mirrors  []string `json:"registry-mirrors"`
		Insecure []string `json:"insecure-registries"`
	}
	if err := json.Unmarshal(data, &daemon); err != nil {
		return err
	}
	plain := true
	for _, name := range daemon.Insecure {
		if !strings.Contains(name, "/") { // a range of addresses
			into[name] = config.RegistryConfig{Insecure: &plain, PlainHTTP: &plain}
		}
	}
	for _, mirror := range daemon.Mirrors {
		if name, isPlain := strings.CutPrefix(strings.TrimRight(mirror, "/"), "http://"); isPlain {
			into[name] = config.RegistryConfig{PlainHTTP: &plain}
		}
	}
	if len(daemon.Mirrors) > 0 {
		into["docker.io"] = config.RegistryConfig{Mirrors: daemon.Mirrors}
	}
	return nil
}

// read reads a file that need not be there, or be ours to read.
func read(file string) ([]byte, error) {
	data, err := input.Read(file, maxConfig)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return nil, nil
	}
	return data, err
}

// convert keeps the hosts that images may be read from.
func convert(all []docker.RegistryHost, err error) ([]registry.Host, error) {
	var hosts []registry.Host
	for _, one := range all {
		if !one.Capabilities.Has(docker.HostCapabilityPull) || !one.Capabilities.Has(docker.HostCapabilityResolve) {
			continue
		}
		host := registry.Host{Name: one.Host, Plain: one.Scheme == "http", Transport: http.DefaultTransport}
		if one.Client != nil && one.Client.Transport != nil {
			host.Transport = one.Client.Transport
		}
		if path := "/" + strings.Trim(one.Path, "/"); path != version {
			host.Transport = below{host.Transport, path}
		}
		if len(one.Header) > 0 {
			host.Transport = withHeader{host.Transport, one.Header}
		}
		hosts = append(hosts, host)
	}
	return hosts, err
}

// version is where the API of a registry begins.
const version = "/v2"

// below asks for images below another path than [version].
type below struct {
	http.RoundTripper
	path string
}

// RoundTrip implements [http.RoundTripper].
func (b below) RoundTrip(r *http.Request) (*http.Response, error) {
	rest, ours := strings.CutPrefix(r.URL.Path, version+"/")
	if !ours || rest == "" && strings.HasPrefix(b.path, version+"/") { // that the API is there is said at its beginning
		return b.RoundTripper.RoundTrip(r)
	}
	r = r.Clone(r.Context())
	r.URL.Path = b.path + "/" + rest
	return b.RoundTripper.RoundTrip(r)
}

// withHeader adds what a hosts.toml wants to be sent.
type withHeader struct {
	http.RoundTripper
	header http.Header
}

// RoundTrip implements [http.RoundTripper].
func (w withHeader) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	for key, values := range w.header {
		r.Header[key] = values
	}
	return w.RoundTripper.RoundTrip(r)
}
