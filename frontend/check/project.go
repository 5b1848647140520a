package check

import (
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/distribution/reference"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/patternmatcher"

	"github.com/quoitbuild/quoit/internal/diag"
	"github.com/quoitbuild/quoit/llb"
	"github.com/quoitbuild/quoit/manifest"
	"github.com/quoitbuild/quoit/overlay"
	"github.com/quoitbuild/quoit/revision"
)

// Project is what Quoit's rules look at.
type Project struct {
	Manifest *manifest.Manifest
	// Source is the manifest as clients quote it.
	Source *pb.SourceInfo
	// Images are the names of those that are looked at. The manifest is if they are all.
	Images []string
	// Graphs are all images, by name, as [llb.Compiler.All] returns them.
	Graphs map[string][]*llb.Compiled
	// Named are the places where the root image's files name images.
	Named []overlay.Use
	// Git are the lines of container files, 0 for one that is not known, that take .git of the
	// project, by image.
	Git map[string][]int
}

// Project holds a project to Quoit's rules.
func (r *Report) Project(p Project) {
	if len(p.Images) == len(p.Manifest.Images) {
		r.manifest(p)
	}
	for _, name := range p.Images {
		source := p.Graphs[name][0].Source
		file := &pb.SourceInfo{Filename: source.Map.Filename, Language: source.Map.Language, Data: source.Map.Data}
		for _, line := range p.Git[name] {
			r.say(CopyTakesGit, file, lines(line), "image %s takes .git of the project: name it in the ignore file, or copy less", name)
		}
		for _, graph := range p.Graphs[name] {
			r.externals(graph, file)
			for i, read := range graph.Reads {
				if i < len(graph.Lines) && takes(source, read, p.Manifest.Source.Name) {
					r.say(CopyTakesManifest, file, lines(graph.Lines[i]), "image %s takes %s: name it in the ignore file, or copy less", name, p.Manifest.Source.Name)
				}
			}
		}
	}
}

// manifest holds the manifest to them.
func (r *Report) manifest(p Project) {
	for _, external := range p.Manifest.Externals {
		if latest(external.Reference) {
			r.say(UnpinnedExternal, p.Source, ranges(external.Value), "%s: give it a tag that names a version, or a digest", external.Reference)
		}
	}
	for _, image := range p.Manifest.Images {
		r.unused(p, image)
	}
}

// unused says of an image that nothing uses it. Where the root image's files name no image of
// the project, it uses them in a way that is not seen.
func (r *Report) unused(p Project, image manifest.Image) {
	names := func(name string) bool {
		return slices.ContainsFunc(p.Named, func(use overlay.Use) bool { return meant(use.Image, p.Manifest.Project) == name })
	}
	if image.Name == p.Manifest.Root || names(image.Name) || !slices.ContainsFunc(p.Manifest.ImageNames(), names) {
		return
	}
	for _, other := range p.Manifest.Images {
		needs := func(graph *llb.Compiled) bool { return slices.Contains(graph.Siblings, image.Name) }
		if slices.Contains(other.Depends, image.Name) || slices.ContainsFunc(p.Graphs[other.Name], needs) {
			return
		}
	}
	for _, gate := range p.Manifest.Gates {
		if gate.Image == image.Name {
			return
		}
	}
	r.say(UnusedImage, p.Source, ranges(image.Range), "nothing uses the image %s: remove it, or name it where it runs", image.Name)
}

// meant is the image of a project that a reference means, as far as its name says.
func meant(ref, project string) string {
	name, _, _ := strings.Cut(ref, "@")
	if slash, colon := strings.LastIndex(name, "/"), strings.LastIndex(name, ":"); colon > slash {
		name = name[:colon]
	}
	if _, after, ok := strings.Cut("/"+name, "/"+project+"/"); ok {
		return after
	}
	return name
}

// externals says of what an image takes from elsewhere that it may be anything.
func (r *Report) externals(graph *llb.Compiled, file *pb.SourceInfo) {
	for _, ref := range slices.Sorted(maps.Keys(graph.Externals)) {
		if at := graph.Source.Names(ref); latest(ref) && len(at) > 0 {
			r.say(UnpinnedExternal, file, parsed(at), "%s: give it a tag that names a version, or a digest", ref)
		}
	}
	for _, remote := range graph.Remotes {
		r.say(AddWithoutChecksum, file, remote.Range, "%s: add --checksum, or name a commit", remote.Name)
	}
}

// latest tells whether a reference means whatever is newest.
func latest(ref string) bool {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return false
	}
	if _, pinned := named.(reference.Digested); pinned {
		return false
	}
	tagged, _ := reference.TagNameOnly(named).(reference.Tagged)
	return tagged != nil && tagged.Tag() == "latest"
}

// takes tells whether a read of an image's context has a file of the project's root in it that
// it does not name.
func takes(source llb.Source, read revision.Read, file string) bool {
	if source.Context != "." || strings.Contains(file, "/") || matches(source.Ignore, file) || matches(read.Exclude, file) {
		return false
	}
	if len(read.Include) > 0 && !matches(read.Include, file) {
		return false
	}
	at, _ := path.Match(read.Path, "/"+file)
	return read.Path == "/" || read.Wildcard && at && read.Path != "/"+file
}

// matches tells whether a file is one of those that patterns of an ignore file mean.
func matches(patterns []string, file string) bool {
	matched, err := patternmatcher.MatchesOrParentMatches(file, patterns)
	return err == nil && matched
}

// ranges are a range as BuildKit counts: lines from one, characters from zero.
func ranges(r diag.Range) []*pb.Range {
	if r.IsZero() {
		return nil
	}
	return lines(r.Start.Line)
}

func lines(line int) []*pb.Range {
	if line == 0 {
		return nil
	}
	return []*pb.Range{{Start: &pb.Position{Line: int32(line)}, End: &pb.Position{Line: int32(line)}}}
}

func parsed(all []parser.Range) []*pb.Range {
	var out []*pb.Range
	for _, r := range all {
		out = append(out, &pb.Range{
			Start: &pb.Position{Line: int32(r.Start.Line), Character: int32(r.Start.Character)},
			End:   &pb.Position{Line: int32(r.End.Line), Character: int32(r.End.Character)},
		})
	}
	return out
}
