package llb

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"sync"

	bk "github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	fstypes "github.com/tonistiigi/fsutil/types"
)

// imageClient is BuildKit as the compile of one image sees it: its own options,
// its own context, and siblings that answer as if they were in a registry.
type imageClient struct {
	gateway  Gateway
	ctx      context.Context // the build's: what others share must not end with one stage
	compiler *Compiler
	unit     *unit
	source   Source
	spelling func() Spelling
	opts     client.BuildOpts

	mu        sync.Mutex
	externals map[string]string
	siblings  map[string]bool
	aliases   map[string]bool     // named contexts that are siblings
	onbuild   map[string][]string // by reference
	questions []question
	beyond    bool // it was asked for more than images that there are
	broken    bool // a sibling does not compile
}

func newImageClient(ctx context.Context, c *Compiler, u *unit) *imageClient {
	source := u.source
	opts := c.Gateway.BuildOpts()
	opts.Opts = innerOptions(c.Options, source)
	opts.Workers = []client.WorkerInfo{{Platforms: []ocispecs.Platform{c.builder(source)}}}
	return &imageClient{
		gateway:   c.Gateway,
		ctx:       ctx,
		compiler:  c,
		unit:      u,
		source:    source,
		spelling:  sync.OnceValue(func() Spelling { return NewSpelling(source.Map.Data, source.Args) }),
		opts:      opts,
		externals: map[string]string{},
		siblings:  map[string]bool{},
		aliases:   map[string]bool{},
		onbuild:   map[string][]string{},
	}
}

// BuildOpts returns the image's own options.
func (c *imageClient) BuildOpts() client.BuildOpts {
	opts := c.opts
	opts.Opts = maps.Clone(opts.Opts)
	return opts
}

// Inputs returns none: the build's inputs are the project's, not the image's.
func (c *imageClient) Inputs(context.Context) (map[string]bk.State, error) {
	return nil, nil
}

// Solve answers the only solves that a compile asks for, those of ignore
// files, from what is known already.
func (c *imageClient) Solve(_ context.Context, req client.SolveRequest) (*client.Result, error) {
	res := client.NewResult()
	res.SetRef(ignoreFile{data: c.source.ignoredOf(req.Definition)})
	return res, nil
}

// ResolveImageConfig answers for a sibling with its compiled config and a mark
// for a reference, for any other image with what its registry says and its
// reference by digest: of a named context only the reference counts.
func (c *imageClient) ResolveImageConfig(_ context.Context, ref string, opt sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	found, dgst, config, err := c.resolve(ref, opt)
	c.note(ref, opt, found, dgst, config, err)
	return found, dgst, config, err
}

func (c *imageClient) resolve(ref string, opt sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	name, ok := c.sibling(ref)
	if !ok {
		if err := c.compiler.Names.check(ref, c.spelling()); err != nil {
			return "", "", nil, err
		}
		dgst, config, err := c.compiler.Externals.Resolve(c.ctx, ref, opt)
		if err != nil {
			return "", "", nil, c.compiler.Names.suggest(ref, err)
		}
		if err := c.noteTriggers(ref, config); err != nil {
			return "", "", nil, err
		}
		c.noteExternal(ref, dgst)
		ref, err = withDigest(ref, dgst)
		return ref, dgst, config, err
	}
	if name == c.source.Name {
		return "", "", nil, fmt.Errorf("image %s builds on itself; if Docker Hub's is meant, write docker.io/library/%s", name, name)
	}
	c.noteSibling(name)
	platform := c.unit.platform
	if opt.ImageOpt != nil && opt.ImageOpt.Platform != nil {
		platform = *opt.ImageOpt.Platform
	}
	compiled, err := c.compiler.compile(c.ctx, c.unit, name, platform)
	if err != nil {
		c.mu.Lock()
		c.broken = true
		c.mu.Unlock()
		return "", "", nil, err
	}
	config, err := compiled.baseConfig()
	if err == nil {
		err = c.noteTriggers(name, config)
	}
	return siblingHost + name + ":latest", "", config, err
}

// sibling is the image of the project that a reference means, if it means one.
func (c *imageClient) sibling(ref string) (name string, ok bool) {
	if alias := c.source.alias(ref); alias != nil {
		c.noteAlias(alias.Name)
		return alias.Image, true
	}
	return c.compiler.Names.Sibling(ref, c.spelling())
}

// ResolveSourceMetadata says when the context's files were made, and asks BuildKit of all
// other sources.
func (c *imageClient) ResolveSourceMetadata(ctx context.Context, op *pb.SourceOp, opt sourceresolver.Opt) (*sourceresolver.MetaResponse, error) {
	c.mu.Lock()
	c.beyond = true
	c.mu.Unlock()
	if !IsContext(op) {
		return c.gateway.ResolveSourceMetadata(ctx, op, opt)
	}
	if c.compiler.Time == nil {
		return nil, errors.New("SOURCE_DATE_EPOCH=context is the time of a git or HTTP context, and the project's files come from a folder: " +
			"give `quoit` --build-arg SOURCE_DATE_EPOCH=context to take that of the folder's commit, or write the seconds since 1970")
	}
	made, err := c.compiler.Time(ctx)
	if err == nil && made == nil {
		err = errors.New("SOURCE_DATE_EPOCH=context: the project's context does not say its time: write the seconds since 1970")
	}
	if err != nil {
		return nil, err
	}
	return &sourceresolver.MetaResponse{Op: op, HTTP: &sourceresolver.ResolveHTTPResponse{LastModified: made}}, nil
}

// NewContainer fails: a compile runs nothing.
func (c *imageClient) NewContainer(context.Context, client.NewContainerRequest) (client.Container, error) {
	return nil, errors.New("a compile runs no container")
}

// Warn does nothing: warnings go to [Compiler.Warn].
func (c *imageClient) Warn(context.Context, digest.Digest, string, client.WarnOpts) error { return nil }

func (c *imageClient) noteExternal(ref string, dgst digest.Digest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.externals[ref] = dgst.String()
}

func (c *imageClient) noteSibling(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.siblings[name] = true
}

// waited tells whether a sibling did not compile.
func (c *imageClient) waited() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.broken
}

// noteTriggers notes what an image brings to those that build on it.
func (c *imageClient) noteTriggers(ref string, config []byte) error {
	triggers, err := triggersOf(ref, config)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.onbuild[ref] = triggers
	return nil
}

// triggers are the ONBUILD instructions of all images that were asked for, by reference.
func (c *imageClient) triggers() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []string
	for _, ref := range slices.Sorted(maps.Keys(c.onbuild)) {
		all = append(all, c.onbuild[ref]...)
	}
	return all
}

// triggersByBase are those of each image that was asked for.
func (c *imageClient) triggersByBase() map[string][]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.onbuild)
}

// complete says of what was compiled which unit it is and what it uses.
func (c *imageClient) complete(compiled *Compiled) *Compiled {
	compiled.Source, compiled.Platform = c.source, c.unit.platform
	compiled.Externals, compiled.Siblings = c.used()
	return compiled
}

// used returns the externals with digests and the siblings that were asked for.
func (c *imageClient) used() (externals map[string]string, siblings []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.externals, slices.Sorted(maps.Keys(c.siblings))
}

// ignoreFile is a folder with nothing but the image's ignore file.
type ignoreFile struct{ data []byte }

func (f ignoreFile) ReadFile(_ context.Context, req client.ReadRequest) ([]byte, error) {
	if f.data == nil {
		return nil, &fs.PathError{Op: "open", Path: req.Filename, Err: fs.ErrNotExist}
	}
	return f.data, nil
}

func (f ignoreFile) StatFile(_ context.Context, req client.StatRequest) (*fstypes.Stat, error) {
	return &fstypes.Stat{Path: req.Path, Size: int64(len(f.data))}, nil
}

func (f ignoreFile) ToState() (bk.State, error)     { return bk.Scratch(), nil }
func (f ignoreFile) Evaluate(context.Context) error { return nil }

func (f ignoreFile) ReadDir(context.Context, client.ReadDirRequest) ([]*fstypes.Stat, error) {
	return nil, nil
}

// Gateway is what a compile asks of a BuildKit, besides the configs of images. All but
// its options is only for a container file of another frontend, and for a time that is
// that of a remote source (SOURCE_DATE_EPOCH).
type Gateway interface {
	BuildOpts() client.BuildOpts
	Solve(context.Context, client.SolveRequest) (*client.Result, error)
	ResolveSourceMetadata(context.Context, *pb.SourceOp, sourceresolver.Opt) (*sourceresolver.MetaResponse, error)
}

// Alone is a Gateway with no BuildKit behind it: what a compile would have to ask of one
// ends it, with a [*BuilderError].
type Alone client.BuildOpts

// BuildOpts are what a BuildKit would say of itself.
func (a Alone) BuildOpts() client.BuildOpts { return client.BuildOpts(a) }

// Solve returns a [*BuilderError].
func (Alone) Solve(_ context.Context, req client.SolveRequest) (*client.Result, error) {
	return nil, &BuilderError{"runs the frontend " + req.FrontendOpt["source"]}
}

// ResolveSourceMetadata returns a [*BuilderError].
func (Alone) ResolveSourceMetadata(_ context.Context, op *pb.SourceOp, _ sourceresolver.Opt) (*sourceresolver.MetaResponse, error) {
	return nil, &BuilderError{"knows the time of " + op.Identifier}
}

// BuilderError says that a project cannot be looked at without a builder.
type BuilderError struct {
	// Why is what only a builder does: "runs the frontend …".
	Why string
}

// Error says why.
func (e *BuilderError) Error() string { return "only a BuildKit " + e.Why }
