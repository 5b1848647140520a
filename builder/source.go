package builder

import (
	"io/fs"
	"path"
	"path/filepath"

	"github.com/tonistiigi/fsutil"
	"github.com/tonistiigi/fsutil/types"

	"github.com/quoitbuild/quoit/revision/disk"
)

// source is a project's folder as it is sent to a BuildKit.
type source struct {
	dir        string
	executable func(name string) bool // see [disk.Executables]
}

func newSource(dir string) (source, error) {
	executable, err := disk.Executables(dir)
	return source{dir, executable}, err
}

// path is where a folder of the project is on this machine.
func (s source) path(folder string) string { return filepath.Join(s.dir, filepath.FromSlash(folder)) }

// folder is a folder of the project. Its files have the modes that they have here, or, if
// the disk keeps none, those with which git checks them out elsewhere.
func (s source) folder(folder string) (fsutil.FS, error) {
	all, err := fsutil.NewFS(s.path(folder))
	if err != nil || s.executable == nil {
		return all, err
	}
	return fsutil.NewFilterFS(all, &fsutil.FilterOpt{Map: func(name string, stat *types.Stat) fsutil.MapResult {
		mode := fs.FileMode(stat.Mode)
		switch {
		case mode.IsRegular() && !s.executable(path.Join(folder, filepath.ToSlash(name))):
			mode = mode.Type() | 0o644
		case mode.IsRegular(), mode.IsDir():
			mode = mode.Type() | 0o755
		}
		stat.Mode = uint32(mode)
		return fsutil.MapResultKeep
	}})
}
