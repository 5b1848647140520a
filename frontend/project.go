package frontend

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	bk "github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/frontend/dockerui"
	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/pb"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quoitbuild/quoit/internal/diag"
	"github.com/quoitbuild/quoit/llb"
	"github.com/quoitbuild/quoit/manifest"
)

// manifestLanguage is the manifest's, for clients that show excerpts.
const manifestLanguage = "YAML"

// localName is what clients call the project's files.
const localName = dockerui.DefaultLocalNameContext

// declared is what the manifest says of the project, and where its files are.
type declared struct {
	manifest *manifest.Manifest
	source   *dockerui.Source // the manifest, for warnings and excerpts
	written  string           // the registry as the manifest names it
	ring     string           // that is built against, or [versioning.None]
	at       place
	given    map[string]string // see [Options.Contexts]
}

// place is where the project's files are.
type place struct {
	remote  *bk.State // the tree if it is not the client's: git, an archive
	session string    // of the client that has the tree
	key     string    // of the project's folder, see [Host.Key]
}

// hint is a part of the name under which BuildKit keeps what it got of a project.
func (p place) hint(project string) bk.LocalOption {
	return bk.SharedKeyHint("quoit:" + project + p.key)
}

// project is everything that is read of the project's files before a compile.
type project struct {
	declared
	images map[string]llb.Source
	sent   map[string]string // see [Sent.Locals]
	fresh  bool              // what BuildKit has of the files is not believed
}

// transfer is what the client sends of the project under a key.
func (p project) transfer(key string, options ...bk.LocalOption) bk.State {
	options = append(options, bk.SessionID(p.at.session), p.at.hint(p.manifest.Project+key), dockerui.WithInternalName("load the project's files"))
	if p.fresh {
		options = append(options, bk.Differ(bk.DiffNone, false))
	}
	return bk.Local(localName, options...)
}

// readManifest reads and parses the manifest.
func readManifest(ctx context.Context, r run) (declared, error) {
	source, at, err := r.files.open(ctx)
	if err != nil {
		return declared{}, err
	}
	written, err := manifest.Parse(source.Filename, source.Data)
	if err != nil {
		return declared{}, inManifest(err, source.SourceMap)
	}
	m, err := written.At(r.opts.Registry, r.opts.Project)
	if err != nil {
		return declared{}, r.opts.misplaced(err, source.SourceMap)
	}
	for _, warning := range m.Warnings {
		source.Warn(ctx, warning.Message, client.WarnOpts{
			Detail: [][]byte{[]byte(warning.Hint)},
			Range:  []*pb.Range{pbRange(warning.Range)},
		})
	}
	return declared{manifest: m, source: source, written: written.Registry, ring: cmp.Or(r.opts.Ring, m.Rings[0]), at: at, given: r.opts.Contexts}, r.opts.check(m)
}

// own is an image's context, of a client that sends no more than what is read.
func (p project) own(source llb.Source) bk.State {
	name, ok := p.sent[source.Name]
	if !ok {
		return bk.Scratch()
	}
	options := []bk.LocalOption{
		bk.SessionID(p.at.session),
		p.at.hint(p.manifest.Project),
		dockerui.WithInternalName("load what is read of the project's files"),
	}
	if p.fresh {
		options = append(options, bk.Differ(bk.DiffNone, false))
	}
	return bk.Local(name, options...)
}

// check refuses options that do not fit the manifest.
func (o Options) check(m *manifest.Manifest) error {
	return cmp.Or(o.CheckSecrets(m), checkContexts(m, o.Contexts), o.checkSelections(m))
}

func (o Options) checkSelections(m *manifest.Manifest) error {
	names := m.ImageNames()
	var noCache []string
	for _, name := range o.NoCacheFor {
		image, _, _ := strings.Cut(name, "/")
		noCache = append(noCache, image)
	}
	for arg, s := range map[string][]string{ArgMajor: o.Major, ArgRebuild: o.Rebuild, "--no-cache-filter (IMAGE or IMAGE/STAGE)": noCache} {
		if name := unknownName(s, names); name != "" {
			return fmt.Errorf("%s names %q, which is not an image of %s%s", arg, name, m.Project, didYouMean(name, names))
		}
	}
	return nil
}

func didYouMean(word string, among []string) string {
	if near := diag.Nearest(word, among); near != "" {
		return fmt.Sprintf("; did you mean %q?", near)
	}
	return ""
}

// checkPlatforms refuses platforms that were asked for and that what is returned does not
// have. Of several images some may lack one.
func (p project) checkPlatforms(o Options) error {
	image, _ := o.splitTarget()
	names, whose := []string{cmp.Or(image, p.manifest.Root)}, "image "+cmp.Or(image, p.manifest.Root)+" is not"
	if o.Export || o.Target == AllImages || o.Request != "" {
		names, whose = p.manifest.ImageNames(), "no image of "+p.manifest.Project+" is"
	}
	var has []ocispecs.Platform
	for _, name := range names {
		has = append(has, p.images[name].Platforms...)
	}
	for _, asked := range o.Platforms {
		if there := formatPlatforms(has); len(has) > 0 && !slices.Contains(there, asked) {
			return fmt.Errorf("%s built for %s, but for %s: add it to platforms: in the manifest, or leave it out of --platform", whose, asked, strings.Join(there, ", "))
		}
	}
	return nil
}

// names tells siblings from externals, also where the registry of the manifest
// was overridden.
func (d declared) names() llb.Names {
	n := llb.Names{Images: map[string]bool{}}
	for _, name := range d.manifest.ImageNames() {
		n.Images[name] = true
	}
	for _, registry := range []string{d.manifest.Registry, d.written} {
		n.Prefixes = append(n.Prefixes, registry+"/"+d.manifest.Project+"/")
	}
	return n
}

// mistake is a diagnostic in the manifest.
func (d declared) mistake(at diag.Range, hint, format string, values ...any) diag.Diagnostic {
	return diag.Diagnostic{Source: d.manifest.Source, Range: at, Message: fmt.Sprintf(format, values...), Hint: hint}
}
