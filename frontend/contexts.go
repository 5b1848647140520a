package frontend

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/patternmatcher/ignorefile"
	"github.com/opencontainers/go-digest"

	"github.com/quoitbuild/quoit/frontend/folder"
	"github.com/quoitbuild/quoit/internal/diag"
	"github.com/quoitbuild/quoit/llb"
	"github.com/quoitbuild/quoit/manifest"
	"github.com/quoitbuild/quoit/revision"
)

// imageContext begins what a named context is that the command line makes an image, and
// folderContext what it makes a folder of the project.
const (
	imageContext  = "docker-image://"
	folderContext = "./"
)

// FolderContext is a folder of the project, a slash path in it, as [Options.Contexts] has it.
func FolderContext(folder string) string { return folderContext + path.Clean(folder) }

// checkContexts refuses named contexts that a build would have to ignore: what
// is in them is in no revision. Those that are images count as externals.
func checkContexts(m *manifest.Manifest, contexts map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(contexts)) {
		if _, sibling := m.Image(name); sibling {
			return fmt.Errorf("the named context %s has the name of an image of %s: choose another name", name, m.Project)
		}
		value := contexts[name]
		folder, isFolder := strings.CutPrefix(value, folderContext)
		switch {
		case isFolder && !fs.ValidPath(folder):
			return fmt.Errorf("the named context %s: %s is not a folder of the project", name, value)
		case !isFolder && !strings.HasPrefix(value, imageContext):
			return fmt.Errorf("the named context %s is neither an image (docker-image://…) nor a folder of the project: name a folder in the manifest, "+
				"contexts: {%s: ./FOLDER}, or build with quoit build --build-context %s=FOLDER", name, name, name)
		}
	}
	return nil
}

// contextsOf are an image's named contexts: the manifest's, and before these the folders of
// the command line, whose images are the compiler's own.
func (d declared) contextsOf(image manifest.Image) []manifest.NamedContext {
	all := slices.DeleteFunc(slices.Clone(image.Contexts), func(c manifest.NamedContext) bool { return d.given[c.Name] != "" })
	for name, value := range d.given {
		if folder, ok := strings.CutPrefix(value, folderContext); ok {
			all = append(all, manifest.NamedContext{Name: name, Folder: folder})
		}
	}
	slices.SortFunc(all, func(a, b manifest.NamedContext) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// readContexts reads the ignore files of an image's named contexts. As BuildKit has it, that
// is the one in the folder and no other.
func (d declared) readContexts(ctx context.Context, files *controlFiles, image manifest.Image) ([]llb.NamedContext, *diag.Diagnostic, error) {
	var all []llb.NamedContext
	for _, c := range d.contextsOf(image) {
		named := llb.NamedContext{Name: c.Name, Image: c.Image, Folder: c.Folder}
		if c.Folder != "" {
			file := path.Join(c.Folder, ignoreName)
			data, err := readFile(ctx, files.tree, file)
			if err != nil && !folder.IsNotFound(err) {
				return nil, nil, fmt.Errorf("reading %s: %w", file, err)
			}
			if problem := brokenPattern(file, data); problem != nil {
				return nil, problem, nil
			}
			if named.Ignore, err = ignorefile.ReadAll(bytes.NewReader(data)); err != nil {
				return nil, nil, fmt.Errorf("image %s: reading %s: %w", image.Name, file, err)
			}
			named.IgnoreFile = data
		}
		all = append(all, named)
	}
	return all, nil, nil
}

// hashRequest collects what the images read of the project: of their contexts, and of those
// of their named contexts that are folders.
func (p project) hashRequest(compiled map[string][]*llb.Compiled) revision.Request {
	req := revision.Request{Scheme: revision.Scheme}
	for _, name := range p.manifest.ImageNames() {
		add := func(source llb.Source, readsOf func(*llb.Compiled) []revision.Read) {
			var reads []revision.Read
			for _, c := range compiled[name] {
				reads = append(reads, readsOf(c)...)
			}
			req.Images = append(req.Images, revision.ImageInputs{
				Name: source.Name, Context: source.Context, Root: source.Context == ".", Ignore: source.Ignore, Reads: revision.Merge(reads),
				Overlays: name == p.manifest.Root,
			})
		}
		source := p.images[name]
		add(source, func(c *llb.Compiled) []revision.Read { return c.Reads })
		for _, named := range source.Contexts {
			if named.Image == "" {
				add(source.Within(named), func(c *llb.Compiled) []revision.Read { return usedContext(c, named.Name).Reads })
			}
		}
	}
	return req
}

// usedContext is a named context as a graph uses it, the zero value if it does not.
func usedContext(c *llb.Compiled, name string) llb.UsedContext {
	for _, used := range c.Contexts {
		if used.Name == name {
			return used
		}
	}
	return llb.UsedContext{}
}

// usedContexts say what the named contexts are that an image uses, for its revision.
func usedContexts(compiled []*llb.Compiled, trees map[string]digest.Digest) map[string]string {
	all := map[string]string{}
	for _, c := range compiled {
		for _, named := range c.Source.Contexts {
			switch {
			case usedContext(c, named.Name).Name == "":
			case named.Image != "":
				all[named.Name] = "image " + named.Image
			default:
				all[named.Name] = trees[c.Source.Within(named).Name].String()
			}
		}
	}
	return all
}

// sourceOf is what is read by a part of a request: an image, or a named context of one.
func (p project) sourceOf(in revision.ImageInputs) llb.Source {
	image, context := in.Of()
	source := p.images[image]
	for _, named := range source.Contexts {
		if named.Name == context {
			return source.Within(named)
		}
	}
	return source
}

// warnOfContexts warns of named contexts that the image's container file does not name, on
// no platform.
func (p project) warnOfContexts(ctx context.Context, graphs map[string][]*llb.Compiled) {
	for _, image := range p.manifest.Images {
		for _, c := range image.Contexts {
			used := func(graph *llb.Compiled) bool { return usedContext(graph, c.Name).Name != "" }
			if len(graphs[image.Name]) == 0 || slices.ContainsFunc(graphs[image.Name], used) || p.images[image.Name].Mentions(c.Name) {
				continue
			}
			p.source.Warn(ctx, fmt.Sprintf("image %s: its container file does not name the context %s", image.Name, c.Name), client.WarnOpts{
				Detail: [][]byte{[]byte("remove it, or name it in FROM, COPY --from or RUN --mount=from")},
				Range:  []*pb.Range{pbRange(image.Position("contexts", c.Name))},
			})
		}
	}
}

// linkedContexts reports contexts that are links: what they lead to is not a
// part of the project's selected files.
func (p project) linkedContexts(asked revision.Request, links map[string]string) error {
	var mistakes diag.List
	for _, in := range asked.Images {
		target, linked := links[in.Name]
		if !linked {
			continue
		}
		name, context := in.Of()
		image, _ := p.manifest.Image(name)
		at := image.Position("context")
		if context != "" {
			at = image.Position("contexts", context)
		}
		mistakes.Add(p.mistake(at, "name the folder itself: "+target, "image %s: the context %s is, or lies behind, a link", name, in.Context))
	}
	return inManifest(mistakes.Err(), p.source.SourceMap)
}

// takesGit are the lines of container files that take .git of the project's root into an
// image, by its name, 0 for one that is not known.
func (c compiled) takesGit(asked revision.Request, found revision.Response) map[string][]int {
	lines := map[string][]int{}
	for _, image := range asked.Images {
		for _, read := range found.Git[image.Name] {
			if read < 0 || read >= len(image.Reads) {
				continue // the answer is another process's
			}
			name, named := image.Of()
			lines[name] = append(lines[name], lineOf(c.graphs[name], named, image.Reads[read]))
		}
	}
	return lines
}

// warnOfGit warns of what takes .git of the project's root into an image, where that stands.
func (r run) warnOfGit(ctx context.Context, c compiled, taken map[string][]int) {
	for _, name := range slices.Sorted(maps.Keys(taken)) {
		source := c.graphs[name][0].Source
		for _, line := range taken[name] {
			opts := client.WarnOpts{
				Level:      1,
				SourceInfo: &pb.SourceInfo{Filename: source.Map.Filename, Language: source.Map.Language, Data: source.Map.Data},
				Detail:     [][]byte{[]byte("name it in the ignore file, or copy less")},
			}
			where := ""
			if line > 0 {
				where = fmt.Sprintf(" (line %d)", line)
				opts.Range = []*pb.Range{{Start: &pb.Position{Line: int32(line)}, End: &pb.Position{Line: int32(line)}}}
			}
			// A warning that cannot be delivered harms nobody.
			_ = r.warn(ctx, headOf(source.Files), fmt.Sprintf("image %s takes .git of the project%s: it is in the image, and what changes in it is no change of the image", name, where), opts)
		}
	}
}

// lineOf is the line of a container file that has a read of a named context, or of the
// image's own, "", 0 if that is not known.
func lineOf(graphs []*llb.Compiled, context string, read revision.Read) int {
	for _, graph := range graphs {
		reads, lines := graph.Reads, graph.Lines
		if context != "" {
			used := usedContext(graph, context)
			reads, lines = used.Reads, used.Lines
		}
		if at := slices.IndexFunc(reads, read.Equal); at >= 0 && at < len(lines) {
			return lines[at]
		}
	}
	return 0
}
