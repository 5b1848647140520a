package builder

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/tonistiigi/fsutil"
	"github.com/tonistiigi/fsutil/types"

	"github.com/quoitbuild/quoit/frontend"
	"github.com/quoitbuild/quoit/look"
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
func (o Options) send(plan look.Planned) (*sending, error) {
	images := slices.DeleteFunc(slices.Clone(plan.Reads), func(image revision.ImageInputs) bool { return len(image.Reads) == 0 || !plan.InGraph[image.Name] })
	entries, err := disk.Entries(o.Dir, images)
	if err != nil {
		return nil, fmt.Errorf("looking for what is sent: %w", err)
	}
	from, err := newSource(o.Dir)
	if err != nil {
		return nil, err
	}
	s := &sending{Sent: frontend.Sent{Locals: map[string]string{}, Answers: plan.Answers, Named: plan.Named}, files: map[string]fsutil.FS{}}
	contexts, all := map[string]string{}, map[string]kept{}
	for _, image := range images {
		key := digest.FromString(fmt.Sprintf("%s %q %q", sharedKey(o.Dir), image.Context, image.Ignore)).Encoded()
		name := "context-" + key[:16]
		s.Locals[image.Name], contexts[name] = name, image.Context
		if all[name] == nil {
			all[name] = kept{}
		}
		all[name].add(".", entries[image.Name]...)
	}
	for name, folder := range contexts {
		if s.files[name], err = all[name].in(from, folder); err != nil {
			return nil, fmt.Errorf("opening the context %s: %w", folder, err)
		}
	}
	return s, nil
}

// sendWhole chooses what a frontend image reads, which plans everything again: what all
// images read, and what says how they are built.
func (o Options) sendWhole(plan look.Planned) (fsutil.FS, error) {
	entries, err := disk.Entries(o.Dir, plan.Reads)
	if err != nil {
		return nil, fmt.Errorf("looking for what is sent: %w", err)
	}
	from, err := newSource(o.Dir)
	if err != nil {
		return nil, err
	}
	all := kept{}
	all.add(".", plan.Control...)
	for _, image := range plan.Reads {
		all.add(image.Context, append(entries[image.Name], ".")...)
	}
	return all.in(from, ".")
}

// kept are entries of a folder by their paths, with slashes.
type kept map[string]bool

// add keeps entries of a folder, and the folders on the way to them.
func (k kept) add(folder string, entries ...string) {
	for _, entry := range entries {
		for entry = path.Join(folder, entry); !k[entry] && entry != "."; entry = path.Dir(entry) {
			k[entry] = true
		}
	}
}

// in is a folder of a project with nothing but what is kept.
func (k kept) in(from source, folder string) (fsutil.FS, error) {
	all, err := from.folder(folder)
	if err != nil {
		return nil, err
	}
	dir := from.path(folder)
	return fsutil.NewFilterFS(all, &fsutil.FilterOpt{Map: func(name string, stat *types.Stat) fsutil.MapResult {
		isDir := fs.FileMode(stat.Mode).IsDir()
		switch {
		case !k[filepath.ToSlash(name)] && isDir:
			return fsutil.MapResultSkipDir
		case !k[filepath.ToSlash(name)]:
			return fsutil.MapResultExclude
		}
		k.alone(dir, name, stat)
		return fsutil.MapResultKeep
	}})
}

// alone makes a file of one that is described as the same as another, which is not sent.
func (k kept) alone(dir, name string, stat *types.Stat) {
	if stat.Linkname == "" || fs.FileMode(stat.Mode)&fs.ModeSymlink != 0 || k[filepath.ToSlash(strings.TrimPrefix(stat.Linkname, "/"))] {
		return
	}
	if info, err := os.Lstat(filepath.Join(dir, name)); err == nil {
		stat.Linkname, stat.Size = "", info.Size()
	}
}
