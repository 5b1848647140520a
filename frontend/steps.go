package frontend

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/dockerui"
	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/quoitbuild/quoit/frontend/rings"
	"github.com/quoitbuild/quoit/llb"
	"github.com/quoitbuild/quoit/revision"
	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/versioning"
)

// A build is seven steps. Each makes a value that nothing changes afterwards:
//
//	read      the manifest, then the files that it names     declared, project
//	look      what the log says of the rings                 state
//	compile   what images are made of, and who needs whom    compiled
//	hash      what the images read                           hashed
//	decide    what changes, why, and to which version        planned
//	assemble  what is solved, and how it is returned         definitions
//	solve                                                    [client.Result]
//
// A look needs nothing but the manifest, so it runs beside those that follow, up to
// the decision.

// run is one run of the steps up to a plan: what it is asked, and what these ask of the
// outside.
type run struct {
	gateway llb.Gateway
	files   files
	configs sourceresolver.ImageMetaResolver // of images that the project does not build
	remotes llb.RemoteResolver
	images  rings.Images // of the project
	hasher  hasher
	newest  func(context.Context) (string, error) // see [Options.Record]
	known   func() records.Sealed                 // see [Local.Newest]
	warn    warner
	made    func(context.Context) (*time.Time, error) // when the files of a remote tree were
	opts    Options
	// compiles and version are those of [Local].
	compiles llb.Memory
	version  string
	// pinned are the digests of externals, by reference, if they are known already.
	pinned   map[string]string
	accounts func(ctx context.Context, ref string, images []string) (map[string][]byte, error) // see [Local.Accounts]
	fresh    bool                                                                              // see [Host.Fresh]
	sent     *Sent                                                                             // see [Host.Sent]
}

// files has those of the project that say how it is built.
type files interface {
	// open returns the manifest, and where the others are.
	open(context.Context) (*dockerui.Source, place, error)
	// control are the container files and ignore files.
	control(context.Context, declared) (*controlFiles, error)
}

// hasher has all of the project's files.
type hasher interface {
	// hash answers by the digest of what each image reads. The contexts hold that, as it
	// was hashed; they are nil if nothing can be built here.
	hash(context.Context, project, revision.Request) (revision.Response, contexts, error)
}

// warner delivers a warning, as [client.Client.Warn] does.
type warner func(context.Context, digest.Digest, string, client.WarnOpts) error

// known is all that is known once a plan is made.
type known struct {
	project
	compiled
	planned
	contexts contexts
	read     read
}

// readProject reads the manifest and the files that it names.
func (r run) readProject(ctx context.Context) (project, error) {
	d, err := readManifest(ctx, r)
	if err != nil {
		return project{}, err
	}
	return readFiles(ctx, r, d)
}

// makeGraph compiles the images and does nothing else: it sends no files but those
// that have been read, and asks nothing of the project's registry.
func (r run) makeGraph(ctx context.Context) (p project, c compiled, err error) {
	if p, err = r.readProject(ctx); err != nil {
		return p, c, err
	}
	c, err = compile(ctx, p, newCompiler(r, p, nil))
	return p, c, err
}

// makePlan does everything up to the decision.
func (r run) makePlan(ctx context.Context) (known, error) {
	d, err := readManifest(ctx, r)
	if err != nil {
		return known{}, err
	}
	var looking *pending[state]
	if d.ring != versioning.None {
		looking = begin(func() (state, error) { return look(ctx, r, d) })
	}
	p, err := readFiles(ctx, r, d)
	if err != nil {
		return known{}, err
	}
	return r.plan(ctx, p, looking)
}

// plan makes the plan of a project by what is known of its rings; nil if no ring is
// looked at.
func (r run) plan(ctx context.Context, p project, looking *pending[state]) (known, error) {
	k := known{project: p}
	var seen state
	var files hashed
	var unfit error // an external is not made for what was taken for the platform
	eg, egCtx := errgroup.WithContext(ctx)
	eg.Go(func() (err error) {
		seen, err = looking.wait(egCtx)
		return err
	})
	eg.Go(func() (err error) {
		k.compiled, files, err = r.sources(egCtx, p, looking)
		if err != nil && isOtherPlatform(err) {
			unfit, err = err, nil
		}
		return err
	})
	if err := eg.Wait(); err != nil {
		return known{}, err
	}
	other, differs, err := p.released(seen)
	if err == nil && differs {
		k = known{project: other}
		k.compiled, files, err = r.sources(ctx, other, looking)
	} else if err == nil {
		err = unfit
	}
	if err = cmp.Or(err, k.checkPlatforms(r.opts)); err != nil {
		return known{}, err
	}
	if k.contexts = files.contexts; looking == nil {
		k.Plan, err = versioning.Unpublishable(files.Request)
	} else if err = r.former(ctx, k.project, k.compiled, files.Request, seen); err == nil {
		k.planned, err = decide(ctx, files.Request, seen)
	}
	k.read = files.read
	if err == nil {
		err = errors.Join(k.checkSources(ctx), k.checkOverlays())
	}
	if err == nil && looking != nil {
		r.specify(ctx, &k, seen)
	}
	return k, err
}

// planned is what was decided.
type planned struct {
	versioning.Plan
	// older are the rings whose release is older than the log, by images whose digest it
	// does not say.
	older map[string]string
}

// decide settles the plan, and finds the digest of every image that is not built.
func decide(ctx context.Context, request versioning.Request, seen state) (planned, error) {
	request.State, request.Merge = seen.State, seen.merged
	held := sync.OnceValues(func() ([]versioning.Placed, error) { return seen.log.Held(ctx) })
	plan, err := versioning.Resolve(request, seen.log.Versions(held))
	if err != nil {
		return planned{}, err
	}
	older := map[string]string{}
	for i, image := range plan.Images {
		if image.Built() {
			continue
		}
		if plan.Images[i].Digest, older[image.Name], err = seen.digest(ctx, held, image.Name, image.Version); err != nil {
			return planned{}, err
		}
	}
	return planned{plan, older}, nil
}

// digest is the one that the log has assigned to a version, "" if it is only known from
// a release in the ring that is returned, which is older than the log.
func (s state) digest(ctx context.Context, held func() ([]versioning.Placed, error), image string, version versioning.Version) (digest, ring string, err error) {
	var near []versioning.Placed
	for _, placed := range []*versioning.Placed{s.Current, s.Next} {
		if placed != nil {
			near = append(near, *placed)
		}
	}
	digest, ring, err = s.log.Digest(ctx, near, image, version)
	if err != nil || digest != "" || ring != "" {
		return digest, ring, err
	}
	// It was taken from another ring.
	others, err := held()
	if err != nil {
		return "", "", err
	}
	return s.log.Digest(ctx, others, image, version)
}

// digestOf is the digest that the log has assigned to an image which is not built.
func (p planned) digestOf(name string) (string, error) {
	image, _ := p.Image(name)
	if image.Digest == "" {
		return "", fmt.Errorf("%s has %s %s in a release that is older than the log, which does not say its digest: run `quoit take-over %s`, or build it again with %s=%s",
			p.older[name], name, image.Version, p.older[name], ArgRebuild, name)
	}
	return image.Digest, nil
}

// released is the project with the platforms that the current release has, for images whose
// manifest says none: so another machine, or another builder, is no reason to build. It
// seldom differs from what was taken for them.
func (p project) released(seen state) (released project, differs bool, err error) {
	if seen.Current == nil {
		return p, false, nil
	}
	p.images = maps.Clone(p.images)
	for _, image := range p.manifest.Images {
		has := seen.Current.Release.Images[image.Name].Platforms
		source := p.images[image.Name]
		if len(image.Platforms) > 0 || len(has) == 0 || slices.Equal(has, formatPlatforms(source.Platforms)) {
			continue
		}
		image.Platforms, differs = has, true
		if source.Platforms, err = imagePlatforms(image, ocispecs.Platform{}); err != nil {
			return p, false, err
		}
		p.images[image.Name] = source
	}
	return p, differs, nil
}

// sources says what the project's files say now: compiles all images, hashes what they
// read, and resolves externals.
func (r run) sources(ctx context.Context, p project, looking *pending[state]) (c compiled, files hashed, err error) {
	pins, err := r.pins(ctx, p.declared, looking)
	if err != nil {
		return c, files, err
	}
	c, err = compile(ctx, p, newCompiler(r, p, pins))
	if err == nil {
		c.remotes, err = r.resolveRemotes(ctx, c, pins)
	}
	if err != nil {
		return c, files, err
	}
	files, err = hash(ctx, r, p, &c)
	return c, files, err
}

// pins are the digests that externals are known to have, else those that they had when the
// current release was built; only the first ring, and whoever asks to pull, follows the tags.
func (r run) pins(ctx context.Context, d declared, looking *pending[state]) (map[string]string, error) {
	if r.pinned != nil {
		return r.pinned, nil
	}
	if r.opts.Pull || looking == nil || slices.Index(d.manifest.RingOrder(), d.ring) <= 1 {
		return nil, nil
	}
	seen, err := looking.wait(ctx)
	if err != nil || seen.Current == nil {
		return nil, err
	}
	return seen.Current.Release.Digests(), nil
}

// pending is a value that is made while others are.
type pending[T any] struct {
	made  chan struct{} // closed when the rest is there
	value T
	err   error
}

// begin begins to make a value.
func begin[T any](f func() (T, error)) *pending[T] {
	p := &pending[T]{made: make(chan struct{})}
	go func() {
		defer close(p.made)
		p.value, p.err = f()
	}()
	return p
}

// wait returns the value when it is there, or when the caller has no use for it any
// more. Of nothing, the zero value is there at once.
func (p *pending[T]) wait(ctx context.Context) (value T, err error) {
	if p == nil {
		return value, nil
	}
	select {
	case <-p.made:
		return p.value, p.err
	case <-ctx.Done():
		return value, context.Cause(ctx)
	}
}
