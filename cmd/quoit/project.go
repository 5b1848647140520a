package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/quoitbuild/quoit/frontend"
	"github.com/quoitbuild/quoit/internal/diag"
	"github.com/quoitbuild/quoit/internal/input"
	"github.com/quoitbuild/quoit/manifest"
	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/registry/hosts"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/versioning"
)

// maxManifest bounds the manifest that is read, in bytes.
const maxManifest = 1 << 20

// projectFlags say which project is meant.
type projectFlags struct {
	dir      string
	file     string
	registry string
	project  string // [REGISTRY/]PROJECT
}

func (f *projectFlags) register(flags *pflag.FlagSet) {
	flags.StringVarP(&f.dir, "dir", "C", ".", "the project's root folder")
	flags.StringVarP(&f.file, "file", "f", "", "the manifest (default quoit.yaml in the root folder)")
	flags.StringVar(&f.registry, "registry", os.Getenv("QUOIT_REGISTRY"), "use this registry instead of the manifest's (default $QUOIT_REGISTRY)")
	flags.StringVar(&f.project, "project", os.Getenv("QUOIT_PROJECT"), "[REGISTRY/]PROJECT: refuse a manifest of another project (default $QUOIT_PROJECT)")
}

func (f *projectFlags) manifestPath() string {
	if f.file != "" {
		return f.file
	}
	return filepath.Join(f.dir, frontend.DefaultManifest)
}

// load reads the manifest.
func (f *projectFlags) load() (*manifest.Manifest, error) {
	if info, err := os.Stat(f.dir); err != nil || !info.IsDir() {
		return nil, usagef("there is no folder %s: name the project's root with --dir", f.dir)
	}
	path := f.manifestPath()
	data, err := input.Read(path, maxManifest)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, usagef("there is no manifest %s: write one, or name it with --file", path)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the manifest: %w", err)
	}
	m, err := manifest.Parse(path, data)
	if err != nil {
		return nil, err
	}
	if m, err = m.At(f.registry, f.project); err != nil {
		return nil, fmt.Errorf("--registry, --project: %w", err)
	}
	return m, nil
}

// splitProject reads [REGISTRY/]PROJECT beside a registry that is said by itself, "" if
// none is.
func splitProject(text, beside string) (registry, project string, err error) {
	registry, project, err = manifest.SplitProject(text)
	if err != nil {
		return "", "", usagef("--project: %w", err)
	}
	if registry != "" && beside != "" && registry != beside {
		return "", "", usagef("the registry is said twice: %s, and %s with the project: leave one of them out", beside, registry)
	}
	return cmp.Or(beside, registry), project, nil
}

// checkRing makes an unknown ring a mistake of the command line.
func checkRing(m *manifest.Manifest, ring string) error {
	if ring == "" || ring == versioning.None {
		return nil
	}
	var unknown *versioning.RingError
	if _, err := versioning.Unread(m.RingOrder(), ring, nil); errors.As(err, &unknown) {
		if near := diag.Nearest(ring, unknown.Rings); near != "" {
			return usagef("--ring: %w; did you mean %q?", err, near)
		}
		return usagef("--ring: %w", err)
	}
	return nil
}

// open reads the manifest and opens its project's repositories.
func (f *projectFlags) open(cmd *cobra.Command) (*manifest.Manifest, *store.Project, error) {
	m, err := f.load()
	if err != nil {
		return nil, nil, err
	}
	p, err := open(cmd, m)
	return m, p, err
}

// open opens the project's repositories. What is waited for there is said to whoever
// runs the command.
func open(cmd *cobra.Command, m *manifest.Manifest) (*store.Project, error) {
	return store.Open(m.Registry, m.Project, registryOptions(cmd))
}

func registryOptions(cmd *cobra.Command) registry.Options {
	return registry.Options{UserAgent: agent(), Say: telling(cmd.ErrOrStderr()), Hosts: hosts.Of()}
}

// agent is what this command calls itself to registries and clusters.
func agent() string { return "quoit/" + version }
