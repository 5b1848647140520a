package frontend

import (
	"bytes"
	"context"
	"fmt"
	"path"
	"unicode/utf8"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"

	"github.com/quoitbuild/quoit/internal/diag"
	"github.com/quoitbuild/quoit/llb"
)

// ignoreName is the name of an ignore file, or the end of one for a single
// container file.
const ignoreName = ".dockerignore"

// readIgnoreFile reads the one that counts for an image; without one there is no
// name and no data.
func readIgnoreFile(ctx context.Context, files *controlFiles, source llb.Source) (file string, data []byte, err error) {
	for _, file := range []string{source.File + ignoreName, path.Join(source.Context, ignoreName)} {
		data, err := readFile(ctx, files.tree, file)
		if err == nil {
			return file, data, nil
		}
		if !isNotFound(err) {
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
