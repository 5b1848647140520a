package frontend

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"path"
	"slices"

	bk "github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/patternmatcher/ignorefile"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/containerd/platforms"

	"github.com/quoitbuild/quoit/frontend/folder"
	"github.com/quoitbuild/quoit/internal/diag"
	"github.com/quoitbuild/quoit/llb"
	"github.com/quoitbuild/quoit/manifest"
)

// The names of container files that are looked for, in this order.
var containerFiles = []string{"Dockerfile", "Containerfile"}

// maxParallelReads bounds the files that are read at once.
const maxParallelReads = 16

// controlFiles is the part of the project's tree that says how it is built.
type controlFiles struct {
	tree folder.Reader
	def  *bk.Definition
}

// readFiles reads every image's container file and ignore file, in one transfer.
func readFiles(ctx context.Context, r run, d declared) (project, error) {
	files, err := r.files.control(ctx, d)
	if err != nil {
		return project{}, fmt.Errorf("loading container files: %w", err)
	}
	all := d.manifest.Images
	sources := make([]llb.Source, len(all))
	problems := make([]*diag.Diagnostic, len(all))
	eg, ctx := errgroup.WithContext(ctx)
	eg.SetLimit(maxParallelReads)
	for i, image := range all {
		eg.Go(func() (err error) {
			sources[i], problems[i], err = d.readImage(ctx, files, image, r.opts, r.defaultPlatform())
			return err
		})
	}
	if err := eg.Wait(); err != nil {
		return project{}, err
	}
	var mistakes diag.List
	images := map[string]llb.Source{}
	for i, source := range sources {
		images[source.Name] = source
		if problems[i] != nil {
			mistakes.Add(*problems[i])
		}
	}
	p := project{declared: d, images: images, fresh: r.opts.NoCache || r.fresh}
	if r.sent != nil {
		p.sent = r.sent.Locals
	}
	return p, inManifest(mistakes.Err(), d.source.SourceMap)
}

// controlPaths are patterns for the control files that match nothing else.
func (d declared) controlPaths() []string {
	paths := d.controlFiles()
	for i, name := range paths {
		paths[i] = llb.Escape(name)
	}
	return paths
}

// controlFiles are all paths at which a container or an ignore file may lie.
func (d declared) controlFiles() []string {
	paths := map[string]bool{}
	for _, image := range d.manifest.Images {
		for _, file := range candidates(image) {
			paths[file], paths[file+ignoreName] = true, true
		}
		paths[path.Join(image.Context, ignoreName)] = true
		for _, c := range d.contextsOf(image) {
			if c.Folder != "" {
				paths[path.Join(c.Folder, ignoreName)] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(paths))
}

func candidates(image manifest.Image) []string {
	if image.File != "" {
		return []string{path.Join(image.Context, image.File)}
	}
	var files []string
	for _, name := range containerFiles {
		files = append(files, path.Join(image.Context, name))
	}
	return files
}

func (d declared) readImage(ctx context.Context, files *controlFiles, image manifest.Image, opts Options, byDefault ocispecs.Platform) (llb.Source, *diag.Diagnostic, error) {
	source := llb.Source{
		Name:    image.Name,
		Context: image.Context,
		Target:  image.Target,
		Args:    imageArgs(image, opts.imageArgs()),
		Labels:  imageLabels(image, opts.Labels),
		NoCache: opts.noCache(image.Name),
	}
	data, problem, err := d.readContainerFile(ctx, files, image, &source)
	if err != nil || problem != nil {
		return source, problem, err
	}
	source.Map = bk.NewSourceMap(nil, source.File, "Dockerfile", data)
	source.Files = files.def
	for _, file := range ignoreFiles(source) {
		if problem := d.unfollowed(ctx, files, image, file); problem != nil {
			return source, problem, nil
		}
	}
	ignoreFile := ""
	if ignoreFile, source.IgnoreFile, err = readIgnoreFile(ctx, files, source); err != nil {
		return source, nil, err
	}
	if source.Ignore, err = ignorefile.ReadAll(bytes.NewReader(source.IgnoreFile)); err != nil {
		return source, nil, fmt.Errorf("image %s: reading %s: %w", image.Name, ignoreFile, err)
	}
	if problem := brokenPattern(ignoreFile, source.IgnoreFile); problem != nil {
		return source, problem, nil
	}
	if source.Contexts, problem, err = d.readContexts(ctx, files, image); err != nil || problem != nil {
		return source, problem, err
	}
	source.Platforms, err = imagePlatforms(image, byDefault)
	return source, nil, err
}

func (d declared) readContainerFile(ctx context.Context, files *controlFiles, image manifest.Image, source *llb.Source) ([]byte, *diag.Diagnostic, error) {
	for _, file := range candidates(image) {
		if problem := d.unfollowed(ctx, files, image, file); problem != nil {
			return nil, problem, nil
		}
		data, err := readFile(ctx, files.tree, file)
		if folder.IsNotFound(err) {
			continue
		}
		if folder.IsNoFile(err) {
			problem := d.mistake(fileKey(image), "put a file there, or name another one with file:", "image %s: %s is %s, not a container file", image.Name, file, kindOf(ctx, files, file))
			return nil, &problem, nil
		}
		if err != nil {
			return nil, nil, fmt.Errorf("reading %s: %w", file, err)
		}
		if len(bytes.TrimSpace(data)) == 0 {
			problem := d.mistake(fileKey(image), "write at least a FROM", "image %s: %s is empty", image.Name, file)
			return nil, &problem, nil
		}
		source.File = file
		return data, nil, nil
	}
	problem := d.missingFile(ctx, files, image)
	return nil, &problem, nil
}

// fileKey is where the manifest says where an image's container file is.
func fileKey(image manifest.Image) diag.Range {
	if image.File != "" {
		return image.Position("file")
	}
	return image.Position("context")
}

// maxControlFile bounds a container or an ignore file, in bytes.
const maxControlFile = 16 << 20

// readFile reads a file in one request.
func readFile(ctx context.Context, tree folder.Reader, file string) ([]byte, error) {
	data, err := tree.ReadFile(ctx, client.ReadRequest{Filename: file, Range: &client.FileRange{Length: maxControlFile + 1}})
	if len(data) > maxControlFile {
		return nil, fmt.Errorf("it has more than %d MiB", maxControlFile>>20)
	}
	return data, err
}

// imageArgs are the manifest's arguments with the command line's on top; those
// without a value stay undeclared.
func imageArgs(image manifest.Image, given map[string]string) map[string]string {
	args := map[string]string{}
	for name, value := range image.Args {
		if value != nil {
			args[name] = *value
		}
	}
	maps.Copy(args, given)
	return args
}

func imageLabels(image manifest.Image, given map[string]string) map[string]string {
	all := maps.Clone(image.Labels)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, given)
	return all
}

func imagePlatforms(image manifest.Image, byDefault ocispecs.Platform) ([]ocispecs.Platform, error) {
	if len(image.Platforms) == 0 {
		return []ocispecs.Platform{byDefault}, nil
	}
	list, err := platforms.ParseAll(image.Platforms)
	if err != nil {
		return nil, fmt.Errorf("image %s: %w", image.Name, err)
	}
	for i := range list {
		list[i] = platforms.Normalize(list[i])
	}
	return list, nil
}

// defaultPlatform is the platform of images whose manifest says none.
func (r run) defaultPlatform() ocispecs.Platform {
	if p, err := platforms.Parse(r.opts.Default); err == nil {
		return platforms.Normalize(p)
	}
	return buildPlatform(r.gateway.BuildOpts())
}

// buildPlatform is the builder's.
func buildPlatform(o client.BuildOpts) ocispecs.Platform {
	if workers := o.Workers; len(workers) > 0 && len(workers[0].Platforms) > 0 {
		return platforms.Normalize(workers[0].Platforms[0])
	}
	return platforms.Normalize(platforms.DefaultSpec())
}
