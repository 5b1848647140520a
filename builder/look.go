package builder

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/solver/pb"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/tonistiigi/fsutil"

	"github.com/quoitbuild/quoit/llb"
	"github.com/quoitbuild/quoit/look"
	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/versioning"
)

// looked is what is known of a build before BuildKit is called.
type looked struct {
	plan     *versioning.Plan // nil if only a BuildKit can make it
	why      error            // why only a BuildKit can
	sources  look.Planned     // what the plan was made of
	warnings []client.VertexWarning
	dirty    bool // what the check has said

	// What BuildKit gets of the project's files: what is built reads, or what a frontend
	// image reads, which chooses of it; all if both are nil.
	sending *sending
	whole   fsutil.FS
	fresh   bool // BuildKit is to believe nothing that it has of them
}

// look plans where the project lies, as long as that needs no BuildKit. Errors are those of
// [Build].
func (o Options) look(ctx context.Context, log *reading) (looked, error) {
	planned, found, err := lookBy(ctx, o, log, look.Plan)
	if err != nil || planned == nil {
		return found, err
	}
	// As it comes from a frontend, so that both can be compared.
	var plan versioning.Plan
	data, err := json.Marshal(planned.Plan)
	if err == nil {
		plan, err = versioning.ParsePlan(data)
	}
	if err != nil {
		return found, fmt.Errorf("writing the plan: %w", err)
	}
	found.plan, found.sources = &plan, *planned
	return found, nil
}

// lookBy looks where the project lies; what it makes is nil if only a BuildKit can.
func lookBy[T any](ctx context.Context, o Options, log *reading, by func(context.Context, look.Options) (T, error)) (*T, looked, error) {
	var found looked
	if o.Project == nil {
		return nil, found, nil
	}
	var mu sync.Mutex
	made, err := by(ctx, look.Options{
		Dir: o.Dir, File: o.File, Manifest: o.Manifest, Frontend: job{Options: o}.options(), At: o.Project.Namespace(),
		Progress: o.BuildKit.Progress.reading(),
		Record:   func(ctx context.Context) (string, error) { return log.record(ctx, o.Frontend.Record) },
		Newest:   func() records.Sealed { return log.state.Newest },
		Warn: func(file, message string) {
			mu.Lock()
			defer mu.Unlock()
			found.warnings = append(found.warnings, client.VertexWarning{Short: []byte(message), SourceInfo: &pb.SourceInfo{Filename: file}})
		},
	})
	var needed *llb.BuilderError
	if errors.As(err, &needed) {
		found.why = err
		return nil, found, nil
	}
	if err != nil {
		found.warn(o.BuildKit.Progress)
		return nil, found, err
	}
	return &made, found, nil
}

// warn prints the warnings; a BuildKit that is asked has them too.
func (l looked) warn(to Progress) {
	slices.SortStableFunc(l.warnings, func(a, b client.VertexWarning) int {
		return cmp.Or(cmp.Compare(a.SourceInfo.Filename, b.SourceInfo.Filename), cmp.Compare(string(a.Short), string(b.Short)))
	})
	printWarnings(to.out(), l.warnings)
}

// connect connects to the BuildKit that is asked.
func (o Options) connect(ctx context.Context, found looked) (*Client, error) {
	c, err := o.BuildKit.connect(ctx, o.platforms(found))
	if err != nil && found.why != nil && !errors.As(err, new(*OptionError)) {
		return nil, errors.Join(found.why, err)
	}
	return c, err
}

// platforms are those that are built, or may be as long as nothing is planned. Images that
// are for whatever the builder is have none.
func (o Options) platforms(found looked) []ocispecs.Platform {
	var names []string
	for _, image := range o.Manifest.Images {
		if found.plan == nil {
			names = append(names, image.Platforms...)
		} else if planned, _ := found.plan.Image(image.Name); planned.Built() {
			names = append(names, planned.Platforms...)
		}
	}
	var list []ocispecs.Platform
	for _, name := range names {
		p, err := platforms.Parse(name)
		if err != nil || len(o.Frontend.Platforms) > 0 && !slices.Contains(o.Frontend.Platforms, name) {
			continue // whoever builds says what is wrong with it
		}
		if !slices.ContainsFunc(list, platforms.OnlyStrict(p).Match) {
			list = append(list, p)
		}
	}
	return list
}

// IncomparableError says that a frontend image plans otherwise than this command, of the
// same files.
type IncomparableError struct {
	Syntax string // the image
}

// Error names the ways out.
func (e *IncomparableError) Error() string {
	return fmt.Sprintf("the frontend image %s plans otherwise than this command, so they are of different versions; nothing was tagged: name an image of this command's version in the manifest's first line, or leave that line out", e.Syntax)
}
