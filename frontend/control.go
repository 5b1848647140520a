package frontend

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"path"
	"unicode/utf8"

	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
	fstypes "github.com/tonistiigi/fsutil/types"

	"github.com/quoitbuild/quoit/frontend/folder"
	"github.com/quoitbuild/quoit/internal/diag"
	"github.com/quoitbuild/quoit/internal/input"
	"github.com/quoitbuild/quoit/llb"
	"github.com/quoitbuild/quoit/manifest"
)

// kindOf is what something is called that is no file.
func kindOf(ctx context.Context, files *controlFiles, name string) string {
	entry := entryOf(ctx, files, name)
	if entry == nil || entry.Linkname != "" {
		return "a link to something that is no file"
	}
	return input.Kind(fs.FileMode(entry.Mode))
}

// missingFile says why an image has no container file.
func (d declared) missingFile(ctx context.Context, files *controlFiles, image manifest.Image) diag.Diagnostic {
	at := fileKey(image)
	for dir := image.Context; dir != "."; dir = path.Dir(dir) {
		if target := linkTarget(ctx, files, dir); target != "" {
			return d.mistake(image.Position("context"), "name the folder itself", "image %s: its context %s is reached through a link, %s → %s", image.Name, image.Context, dir, target)
		}
	}
	for _, file := range candidates(image) {
		if linkTarget(ctx, files, file) != "" {
			return d.mistake(at, "put the file itself there", "image %s: %s is a link that leads out of the project or nowhere", image.Name, file)
		}
	}
	if image.File != "" {
		return d.mistake(at, "file: is relative to context:", "image %s has no container file %s", image.Name, candidates(image)[0])
	}
	return d.mistake(at, "add one, or name it with file:",
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

// ignoreName is the name of an ignore file, or the end of one for a single
// container file.
const ignoreName = ".dockerignore"

// ignoreFiles are where an image's ignore file may lie, in the order in which they count.
func ignoreFiles(source llb.Source) []string {
	return []string{source.File + ignoreName, path.Join(source.Context, ignoreName)}
}

// unfollowed is a mistake where a file is a link that clients do not follow when they send it:
// one whose path has to be escaped in a pattern.
func (d declared) unfollowed(ctx context.Context, files *controlFiles, image manifest.Image, file string) *diag.Diagnostic {
	if llb.Escape(file) == file || linkTarget(ctx, files, file) == "" {
		return nil
	}
	problem := d.mistake(fileKey(image), "put the file itself there", "image %s: %s is a link, and no client follows one at a path with any of * ? [ ^ \\", image.Name, file)
	return &problem
}

// readIgnoreFile reads the one that counts for an image; without one there is no
// name and no data.
func readIgnoreFile(ctx context.Context, files *controlFiles, source llb.Source) (file string, data []byte, err error) {
	for _, file := range ignoreFiles(source) {
		data, err := readFile(ctx, files.tree, file)
		if err == nil {
			return file, data, nil
		}
		if !folder.IsNotFound(err) {
			return "", nil, fmt.Errorf("reading %s: %w", file, err)
		}
	}
	return "", nil, nil
}

// brokenPattern returns the first mistake in an ignore file, nil for none.
func brokenPattern(file string, data []byte) *diag.Diagnostic {
	number := 0
	for line := range bytes.Lines(data) {
		number++
		patterns, err := ignorefile.ReadAll(bytes.NewReader(line))
		if err == nil {
			_, err = patternmatcher.New(patterns)
		}
		if err == nil {
			continue
		}
		text := bytes.TrimSpace(line)
		start := diag.Position{Line: number, Column: 1}
		return &diag.Diagnostic{
			Source:  &diag.Source{Name: file, Data: data},
			Range:   diag.Range{Start: start, End: diag.Position{Line: number, Column: 1 + utf8.RuneCount(text)}},
			Message: fmt.Sprintf("the pattern %q is broken", text), Hint: "close its brackets, or write a backslash before them",
		}
	}
	return nil
}
