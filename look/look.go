// Package look says what a build of a project would do, and which images need which, where
// the project lies: it reads its files on this machine and asks the registries itself. No builder is needed, unless
// a container file names a frontend of its own ([llb.BuilderError]).
//
// What it says is what the frontend says in a BuildKit: both run the steps of [frontend.Plan]
// and [frontend.Graph].
package look

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"

	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quoitbuild/quoit/frontend"
	"github.com/quoitbuild/quoit/frontend/check"
	"github.com/quoitbuild/quoit/graph"
	"github.com/quoitbuild/quoit/manifest"
	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/revision"
	"github.com/quoitbuild/quoit/revision/disk"
	"github.com/quoitbuild/quoit/store/records"
)

// Options say what is looked at.
type Options struct {
	// Dir is the project's root folder, File the path of its manifest.
	Dir, File string
	// Manifest is what File says.
	Manifest *manifest.Manifest
	// Frontend are the frontend's options.
	Frontend frontend.Options
	// At is where the project's images and its log are. Other registries are asked as
	// that one is.
	At registry.Namespace
	// Record says what [frontend.Options.Record] is, once that is known; nil: what they say.
	Record func(context.Context) (string, error)
	// Newest is [frontend.Local]'s.
	Newest func() records.Sealed
	// Progress is told how many bytes of files were read of how many; see [disk.Options].
	Progress func(read, of int64)
	// Warn gets the warnings of manifest and container files, with the file's name; nil:
	// nobody does.
	Warn func(file, message string)
}

// Plan says what a build would do. It remembers configs by digest, digests of files, and
// what container files compile to, in the user's folder for caches; without that folder it
// takes longer. [frontend.Options.NoCache] looks anew at all but what has a digest. Errors are those of [frontend.Plan]; an [*llb.BuilderError] also says that a
// registry cannot be reached from here.
func Plan(ctx context.Context, o Options) (Planned, error) {
	h := &hasher{dir: o.Dir, fresh: o.Frontend.NoCache, progress: o.Progress}
	l, frontendOptions, save := o.local(h)
	defer save()
	plan, err := frontend.Plan(ctx, l, frontendOptions)
	if err != nil {
		return Planned{}, err
	}
	return Planned{plan, h.answers}, nil
}

// Graph says which images need which. Of registries it asks those of base images, and
// nothing of the project's log or releases. It remembers what Plan does; errors are those
// of Plan.
func Graph(ctx context.Context, o Options) (graph.Listing, error) {
	l, frontendOptions, save := o.local(nil)
	defer save()
	return frontend.Graph(ctx, l, frontendOptions)
}

// Check holds the project to the rules of `--check`. Of registries it asks those of base
// images. It remembers what Plan does; errors are those of Plan.
func Check(ctx context.Context, o Options) (*check.Report, error) {
	h := &hasher{dir: o.Dir, fresh: o.Frontend.NoCache, progress: o.Progress}
	l, frontendOptions, save := o.local(h)
	defer save()
	return frontend.Check(ctx, l, frontendOptions)
}

// local is the project on this machine, with the frontend's options for it. Save keeps what
// was learned.
func (o Options) local(h frontend.Hasher) (l frontend.Local, options frontend.Options, save func()) {
	images := images{at: o.At, cache: KnownContents()}
	o.Frontend.Filename = filepath.Base(o.File)
	l = frontend.Local{
		Folder: o.Dir, Manifest: o.Manifest.Source.Data,
		Platform: ocispecs.Platform{OS: "linux", Architecture: runtime.GOARCH},
		Configs:  images, Images: images, Accounts: images.accounts, Remotes: remotes{images.cache},
		Hasher: h, Record: o.Record, Newest: o.Newest, Warn: o.Warn,
	}
	if o.Frontend.NoCache {
		return l, o.Frontend, func() {}
	}
	compiles := openCompiles(o.Dir)
	l.Compiles, l.Version = compiles, version()
	return l, o.Frontend, compiles.save
}

// Planned is a plan with the digests of what the images read, by the scheme of revisions.
type Planned struct {
	frontend.Planned
	Answers map[int]revision.Response
}

// hasher hashes a folder of this machine.
type hasher struct {
	dir   string
	fresh bool

	progress func(read, of int64)
	answers  map[int]revision.Response // the last one of each scheme
}

// Hash implements [frontend.Hasher].
func (h *hasher) Hash(ctx context.Context, req revision.Request) (revision.Response, error) {
	file, err := disk.CacheFile(h.dir)
	if err != nil {
		file = "" // there is no folder for caches
	}
	executable, err := disk.Executables(h.dir)
	if err != nil {
		return revision.Response{}, err
	}
	res, err := disk.Answer(ctx, h.dir, req, disk.Options{Cache: file, Fresh: h.fresh, Progress: h.progress, Executable: executable})
	if err != nil {
		return res, fmt.Errorf("reading %s: %w", h.dir, err)
	}
	if h.answers == nil {
		h.answers = map[int]revision.Response{}
	}
	h.answers[res.Scheme] = res
	return res, nil
}
