package testkit

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// toolsFolder holds one Go module for each program that the stack runs; the
// pinned versions are in their go.mod and nowhere else.
const toolsFolder = "integration/tools"

// versionVariables are the linker variables in which the programs keep the
// version that they print.
var versionVariables = []string{
	"github.com/moby/buildkit/version.Version",
	"github.com/docker/buildx/version.Version",
	"github.com/distribution/distribution/v3/version.version",
	"github.com/google/go-containerregistry/cmd/crane/cmd.Version",
}

// toolSeconds is about how long a first build takes on two cores.
var toolSeconds = map[string]int{"buildkit": 95, "buildx": 70, "registry": 40, "crane": 5}

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
	Tool    []struct{ Path string }
	Require []struct{ Path, Version string }
}

// BuildTools builds the programs that are pinned below integration/tools and
// are not in the cache yet; progress gets a line for each that takes long.
func BuildTools(ctx context.Context, progress io.Writer) (Tools, error) {
	root, err := RepoRoot()
	if err != nil {
		return nil, err
	}
	files, err := filepath.Glob(filepath.Join(root, toolsFolder, "*", "go.mod"))
	if err != nil {
		return nil, err
	}
	tools := Tools{}
	for _, file := range files {
		module, err := readToolModule(ctx, file)
		if err != nil {
			return nil, err
		}
		dir, err := module.build(ctx, progress)
		if err != nil {
			return nil, fmt.Errorf("building %s %s: %w", module.Name, module.Version, err)
		}
		tools[module.Name] = dir
	}
	return tools, nil
}

func readToolModule(ctx context.Context, file string) (toolModule, error) {
	module := toolModule{Dir: filepath.Dir(file), Name: filepath.Base(filepath.Dir(file))}
	content, err := os.ReadFile(file)
	if err != nil {
		return module, err
	}
	sum := sha256.Sum256(content)
	module.sum = fmt.Sprintf("%x", sum[:4])
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
	for _, r := range module.Require {
		if strings.HasPrefix(module.Tool[0].Path, r.Path+"/") && len(r.Path) > len(module.path) {
			module.Version, module.path = r.Version, r.Path
		}
	}
	if module.path == "" {
		return module, fmt.Errorf("reading %s: no version of %s", file, module.Tool[0].Path)
	}
	return module, nil
}

func (m toolModule) build(ctx context.Context, progress io.Writer) (string, error) {
	cache, err := CacheDir()
	if err != nil {
		return "", err
	}
	key := strings.Join([]string{m.Name, m.Version, runtime.Version(), runtime.GOARCH, m.sum}, "-")
	return produceOnce(filepath.Join(cache, "tools", key), func(tmp string) error {
		fmt.Fprintf(progress, "building %s %s (once, about %d s)\n", m.Name, m.Version, toolSeconds[m.Name])
		return m.goBuild(ctx, tmp)
	})
}

func (m toolModule) goBuild(ctx context.Context, out string) error {
	ldflags := "-s -w"
	for _, variable := range versionVariables {
		if strings.HasPrefix(variable, m.path+"/") {
			ldflags += " -X " + variable + "=" + m.Version
		}
	}
	args := []string{"build", "-trimpath", "-tags", "osusergo netgo", "-ldflags", ldflags, "-o", out + string(filepath.Separator)}
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
