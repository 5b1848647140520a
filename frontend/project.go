package frontend

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	bk "github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/frontend/dockerui"
	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"

	"github.com/quoitbuild/quoit/internal/diag"
	"github.com/quoitbuild/quoit/llb"
	"github.com/quoitbuild/quoit/manifest"
)

// manifestLanguage is the manifest's, for clients that show excerpts.
const manifestLanguage = "YAML"

// localName is what clients call the project's files.
const localName = dockerui.DefaultLocalNameContext

// project is everything that is read of the project's files before a compile.
type project struct {
	manifest *manifest.Manifest
	source   *dockerui.Source // the manifest, for warnings and excerpts
	images   map[string]llb.Source
	remote   *bk.State // the project's tree if it is not the client's: git, an archive
	session  string    // of the client that has the tree
	folder   string    // the tree's, if this process has it, "" if BuildKit is asked
	written  string    // the registry as the manifest names it
}

// readManifest reads and parses the manifest.
func readManifest(ctx context.Context, c client.Client, ui *dockerui.Client, opts Options, host Host) (*project, error) {
	source, err := openManifest(ctx, c, ui, opts.Filename, host.Manifest)
	if err != nil {
		return nil, fmt.Errorf("reading the manifest: %w", err)
	}
	p := &project{source: source, session: localSession(c), folder: host.Folder}
	p.manifest, err = manifest.Parse(source.Filename, source.Data)
	if err != nil {
		return nil, inManifest(err, source.SourceMap)
	}
	p.written = p.manifest.Registry
	if p.manifest, err = p.manifest.At(opts.Registry, opts.Project); err != nil {
		return nil, opts.misplaced(err, source.SourceMap)
	}
	for _, warning := range p.manifest.Warnings {
		source.Warn(ctx, warning.Message, client.WarnOpts{
			Detail: [][]byte{[]byte(warning.Hint)},
			Range:  []*pb.Range{pbRange(warning.Range)},
		})
	}
	p.remote, err = remoteTree(ctx, c, ui)
	return p, err
}

// openManifest returns the manifest of that name that is given, or else the client's.
func openManifest(ctx context.Context, c client.Client, ui *dockerui.Client, name string, given []byte) (*dockerui.Source, error) {
	if given == nil {
		return ui.ReadEntrypoint(ctx, manifestLanguage)
	}
	info := &pb.SourceInfo{Filename: name, Language: manifestLanguage, Data: given}
	return &dockerui.Source{
		SourceMap: bk.NewSourceMap(nil, name, manifestLanguage, given),
		Warn: func(ctx context.Context, message string, opts client.WarnOpts) {
			opts.Level, opts.SourceInfo = max(opts.Level, 1), info
			// A warning that cannot be delivered harms nobody.
			_ = c.Warn(ctx, digest.FromBytes(given), message, opts)
		},
	}, nil
}

// remoteTree returns the project's tree if the client does not send it.
func remoteTree(ctx context.Context, c client.Client, ui *dockerui.Client) (*bk.State, error) {
	ref := c.BuildOpts().Opts[contextKey(c)]
	_, isGit, err := dockerui.DetectGitContext(ref, nil)
	if isGit && err != nil {
		return nil, fmt.Errorf("reading the context %q: %w", ref, err)
	}
	_, _, isHTTP := dockerui.DetectHTTPContext(ref)
	if !isGit && !isHTTP {
		inputs, err := c.Inputs(ctx)
		if err != nil {
			return nil, fmt.Errorf("reading the build's inputs: %w", err)
		}
		if _, ok := inputs[localName]; !ok {
			return nil, nil
		}
	}
	st, err := ui.MainContext(ctx)
	if err != nil {
		return nil, fmt.Errorf("loading the context: %w", err)
	}
	return st, nil
}

func contextKey(c client.Client) string {
	if key := c.BuildOpts().Opts["contextkey"]; key != "" {
		return key
	}
	return localName
}

func localSession(c client.Client) string {
	opts := c.BuildOpts()
	if id := opts.Opts["local-sessionid:"+localName]; id != "" {
		return id
	}
	return opts.SessionID
}

// tree is the project's tree as far as the selection wants it. Its op is the
// same wherever it is used in one build, so what is hashed is what is built.
func (p *project) tree(selection llb.Selection, noCache bool) bk.State {
	if p.remote != nil {
		return *p.remote
	}
	options := []bk.LocalOption{
		bk.SessionID(p.session),
		bk.SharedKeyHint("quoit:" + p.manifest.Project),
		bk.IncludePatterns(selection.Include),
		bk.ExcludePatterns(selection.Exclude),
		dockerui.WithInternalName("load the project's files"),
	}
	if noCache {
		options = append(options, bk.Differ(bk.DiffNone, false))
	}
	return bk.Local(localName, options...)
}

// selection is what of the tree the build needs. A remote tree comes whole, so
// nothing is excluded from it.
func (p *project) selection() llb.Selection {
	if p.remote != nil {
		return llb.Selection{}
	}
	return llb.Select(p.images)
}

// checkContexts refuses named contexts that a build would have to ignore: what
// is in them is in no revision. Those that are images count as externals.
func (p *project) checkContexts(contexts map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(contexts)) {
		if _, sibling := p.manifest.Image(name); sibling {
			return fmt.Errorf("the named context %s has the name of an image of %s: choose another name", name, p.manifest.Project)
		}
		if !strings.HasPrefix(contexts[name], "docker-image://") {
			return fmt.Errorf("the named context %s: only images (docker-image://…) are supported; files belong in the project, where revisions cover them", name)
		}
	}
	return nil
}

// names tells siblings from externals, also where the registry of the manifest
// was overridden.
func (p *project) names() llb.Names {
	n := llb.Names{Images: map[string]bool{}}
	for _, name := range p.manifest.ImageNames() {
		n.Images[name] = true
	}
	for _, registry := range []string{p.manifest.Registry, p.written} {
		n.Prefixes = append(n.Prefixes, registry+"/"+p.manifest.Project+"/")
	}
	return n
}

// mistake is a diagnostic in the manifest.
func (p *project) mistake(at diag.Range, hint, format string, values ...any) diag.Diagnostic {
	return diag.Diagnostic{Source: p.manifest.Source, Range: at, Message: fmt.Sprintf(format, values...), Hint: hint}
}
