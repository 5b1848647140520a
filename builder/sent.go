package builder

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/tonistiigi/fsutil"
	"github.com/tonistiigi/fsutil/types"

	"github.com/quoitbuild/quoit/frontend"
	"github.com/quoitbuild/quoit/revision"
	"github.com/quoitbuild/quoit/revision/disk"
)

// sending is what BuildKit gets of a project's files.
type sending struct {
	frontend.Sent
	files map[string]fsutil.FS // by local source
}

// send chooses what those images read that are in the graph, and nothing else. Images with
// one context and one ignore file get one local source; each has a key of its own at
// BuildKit, so that what one build does not need is still there for the next.
func (o Options) send(images []revision.ImageInputs, trees map[string]digest.Digest) (*sending, error) {
	entries, err := disk.Entries(o.Dir, images)
	if err != nil {
		return nil, fmt.Errorf("looking for what is sent: %w", err)
	}
	s := &sending{Sent: frontend.Sent{Locals: map[string]string{}, Trees: trees}, files: map[string]fsutil.FS{}}
	contexts, kept := map[string]string{}, map[string]map[string]bool{}
	for _, image := range images {
		key := digest.FromString(fmt.Sprintf("%s %q %q", sharedKey(o.Dir), image.Context, image.Ignore)).Encoded()
		name := "context-" + key[:16]
		s.Locals[image.Name], contexts[name] = name, image.Context
		if kept[name] == nil {
			kept[name] = map[string]bool{}
		}
		for _, entry := range entries[image.Name] {
			for ; !kept[name][entry] && entry != "."; entry = path.Dir(entry) {
				kept[name][entry] = true
			}
		}
	}
	for name, folder := range contexts {
		if s.files[name], err = onlyThese(filepath.Join(o.Dir, filepath.FromSlash(folder)), kept[name]); err != nil {
			return nil, fmt.Errorf("opening the context %s: %w", folder, err)
		}
	}
	return s, nil
}

// onlyThese is a folder with nothing but some entries, by their paths with slashes.
func onlyThese(dir string, kept map[string]bool) (fsutil.FS, error) {
	all, err := fsutil.NewFS(dir)
	if err != nil {
		return nil, err
	}
	return fsutil.NewFilterFS(all, &fsutil.FilterOpt{Map: func(name string, stat *types.Stat) fsutil.MapResult {
		isDir := fs.FileMode(stat.Mode).IsDir()
		switch {
		case !kept[filepath.ToSlash(name)] && isDir:
			return fsutil.MapResultSkipDir
		case !kept[filepath.ToSlash(name)]:
			return fsutil.MapResultExclude
		}
		alone(dir, name, stat, kept)
		return fsutil.MapResultKeep
	}})
}

// alone makes a file of one that is described as the same as another, which is not sent.
func alone(dir, name string, stat *types.Stat, kept map[string]bool) {
	if stat.Linkname == "" || fs.FileMode(stat.Mode)&fs.ModeSymlink != 0 || kept[filepath.ToSlash(strings.TrimPrefix(stat.Linkname, "/"))] {
		return
	}
	if info, err := os.Lstat(filepath.Join(dir, name)); err == nil {
		stat.Linkname, stat.Size = "", info.Size()
	}
}
