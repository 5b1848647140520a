package frontend

import (
	"context"
	"io/fs"
	"path"
	"strings"

	"github.com/moby/buildkit/frontend/gateway/client"
	fstypes "github.com/tonistiigi/fsutil/types"

	"github.com/quoitbuild/quoit/internal/diag"
	"github.com/quoitbuild/quoit/internal/input"
	"github.com/quoitbuild/quoit/llb"
	"github.com/quoitbuild/quoit/manifest"
)

// isNoFile tells whether what was to be read is there and is no file.
func isNoFile(err error) bool {
	return err != nil && (strings.Contains(err.Error(), "not a regular file") || strings.Contains(err.Error(), "is a directory"))
}

// kindOf is what something is called that is no file.
func kindOf(ctx context.Context, files *controlFiles, name string) string {
	entry := entryOf(ctx, files, name)
	if entry == nil || entry.Linkname != "" {
		return "a link to something that is no file"
	}
	return input.Kind(fs.FileMode(entry.Mode))
}

// missingFile says why an image has no container file.
func (p *project) missingFile(ctx context.Context, files *controlFiles, image manifest.Image) diag.Diagnostic {
	at := fileKey(image)
	for dir := image.Context; dir != "."; dir = path.Dir(dir) {
		if target := linkTarget(ctx, files, dir); target != "" {
			return p.mistake(image.Position("context"), "name the folder itself", "image %s: its context %s is reached through a link, %s → %s", image.Name, image.Context, dir, target)
		}
	}
	for _, file := range candidates(image) {
		if linkTarget(ctx, files, file) != "" {
			return p.mistake(at, "put the file itself there", "image %s: %s is a link that leads out of the project or nowhere", image.Name, file)
		}
	}
	if image.File != "" {
		return p.mistake(at, "file: is relative to context:", "image %s has no container file %s", image.Name, candidates(image)[0])
	}
	return p.mistake(at, "add one, or name it with file:",
		"image %s has no container file: neither %s nor %s exists", image.Name, candidates(image)[0], candidates(image)[1])
}

// linkTarget is where a link among the control files leads, "" for anything else.
func linkTarget(ctx context.Context, files *controlFiles, name string) string {
	return entryOf(ctx, files, name).GetLinkname()
}

// entryOf is what a folder of the control files says of a name, nil if that is
// nothing.
func entryOf(ctx context.Context, files *controlFiles, name string) *fstypes.Stat {
	entries, err := files.tree.ReadDir(ctx, client.ReadDirRequest{Path: path.Dir(name), IncludePattern: llb.Escape(path.Base(name))})
	if err != nil || len(entries) != 1 {
		return nil
	}
	return entries[0]
}
