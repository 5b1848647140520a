package builder

import (
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	bk "github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/frontend/dockerui"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/opencontainers/go-digest"
	"github.com/tonistiigi/fsutil"
	"github.com/tonistiigi/fsutil/types"

	"github.com/quoitbuild/quoit/frontend"
	"github.com/quoitbuild/quoit/revision/disk"
)

// AnswerStep does the work of a build step if args, without the program's name, say
// that this process is one: then it returns true, and the process ends. See [Build].
func AnswerStep(ctx context.Context, args []string) (bool, error) {
	if len(args) != 4 || args[0] != frontend.HashCommand {
		return false, nil
	}
	return true, disk.AnswerFile(ctx, args[1], args[2], args[3])
}

// runnerLocal is the local source that has this very binary.
const runnerLocal = "quoit-runner"

// runSelf runs this binary in a build step.
func runSelf(gateway.Client) (bk.State, string, error) {
	self, err := findSelf()
	if err != nil {
		return bk.State{}, "", err
	}
	sum, err := digestOfFile(self)
	if err != nil {
		return bk.State{}, "", fmt.Errorf("reading this command's own file: %w", err)
	}
	st := bk.Local(runnerLocal, bk.SharedKeyHint(sum.String()), dockerui.WithInternalName("load the quoit command"))
	return st, "/" + filepath.Base(self), nil
}

func findSelf() (string, error) {
	self, err := os.Executable()
	if err == nil {
		self, err = filepath.EvalSymlinks(self)
	}
	if err != nil {
		return "", fmt.Errorf("finding this command's own file: %w", err)
	}
	return self, nil
}

func digestOfFile(name string) (digest.Digest, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	return digest.FromReader(f)
}

// checkArchitecture makes sure that BuildKit can run this binary.
func checkArchitecture(workers []gateway.WorkerInfo) error {
	for _, worker := range workers {
		for _, platform := range worker.Platforms {
			if platform.OS == runtime.GOOS && platform.Architecture == runtime.GOARCH {
				return nil
			}
		}
	}
	return fmt.Errorf("BuildKit cannot run this command's %s/%s binary: name the frontend in the manifest's first line, # syntax=…", runtime.GOOS, runtime.GOARCH)
}

// selfFS is a file system with nothing but this binary. It is the same in every copy of the
// binary, so that a builder gets it once.
func selfFS() (fsutil.FS, error) {
	self, err := findSelf()
	if err != nil {
		return nil, err
	}
	if err := checkStatic(self); err != nil {
		return nil, err
	}
	only, err := onlyFile(self)
	if err != nil {
		return nil, fmt.Errorf("opening this command's own folder: %w", err)
	}
	return only, nil
}

// onlyFile is a file system with nothing but a program.
func onlyFile(file string) (fsutil.FS, error) {
	dir, err := fsutil.NewFS(filepath.Dir(file))
	if err != nil {
		return nil, err
	}
	return fsutil.NewFilterFS(dir, &fsutil.FilterOpt{Map: func(name string, stat *types.Stat) fsutil.MapResult {
		switch {
		case name == filepath.Base(file):
			kept{}.alone(filepath.Dir(file), name, stat)
			stat.Mode, stat.Uid, stat.Gid, stat.ModTime = 0o755, 0, 0, 0
			return fsutil.MapResultKeep
		case fs.FileMode(stat.Mode).IsDir():
			return fsutil.MapResultSkipDir
		}
		return fsutil.MapResultExclude
	}})
}

var errNotStatic = errors.New("to build without a frontend image, this command must be a static Linux binary: name the frontend in the manifest's first line, # syntax=…")

// checkStatic makes sure that the binary runs in an empty file system.
func checkStatic(path string) error {
	f, err := elf.Open(path)
	if err != nil {
		return errNotStatic
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return errNotStatic
		}
	}
	return nil
}
