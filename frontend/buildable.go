package frontend

import (
	"context"
	"fmt"
	"strings"

	"github.com/quoitbuild/quoit/internal/diag"
	"github.com/quoitbuild/quoit/overlay/judge"
	"github.com/quoitbuild/quoit/revision"
)

// checkOverlays refuses overlays of the root image that name what the project has no longer,
// and warns of it where nothing is released, and of names that are just alike.
func (k *known) checkOverlays() error {
	release := judge.Release{Project: k.Project, Images: k.manifest.ImageNames(), Retired: k.Retired, Externals: map[string]bool{}}
	for _, external := range k.manifest.Externals {
		release.Externals[external.Reference] = true
	}
	var mistakes diag.List
	root, _ := k.Image(k.Root)
	for _, found := range judge.Judge(release, k.named) {
		if found.Wrong && root.Changed {
			mistakes.Add(found.Diagnostic())
		} else {
			k.Warnings = append(k.Warnings, fmt.Sprintf("%s:%d: %s; %s", found.File, found.Line, found.Message, found.Hint))
		}
	}
	return inManifest(mistakes.Err(), k.source.SourceMap)
}

// checkSources reports what images that are built read of their contexts although it is not
// there, with the instruction that does.
func (k *known) checkSources(ctx context.Context) error {
	if len(k.missing) == 0 {
		return nil
	}
	var mistakes diag.List
	for _, in := range k.hashRequest(k.graphs).Images {
		name, _ := in.Of()
		if image, _ := k.Image(name); !image.Built() {
			continue
		}
		for _, path := range k.missing[in.Name] {
			mistakes.Add(k.missingSource(ctx, in, path))
		}
	}
	return inManifest(mistakes.Err(), k.source.SourceMap)
}

func (k *known) missingSource(ctx context.Context, in revision.ImageInputs, path string) diag.Diagnostic {
	name, named := in.Of()
	source, where := k.images[name], "the context "+in.Context
	if in.Context == "." {
		where = "the project"
	}
	message := fmt.Sprintf("image %s: there is no %s in %s", name, strings.TrimPrefix(path, "/"), where)
	if path == "/" {
		message = fmt.Sprintf("image %s: there is no folder %s", name, in.Context)
	}
	hint := "put it there"
	if len(in.Ignore) > 0 {
		hint += ", or let the ignore file leave it in"
	}
	for _, c := range k.graphs[name] {
		if c.Definition == nil {
			var err error
			if c, err = k.compiler.Graph(ctx, name, c.Platform); err != nil {
				continue // it was compiled before: the next plan tells
			}
		}
		if at, ok := c.ReadAt(named, path); ok {
			return diag.Diagnostic{Source: &diag.Source{Name: source.File, Data: source.Map.Data}, Range: at, Message: message, Hint: hint}
		}
	}
	image, _ := k.manifest.Image(name)
	at := image.Position("context")
	if named != "" {
		at = image.Position("contexts", named)
	}
	return k.mistake(at, hint, "%s", message)
}
