// Package tools provides the programs that a stack and a cluster are made of: built
// once from the Go modules pinned in integration/tools, or installed from Debian.
// What was built stays in the user's cache folder, under a name that says of what.
//
//	built, err := tools.Build(ctx, os.Stderr, tools.Stack...)
//	registry := filepath.Join(built["registry"], "registry")
package tools

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// toolsFolder holds one Go module for each program that the stack runs; the
// pinned versions are in their go.mod and nowhere else.
const toolsFolder = "integration/tools"

// Stack, Cluster, Engine and Lint are the modules there; a cluster's and an engine's are
// only built when somebody starts one, and Lint's for `make lint`.
var (
	Stack   = []string{"buildkit", "buildx", "crane", "registry"}
	Cluster = []string{"cni", "containerd", "etcd", "kubernetes", "node"}
	Engine  = []string{"containerd", "docker", "dockerd"}
	Lint    = []string{"lint"}
)

// Oldest is the module of the oldest BuildKit that quoit publishes with.
const Oldest = "buildkit-oldest"

// versionFlags tell the linker, by module, where the programs keep the version
// that they print.
var versionFlags = map[string]string{
	"github.com/moby/buildkit":                "-X github.com/moby/buildkit/version.Version=VERSION",
	"github.com/docker/buildx":                "-X github.com/docker/buildx/version.Version=VERSION",
	"github.com/distribution/distribution/v3": "-X github.com/distribution/distribution/v3/version.version=VERSION",
	"github.com/google/go-containerregistry":  "-X github.com/google/go-containerregistry/cmd/crane/cmd.Version=VERSION",
	"github.com/docker/cli":                   "-X github.com/docker/cli/cli/version.Version=VERSION",
	"github.com/moby/moby/v2":                 "-X github.com/moby/moby/v2/dockerversion.Version=VERSION",
	"k8s.io/kubernetes": "-X k8s.io/component-base/version.gitVersion=VERSION" +
		" -X k8s.io/component-base/version.gitMajor=MAJOR -X k8s.io/component-base/version.gitMinor=MINOR",
}

// buildTags are needed, by module, beside those of all.
var buildTags = map[string]string{
	"github.com/moby/moby/v2": " exclude_graphdriver_btrfs no_systemd",
}

// toolSeconds is about how long a first build takes on two cores.
var toolSeconds = map[string]int{
	"buildkit": 95, "buildx": 70, "registry": 40, "crane": 5,
	"cni": 10, "containerd": 60, "etcd": 40, "kubernetes": 300, "node": 2,
	"docker": 20, "dockerd": 300, "buildkit-oldest": 80,
	"lint": 30,
}

// Tools are the folders of the built programs, by the name of their module in
// integration/tools.
type Tools map[string]string

// Dirs are the folders in a stable order, fit for a PATH.
func (t Tools) Dirs() []string {
	var dirs []string
	for _, dir := range t {
		dirs = append(dirs, dir)
	}
	slices.Sort(dirs)
	return dirs
}

// toolModule is what a tool's go.mod says.
type toolModule struct {
	Name    string // folder name
	Dir     string
	Version string // of the module that has the first program
	path    string // of that module
	sum     string
	Module  struct{ Path string }
	Tool    []struct{ Path string }
	Require []struct{ Path, Version string }
}

// Build builds the programs of the named modules below integration/tools
// that are not in the cache yet; progress gets a line for each.
func Build(ctx context.Context, progress io.Writer, names ...string) (Tools, error) {
	modules, err := readToolModules(ctx, names)
	if err != nil {
		return nil, err
	}
	tools := Tools{}
	for _, module := range modules {
		dir, err := module.build(ctx, progress)
		if err != nil {
			return nil, fmt.Errorf("building %s %s: %w", module.Name, module.Version, err)
		}
		tools[module.Name] = dir
	}
	return tools, nil
}

// Unbuilt are the named modules that the cache lacks, with their versions, and about how
// long Build takes for them on two cores.
func Unbuilt(ctx context.Context, names ...string) (lacking []string, takes time.Duration, err error) {
	modules, err := readToolModules(ctx, names)
	if err != nil {
		return nil, 0, err
	}
	for _, module := range modules {
		dir, err := module.cacheDir()
		if err != nil {
			return nil, 0, err
		}
		if !Exists(dir) {
			lacking = append(lacking, module.Name+" "+module.Version)
			takes += time.Duration(toolSeconds[module.Name]) * time.Second
		}
	}
	return lacking, takes, nil
}

func readToolModules(ctx context.Context, names []string) ([]toolModule, error) {
	root, err := RepoRoot()
	if err != nil {
		return nil, err
	}
	var modules []toolModule
	for _, name := range names {
		module, err := readToolModule(ctx, filepath.Join(root, toolsFolder, name, "go.mod"))
		if err != nil {
			return nil, err
		}
		modules = append(modules, module)
	}
	return modules, nil
}

func readToolModule(ctx context.Context, file string) (toolModule, error) {
	module := toolModule{Dir: filepath.Dir(file), Name: filepath.Base(filepath.Dir(file))}
	var err error
	if module.sum, err = sumSources(module.Dir); err != nil {
		return module, err
	}
	out, err := exec.CommandContext(ctx, "go", "mod", "edit", "-json", file).Output()
	if err != nil {
		return module, fmt.Errorf("reading %s: %w", file, err)
	}
	if err := json.Unmarshal(out, &module); err != nil {
		return module, fmt.Errorf("reading %s: %w", file, err)
	}
	if len(module.Tool) == 0 {
		return module, fmt.Errorf("reading %s: it names no tool", file)
	}
	module.findVersion()
	if module.path == "" {
		return module, fmt.Errorf("reading %s: no version of %s", file, module.Tool[0].Path)
	}
	return module, nil
}

// findVersion looks for the module of the first program. A program of our own
// has the version of the requirement that its folder is named after, if any.
func (m *toolModule) findVersion() {
	tool := m.Tool[0].Path
	own := tool == m.Module.Path
	if own {
		m.Version, m.path = "own", m.Module.Path
	}
	for _, r := range m.Require {
		switch {
		case own && path.Base(r.Path) == m.Name:
			m.Version, m.path = r.Version, r.Path
		case !own && strings.HasPrefix(tool+"/", r.Path+"/") && len(r.Path) > len(m.path):
			m.Version, m.path = r.Version, r.Path
		}
	}
}

// sumSources tells a module's go.mod, and the programs of its own if it has
// any, from other ones.
func sumSources(dir string) (string, error) {
	hash := sha256.New()
	err := filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != "go.mod" && filepath.Ext(file) != ".go" {
			return err
		}
		content, err := os.ReadFile(file)
		hash.Write(content)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("reading %s: %w", dir, err)
	}
	return fmt.Sprintf("%x", hash.Sum(nil)[:4]), nil
}

// cacheDir is where the programs are when they are built.
func (m toolModule) cacheDir() (string, error) {
	cache, err := CacheDir()
	key := strings.Join([]string{m.Name, m.Version, runtime.Version(), runtime.GOARCH, m.sum}, "-")
	return filepath.Join(cache, "tools", key), err
}

func (m toolModule) build(ctx context.Context, progress io.Writer) (string, error) {
	dir, err := m.cacheDir()
	if err != nil {
		return "", err
	}
	return Once(dir, func(tmp string) error {
		fmt.Fprintf(progress, "building %s %s (once, about %d s)\n", m.Name, m.Version, toolSeconds[m.Name])
		return m.goBuild(ctx, tmp)
	})
}

func (m toolModule) goBuild(ctx context.Context, out string) error {
	major, rest, _ := strings.Cut(strings.TrimPrefix(m.Version, "v"), ".")
	minor, _, _ := strings.Cut(rest, ".")
	ldflags := "-s -w " + strings.NewReplacer("VERSION", m.Version, "MAJOR", major, "MINOR", minor).Replace(versionFlags[m.path])
	args := []string{"build", "-trimpath", "-tags", "osusergo netgo" + buildTags[m.path], "-ldflags", ldflags, "-o", out + string(filepath.Separator)}
	for _, tool := range m.Tool {
		args = append(args, tool.Path)
	}
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = m.Dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, output)
	}
	return nil
}
