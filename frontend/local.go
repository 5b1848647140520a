package frontend

import (
	"context"
	"errors"

	bk "github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/dockerui"
	"github.com/moby/buildkit/frontend/gateway/client"
	gatewaypb "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quoitbuild/quoit/account"
	"github.com/quoitbuild/quoit/frontend/ask"
	"github.com/quoitbuild/quoit/frontend/check"
	"github.com/quoitbuild/quoit/frontend/folder"
	"github.com/quoitbuild/quoit/frontend/rings"
	"github.com/quoitbuild/quoit/graph"
	"github.com/quoitbuild/quoit/llb"
	"github.com/quoitbuild/quoit/overlay"
	"github.com/quoitbuild/quoit/revision"
	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/versioning"
)

// Hasher digests what images read of the project's files, as [revision.Answer] does.
type Hasher interface {
	Hash(context.Context, revision.Request) (revision.Response, error)
}

// Local is a project that lies on this machine, with what a plan or graph of it is made by
// where no BuildKit is asked.
type Local struct {
	// Folder is the project's root folder.
	Folder string
	// Manifest is the manifest's text.
	Manifest []byte
	// Platform is what an image is built for whose manifest does not say it.
	Platform ocispecs.Platform
	// Configs has digests and configs of images that the project does not build. Of a
	// reference that a registry says it does not have, the error is an [*AbsentError].
	Configs sourceresolver.ImageMetaResolver
	// Remotes resolves what container files add from elsewhere.
	Remotes llb.RemoteResolver
	// Images has the images of the project's registry.
	Images rings.Images
	// Accounts has what is kept of released images: the accounts of some, by name, from what
	// a reference names; nil: nothing is.
	Accounts func(ctx context.Context, ref string, images []string) (map[string][]byte, error)
	// Compiles knows what container files compile to by a program of this Version; nil:
	// that is not known.
	Compiles llb.Memory
	Version  string
	// Hasher knows the project's files.
	Hasher Hasher
	// Record says what [Options.Record] is, as [Host.Record] does; nil: what they say.
	Record func(context.Context) (string, error)
	// Newest has the record that Record has named, if it was read already; nil: it was not.
	Newest func() records.Sealed
	// Warn gets the warnings of manifest and container files, with the file's name; nil:
	// nobody does.
	Warn func(file, message string)
}

// Planned is a plan, and what a build by it has to send.
type Planned struct {
	versioning.Plan
	// Reads is what all images read of the project.
	Reads []revision.ImageInputs
	// InGraph are the images whose own steps are in the graph of a build: those that are
	// built, and siblings that they need for a platform that was not released; and their
	// named contexts, as IMAGE:CONTEXT.
	InGraph map[string]bool
	// Named are the places where the root image's files name images.
	Named []overlay.Use
	// Control are the paths of container and ignore files in the project, also of those
	// that could be there.
	Control []string
	// Accounts says what the images that are built are made of.
	Accounts func() map[string]account.Account
}

// Plan says what a build with these options would do, as BuildKit's answer to
// [RequestPlan] does. What BuildKit would have to be asked for ends it with a
// [*llb.BuilderError]: the container file of another frontend.
func Plan(ctx context.Context, l Local, o Options) (Planned, error) {
	r, err := l.run(o)
	if err != nil {
		return Planned{}, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	k, err := r.makePlan(ctx)
	if err != nil {
		return Planned{}, ask.ForClients(err)
	}
	all := k.hashRequest(k.graphs)
	planned := Planned{Plan: k.Plan, Reads: all.Images, InGraph: map[string]bool{}, Named: k.named, Control: k.controlFiles(), Accounts: k.accounts}
	for _, in := range all.Images {
		image, _ := in.Of()
		planned.InGraph[in.Name] = k.inGraph(image)
	}
	return planned, nil
}

// Graph says which images need which, as BuildKit's answer to [RequestGraph] does. Neither
// the project's registry nor its Hasher is asked for anything. Errors are those of [Plan].
func Graph(ctx context.Context, l Local, o Options) (graph.Listing, error) {
	r, err := l.run(o)
	if err != nil {
		return graph.Listing{}, err
	}
	p, c, err := r.makeGraph(ctx)
	if err != nil {
		return graph.Listing{}, ask.ForClients(err)
	}
	return c.graph.List(p.manifest.Root), nil
}

// Check holds a project to the rules of `--check`, as BuildKit's answer to that does. Nothing
// of the project's registry is asked. Errors are those of [Plan].
func Check(ctx context.Context, l Local, o Options) (*check.Report, error) {
	r, err := l.run(o)
	if err != nil {
		return nil, err
	}
	p, err := r.readProject(ctx)
	if err != nil {
		return nil, ask.ForClients(err)
	}
	report, err := checkProject(ctx, r, p)
	return report, ask.ForClients(err)
}

// run is one with these options, as they come to a frontend: nothing is understood
// otherwise than there.
func (l Local) run(o Options) (run, error) {
	attrs := o.Attrs()
	o, err := ParseOptions(attrs)
	if err != nil {
		return run{}, err
	}
	alone := llb.Alone(client.BuildOpts{
		Opts: attrs, LLBCaps: pb.Caps.CapSet(pb.Caps.All()), Caps: gatewaypb.Caps.CapSet(gatewaypb.Caps.All()),
		Workers: []client.WorkerInfo{{Platforms: []ocispecs.Platform{l.Platform}}},
	})
	files := localFiles{l, o.Filename}
	return run{gateway: alone, files: files, configs: l.Configs, remotes: l.Remotes, images: l.Images, accounts: l.Accounts, hasher: files, opts: o, warn: files.warn,
		compiles: l.Compiles, version: l.Version,
		newest: func(ctx context.Context) (string, error) {
			if l.Record == nil {
				return o.Record, nil
			}
			return l.Record(ctx)
		}, known: l.Newest}, nil
}

// localFiles are the files of a project on this machine.
type localFiles struct {
	Local
	name string // the manifest's
}

func (l localFiles) warn(_ context.Context, _ digest.Digest, message string, opts client.WarnOpts) error {
	if l.Warn != nil {
		l.Warn(opts.SourceInfo.GetFilename(), message)
	}
	return nil
}

func (l localFiles) open(context.Context) (*dockerui.Source, place, error) {
	return given(l.name, l.Manifest, l.warn), place{}, nil
}

func (l localFiles) control(context.Context, declared) (*controlFiles, error) {
	return &controlFiles{tree: folder.Folder(l.Folder), def: &bk.Definition{}}, nil
}

func (l localFiles) hash(ctx context.Context, _ project, req revision.Request) (revision.Response, contexts, error) {
	res, err := l.Hasher.Hash(ctx, req)
	return res, nil, err
}

// AbsentError says that a registry does not have an image.
type AbsentError struct {
	Reference string // that was asked for
}

// Error is what BuildKit says.
func (e *AbsentError) Error() string { return e.Reference + ": not found" }

// isAbsentError tells whether an error says so.
func isAbsentError(err error) bool {
	var absent *AbsentError
	return errors.As(err, &absent)
}
