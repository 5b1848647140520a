package llb

import (
	"path"
	"strings"

	bk "github.com/moby/buildkit/client/llb"
)

// Context is the context of one image, given the project's tree. Applied says that its
// ignore file is already applied to the tree.
func Context(project bk.State, source Source, applied bool) bk.State {
	if source.Context == "." && (applied || len(source.Ignore) == 0) {
		return project
	}
	info := &bk.CopyInfo{
		CopyDirContentsOnly: true,
		FollowSymlinks:      true,
		CreateDestPath:      true,
		ExcludePatterns:     source.Ignore,
	}
	return bk.Scratch().File(
		bk.Copy(project, path.Join("/", source.Context), "/", info),
		bk.WithCustomName("["+source.Name+" internal] context "+source.Context),
	)
}

var escaper = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `^`, `\^`)

// Escape makes a pattern of a path that matches just that path.
func Escape(name string) string { return escaper.Replace(name) }
