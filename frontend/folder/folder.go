// Package folder reads files of a project where it lies as BuildKit reads what it was sent:
// links are followed inside of the project's folder, nothing but files is opened, and a
// file has no name but its own.
package folder

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	cacheutil "github.com/moby/buildkit/cache/util"
	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/util/openfile"
	fstypes "github.com/tonistiigi/fsutil/types"
)

// Folder is one of this machine.
type Folder string

// ReadFile reads a range of a file, which has to be named. A socket is an empty file.
func (d Folder) ReadFile(ctx context.Context, r client.ReadRequest) ([]byte, error) {
	if foldsCase && !spelled(string(d), r.Filename) {
		return nil, &fs.PathError{Op: "open", Path: r.Filename, Err: fs.ErrNotExist}
	}
	data, err := cacheutil.ReadFile(ctx, string(d), cacheutil.ReadRequest{
		Filename: r.Filename, Range: &cacheutil.FileRange{Offset: r.Range.Offset, Length: r.Range.Length},
	}, r.Range.Length)
	if errors.Is(err, openfile.ErrNotRegular) && d.sentAsFile(ctx, r.Filename) {
		return nil, nil
	}
	return data, err
}

// foldsCase says that a disk may find a file by its name in another case, which is the name
// of no file where BuildKit has what it was sent.
const foldsCase = runtime.GOOS == "windows" || runtime.GOOS == "darwin"

// maxLinks bounds the links on the way to a file, as BuildKit does.
const maxLinks = 255

// spelled tells whether a path in a folder, and those of the links on its way, are spelled
// as the folders' lists have them. What becomes of a path that leads nowhere is not said.
func spelled(root, name string) bool {
	at, links := ".", 0
	for rest := strings.Split(path.Clean(name), "/"); len(rest) > 0; {
		component := rest[0]
		rest = rest[1:]
		if component == "" || component == "." || component == ".." {
			at = path.Join("/", at, component)[1:]
			continue
		}
		entries, err := os.ReadDir(filepath.Join(root, filepath.FromSlash(at)))
		if err != nil {
			return true
		}
		i, found := slices.BinarySearchFunc(entries, component, func(e fs.DirEntry, name string) int { return strings.Compare(e.Name(), name) })
		if !found {
			return false
		}
		next := path.Join(at, component)
		if entries[i].Type()&fs.ModeSymlink == 0 {
			at = next
			continue
		}
		target, err := os.Readlink(filepath.Join(root, filepath.FromSlash(next)))
		if links++; err != nil || links > maxLinks {
			return true
		}
		if target = filepath.ToSlash(target); path.IsAbs(target) {
			at = "."
		}
		rest = append(strings.Split(target, "/"), rest...)
	}
	return true
}

// sentAsFile tells whether a client says of something that it is a file: of a socket, which
// arrives empty.
func (d Folder) sentAsFile(ctx context.Context, name string) bool {
	stat, err := cacheutil.StatFile(ctx, string(d), name)
	return err == nil && fs.FileMode(stat.Mode).IsRegular()
}

// ReadDir lists what is in a folder.
func (d Folder) ReadDir(ctx context.Context, r client.ReadDirRequest) ([]*fstypes.Stat, error) {
	return cacheutil.ReadDir(ctx, string(d), cacheutil.ReadDirRequest{Path: r.Path, IncludePattern: r.IncludePattern})
}
